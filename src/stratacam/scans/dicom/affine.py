"""Where the pixels of a stack of DICOM slices lie."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_of(
    orientation: Sequence[float],
    spacing: tuple[float, float],
    positions: Sequence[tuple[float, float, float]],
) -> NDArray[np.float64]:
    """The affine (4, 4) from (column, row, slice) to LPS mm.

    Args:
        orientation: direction of a row and of a column.
        spacing: mm between rows, between columns.
        positions: of the first pixel of every slice, in their order.
    """
    first, last = np.array(positions[0]), np.array(positions[-1])
    affine = np.eye(4)
    affine[:3, 0] = np.array(orientation[:3]) * spacing[1]
    affine[:3, 1] = np.array(orientation[3:]) * spacing[0]
    affine[:3, 2] = (last - first) / (len(positions) - 1)
    affine[:3, 3] = first
    return affine
