"""Colours of heat."""

COLOURS = "plasma"
"""Perceptually uniform, readable with colour blindness, and without black or white, which are the image's."""

DIVERGING = "coolwarm"
"""Of signed maps: perceptually uniform, grey at 0, and its ends differ with colour blindness."""
