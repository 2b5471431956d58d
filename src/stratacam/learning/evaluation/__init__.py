"""How good predictions are, and how far chance and few subjects could have brought them."""
