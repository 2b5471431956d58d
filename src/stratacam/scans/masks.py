"""Masks: their bounding box, the depth of their voxels, their volume."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box that holds a mask; an empty box if nothing is in the mask.

    Example:
        >>> bounding_box(np.array([[0, 0, 0], [0, 1, 1]], dtype=bool))
        (slice(1, 2, None), slice(1, 3, None))
    """
    found: list[tuple[slice, ...]] = ndimage.find_objects(mask.astype(np.uint8))
    return found[0] if found else (slice(0),) * mask.ndim


def depth_mm(mask: NDArray[np.bool_], voxel_mm: Sequence[float]) -> NDArray[np.float64]:
    """Return the distance of each voxel from the surface of a mask; 0 outside. The volume's border is surface.

    Example:
        >>> depth_mm(np.ones((3, 3, 3), dtype=bool), (2.0, 2.0, 2.0))[1, 1].tolist()
        [2.0, 4.0, 2.0]
    """
    distance = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=voxel_mm)
    return np.asarray(distance[(slice(1, -1),) * mask.ndim])


def volume_ml(mask: NDArray[Any], affine: NDArray[Any]) -> float:
    """Return the volume of a mask (X, Y, Z) whose voxels `affine` (4, 4) leads to millimetres."""
    return float(mask.sum() * abs(np.linalg.det(np.asarray(affine)[:3, :3])) / 1000)


def extent(mask: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    """Return the first voxel of a mask along an axis, and the one after the last."""
    inside = bounding_box(mask)[axis]
    return inside.start or 0, inside.stop
