"""Which axial slices hold useful brain tissue."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stratacam.files import write_text


def slice_areas(brain_mask: NDArray[np.bool_], affine: NDArray[Any]) -> NDArray[np.float64]:
    """Return the brain area (mm^2) of every axial slice of `brain_mask` (X, Y, Z): (Z,)."""
    voxel_area = np.linalg.norm(np.cross(affine[:3, 0], affine[:3, 1]))
    return np.asarray(brain_mask.sum(axis=(0, 1)) * voxel_area, dtype=np.float64)


def kept_slices(areas: NDArray[np.float64], fraction: float) -> NDArray[np.intp]:
    """Return the run of slices around the largest one whose area is at least `fraction` of the largest.

    Args:
        areas: (Z,) mm^2.
        fraction: between 0 and 1.

    Returns:
        Neighbouring indices along Z, ascending. Empty if there is no brain at all.

    Example:
        >>> import numpy as np
        >>> kept_slices(np.array([30.0, 5.0, 50.0, 100.0, 60.0, 5.0]), 0.2).tolist()
        [2, 3, 4]
    """
    if areas.max(initial=0.0) <= 0:
        return np.zeros(0, dtype=np.intp)
    enough = areas >= fraction * areas.max()
    low = high = int(areas.argmax())
    while low > 0 and enough[low - 1]:
        low -= 1
    while high < len(areas) - 1 and enough[high + 1]:
        high += 1
    return np.arange(low, high + 1, dtype=np.intp)


def write_slices_table(
    path: Path,
    areas: NDArray[np.float64],
    kept: NDArray[np.intp],
    affine: NDArray[Any],
    shape: tuple[int, ...],
) -> None:
    """Write one row per axial slice: index, z_mm (world, at the slice's middle), brain_area_mm2, kept (1 or 0)."""
    middle = np.array([[(shape[0] - 1) / 2, (shape[1] - 1) / 2, z, 1.0] for z in range(shape[2])])
    heights = (middle @ np.asarray(affine).T)[:, 2]
    kept_set = set(kept.tolist())
    rows = [f"{z}\t{heights[z]:.3f}\t{areas[z]:.1f}\t{int(z in kept_set)}" for z in range(shape[2])]
    write_text(path, "\n".join(["index\tz_mm\tbrain_area_mm2\tkept", *rows]) + "\n")
