"""What the network loses when a region of a slice is filled with plain tissue."""
