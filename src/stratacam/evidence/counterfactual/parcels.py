"""A partition of a brain's slice into parcels of equal area, or of the brain into parcels of equal volume."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HALVINGS = 4
"""Of a slice: 16 parcels."""

HALVINGS_OF_VOLUMES = 6
"""64 parcels."""


def parcels(
    brain: NDArray[np.bool_], halvings: int = HALVINGS, spacing: Sequence[float] = (1.0, 1.0)
) -> NDArray[np.bool_]:
    """Halve the brain, and each half again, across its longest side (a k-d tree).

    Args:
        brain: (rows, columns), or (slices, rows, columns).
        halvings: how many times.
        spacing: of its axes, by which sides are compared.

    Returns:
        (2 ** halvings, *brain.shape); sizes differ by one pixel at most. Empty where the brain has fewer pixels.
    """
    parts = [np.argwhere(brain)]
    for _ in range(halvings):
        parts = [half for part in parts for half in _halves(part, np.asarray(spacing))]
    found = np.zeros((len(parts), *brain.shape), dtype=bool)
    for number, part in enumerate(parts):
        found[number, *part.T] = True
    return found if found.reshape(len(found), -1).any(axis=1).all() else found[:0]


def _halves(pixels: NDArray[np.intp], spacing: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Pixels (n, axes) as two parts of one size."""
    if len(pixels) < 2:
        return [pixels, pixels[:0]]
    longest = int((np.ptp(pixels, axis=0) * spacing).argmax())
    others = [axis for axis in reversed(range(len(spacing))) if axis != longest]
    order = np.lexsort((*(pixels[:, axis] for axis in others), pixels[:, longest]))
    return [pixels[half] for half in np.array_split(order, 2)]
