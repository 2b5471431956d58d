"""A lesion as it is added to a picture: its mask, and its signal with partial volume at the edge.

A blurred mask loses more at the edge the more ragged it is, so that the mean signal of lesions would tell their shapes
apart. Here every lesion of one area gets the same numbers, those of a blurred disc, in the order of its own blurred
mask: total, peak and histogram of the signal are equal.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.planting.shapes import LONGEST, Shape

BLUR = 0.6
"""Standard deviation in pixels of the partial volume at the edge of a lesion."""

MARGIN = 5
"""Pixels around the longest shape: for its edge, and for room between lesions."""

FAINTEST = 0.02
"""Share of the peak below which signal is left out."""


class Stamp(NamedTuple):
    """A lesion in the middle of a square box.

    Attributes:
        mask: (side, side).
        signal: (side, side), 1 at the peak.
    """

    mask: NDArray[np.bool_]
    signal: NDArray[np.float32]


def make_stamps(shapes: Sequence[Shape]) -> list[Stamp]:
    """Lesions of these shapes, which all have one area.

    Example:
        >>> square, line = make_stamps([np.ones((4, 4), bool), np.ones((2, 8), bool)])
        >>> bool((np.sort(square.signal, axis=None) == np.sort(line.signal, axis=None)).all())
        True
    """
    area = int(shapes[0].sum())
    side = 2 * (int(LONGEST * np.sqrt(area)) // 2 + MARGIN) + 1
    numbers = _numbers(area)
    stamps = []
    for shape in shapes:
        mask = np.zeros((side, side), dtype=bool)
        top, left = (side - np.array(shape.shape)) // 2
        mask[top : top + shape.shape[0], left : left + shape.shape[1]] = shape
        signal = np.zeros(mask.size, dtype=np.float32)
        signal[_inside_out(mask)[: len(numbers)]] = numbers
        stamps.append(Stamp(mask, signal.reshape(mask.shape)))
    return stamps


def turn(stamp: Stamp, random: np.random.Generator) -> Stamp:
    """The lesion turned by a multiple of 90 degrees, and mirrored or not, at random."""
    turns, mirrored = int(random.integers(4)), bool(random.integers(2))
    rows = slice(None, None, -1 if mirrored else 1)
    return Stamp(np.rot90(stamp.mask[rows], turns), np.rot90(stamp.signal[rows], turns))


def _numbers(area: int) -> NDArray[np.float32]:
    """The signal of a lesion, from its inside to its edge: that of a blurred disc, over its peak."""
    reach = int(np.sqrt(area)) + MARGIN
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.zeros(rows.size, dtype=bool)
    disc[np.argsort((rows**2 + columns**2).ravel(), kind="stable")[:area]] = True
    disc = disc.reshape(rows.shape)
    blurred = ndimage.gaussian_filter(disc.astype(np.float32), BLUR).ravel()
    numbers = np.sort(blurred)[::-1] / blurred.max()
    return np.asarray(numbers[numbers >= FAINTEST], dtype=np.float32)


def _inside_out(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Pixels of a lesion and around it, the most covered first, those of the mask before all others."""
    covered = ndimage.gaussian_filter(mask.astype(np.float32), BLUR).round(6)
    return np.lexsort((-covered.ravel(), ~mask.ravel()))
