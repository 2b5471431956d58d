"""A partition of a brain's slice into parcels of equal area."""

import numpy as np
from numpy.typing import NDArray

HALVINGS = 4
"""16 parcels."""


def parcels(brain: NDArray[np.bool_], halvings: int = HALVINGS) -> NDArray[np.bool_]:
    """Halve the brain, and each half again, across its longer side (a k-d tree).

    Args:
        brain: (rows, columns).
        halvings: how many times.

    Returns:
        (2 ** halvings, rows, columns); areas differ by one pixel at most. Empty where the brain has fewer pixels.
    """
    parts = [np.argwhere(brain)]
    for _ in range(halvings):
        parts = [half for part in parts for half in _halves(part)]
    found = np.zeros((len(parts), *brain.shape), dtype=bool)
    for number, part in enumerate(parts):
        found[number, *part.T] = True
    return found if found.any(axis=(1, 2)).all() else found[:0]


def _halves(pixels: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Pixels (n, 2) as two parts of one area."""
    if len(pixels) < 2:
        return [pixels, pixels[:0]]
    longer = int(np.ptp(pixels, axis=0).argmax())
    order = np.lexsort((pixels[:, 1 - longer], pixels[:, longer]))
    return [pixels[half] for half in np.array_split(order, 2)]
