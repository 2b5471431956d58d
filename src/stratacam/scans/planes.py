"""The three planes a volume can be sliced in, and how a radiologist sees each.

Axes 0, 1 and 2 of a prepared volume run towards the patient's right, anterior and superior. In every plane rows run
down and columns run to the right against these axes: row 0 of an axial slice is anterior and column 0 the patient's
right; row 0 of a coronal slice is superior and column 0 the patient's right; row 0 of a sagittal slice is superior
and column 0 anterior.
"""

from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Plane = Literal["axial", "coronal", "sagittal"]

Value = TypeVar("Value", bound=np.generic)

AXES: Mapping[Plane, tuple[int, int, int]] = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}
"""By plane, the axes of a prepared volume from slice to slice, from row to row, and from column to column."""

SIDES: Mapping[Plane, tuple[str, str]] = {"axial": ("R", "L"), "coronal": ("R", "L"), "sagittal": ("A", "P")}
"""By plane, the patient's side (right, left, anterior, posterior) at the left and the right of a slice."""

ENDS: Mapping[Plane, tuple[str, str]] = {
    "axial": ("inferior", "superior"),
    "coronal": ("posterior", "anterior"),
    "sagittal": ("left", "right"),
}
"""By plane, where the first and the last slice of a volume lie in the patient."""


def slices_first(volume: NDArray[Value], plane: Plane) -> NDArray[Value]:
    """A view of a volume (X, Y, Z) as (slices, row axis, column axis), both in the volume's own direction.

    Example:
        >>> slices_first(np.zeros((2, 3, 4)), "coronal").shape
        (3, 4, 2)
    """
    return np.transpose(volume, AXES[plane])
