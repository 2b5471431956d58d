"""What little could do as well as a network, on the same splits."""
