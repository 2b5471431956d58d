"""Volumes of a scan in MNI152 space, by the affine of the preparation, and back."""

from functools import cache
from typing import Any

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from stratacam.scans.mni152 import load_mni152
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import Grid, read_grid, read_matrix, resample

MARGIN_MM = 4.0


@cache
def template_grid(voxel_mm: float) -> Grid:
    """A grid of cubic voxels that holds the brain of the MNI152 template, in the template's own world."""
    mask = load_mni152("brain_mask", voxel_mm=2)
    inside = apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj) > 0))
    low, high = inside.min(axis=0) - MARGIN_MM, inside.max(axis=0) + MARGIN_MM
    x, y, z = (int(count) for count in np.ceil((high - low) / voxel_mm) + 1)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = low
    return Grid((x, y, z), affine)


def template_brain(grid: Grid) -> NDArray[np.bool_]:
    """The brain mask of the MNI152 template on a grid of its world, (X, Y, Z)."""
    mask = load_mni152("brain_mask", voxel_mm=2)
    x, y, z = (int(length) for length in mask.shape)
    source = Grid((x, y, z), np.asarray(mask.affine, dtype=np.float64))
    return np.asarray(resample(np.asarray(mask.dataobj) > 0, source, grid, labels=True)) > 0


def to_template(
    volume: NDArray[Any], scan: PreparedScan, grid: Grid, *, labels: bool = False
) -> NDArray[Any]:
    """Carry a volume on a scan's prepared grid to the template, linearly; blurred where voxels grow.

    Args:
        volume: (X, Y, Z) on the prepared grid.
        scan: prepared.
        grid: of the template's world.
        labels: take the nearest voxel's value instead.

    Raises:
        InputError: the scan's transform is missing or damaged.
    """
    return resample(volume, read_grid(scan.brain_mask), _placed(grid, scan), labels=labels)


def from_template(
    volume: NDArray[Any], grid: Grid, scan: PreparedScan, *, labels: bool = False
) -> NDArray[Any]:
    """Carry a volume of the template's world to a scan's prepared grid, linearly.

    Args:
        volume: (X, Y, Z) on `grid`.
        grid: of the template's world.
        scan: prepared.
        labels: take the nearest voxel's value instead.

    Raises:
        InputError: the scan's transform is missing or damaged.
    """
    return resample(volume, _placed(grid, scan), read_grid(scan.brain_mask), labels=labels)


def _placed(grid: Grid, scan: PreparedScan) -> Grid:
    """A grid of the template's world in the world of the scan's T1w."""
    return Grid(grid.shape, grid.affine, read_matrix(scan.template_transform))
