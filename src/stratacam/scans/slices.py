"""Which slices of a prepared volume hold useful brain tissue: the table that all later steps go by."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.files import read_table, write_table
from stratacam.scans.planes import AXES, Plane, slices_first

COLUMNS = ("index", "plane", "position_mm", "x_mm", "y_mm", "z_mm", "brain_area_mm2", "kept")


@dataclass(frozen=True)
class SliceTable:
    """Every slice of a prepared volume, in the order of the volume.

    Attributes:
        plane: of the slices.
        position_mm: (n,) position of each slice along the normal of the plane, in the world.
        middles_mm: (n, 3) point of the world at each slice's middle, RAS millimetres.
        areas_mm2: (n,) brain area.
        kept: indices of the slices that are used; contiguous, ascending.
    """

    plane: Plane
    position_mm: NDArray[np.float64]
    middles_mm: NDArray[np.float64]
    areas_mm2: NDArray[np.float64]
    kept: NDArray[np.intp]


def slice_areas(
    brain_mask: NDArray[np.bool_], affine: NDArray[Any], plane: Plane = "axial"
) -> NDArray[np.float64]:
    """Return the brain area (mm^2) of every slice of `brain_mask` (X, Y, Z) in a plane."""
    _, row, column = AXES[plane]
    pixel_area = np.linalg.norm(np.cross(affine[:3, row], affine[:3, column]))
    return np.asarray(slices_first(brain_mask, plane).sum(axis=(1, 2)) * pixel_area, dtype=np.float64)


def kept_slices(areas: NDArray[np.float64], fraction: float) -> NDArray[np.intp]:
    """Return the run of slices around the largest one whose area is at least `fraction` of the largest.

    Args:
        areas: (n,) mm^2.
        fraction: between 0 and 1.

    Returns:
        Neighbouring indices, ascending. Empty if there is no brain at all.

    Example:
        >>> import numpy as np
        >>> kept_slices(np.array([30.0, 5.0, 50.0, 100.0, 60.0, 5.0]), 0.2).tolist()
        [2, 3, 4]
    """
    if areas.max(initial=0.0) <= 0:
        return np.zeros(0, dtype=np.intp)
    runs, _ = ndimage.label(areas >= fraction * areas.max())
    return np.flatnonzero(runs == runs[areas.argmax()])


def write_slices_table(
    path: Path,
    areas: NDArray[np.float64],
    kept: NDArray[np.intp],
    affine: NDArray[Any],
    shape: tuple[int, ...],
    *,
    plane: Plane = "axial",
) -> None:
    """Write one row per slice of a volume.

    Columns: index in the volume; plane; position_mm along the normal, at the slice's middle; x_mm, y_mm, z_mm, the
    point of the world (RAS) at the slice's middle; brain_area_mm2; kept (1 or 0).
    """
    across = AXES[plane][0]
    voxels = np.tile((np.array(shape) - 1) / 2, (shape[across], 1))
    voxels[:, across] = np.arange(shape[across])
    middles = nibabel.affines.apply_affine(affine, voxels)
    positions = middles @ (affine[:3, across] / np.linalg.norm(affine[:3, across]))
    used = set(kept.tolist())
    rows = [
        (index, plane, *(f"{place:.3f}" for place in (position, *middle)), f"{area:.1f}", int(index in used))
        for index, (position, middle, area) in enumerate(zip(positions, middles, areas, strict=True))
    ]
    write_table(path, [COLUMNS, *rows])


def read_slices_table(path: Path) -> SliceTable:
    """Read what `write_slices_table` wrote.

    Raises:
        InputError: the table is missing or damaged.
    """
    try:
        rows = read_table(path)
        (plane,) = {row["plane"] for row in rows}
        numbers = np.array([[float(row[name]) for name in COLUMNS if name != "plane"] for row in rows])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if plane not in AXES:
        raise _damaged(path, f"{plane!r} is no plane")
    if numbers[:, 0].tolist() != list(range(len(rows))):
        raise _damaged(path, "its slices are not numbered from 0")
    return SliceTable(
        cast("Plane", plane),
        numbers[:, 1],
        numbers[:, 2:5],
        numbers[:, 5],
        np.flatnonzero(numbers[:, 6] == 1),
    )


def _damaged(path: Path, why: str) -> InputError:
    return InputError(
        f"{path}: is no table of slices ({why}); expected the columns {', '.join(COLUMNS)}: prepare the scan again."
    )
