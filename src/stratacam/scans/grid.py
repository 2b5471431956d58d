"""The grid of the prepared scan, and resampling onto it."""

import math

import numpy as np
import SimpleITK

from stratacam.scans.resampling import blurred
from stratacam.scans.volume import from_itk


def make_grid(t1w: SimpleITK.Image, spacing: float | tuple[float, float, float] | None) -> SimpleITK.Image:
    """Return an empty image that says where the prepared voxels lie.

    Args:
        t1w: the T1w, axes towards right, anterior and superior.
        spacing: None for the grid of the T1w; or the edge (mm) of voxels, or their three edges, along the T1w's own
            axes (so that an oblique scan stays upright), covering its field of view and centred on it.
    """
    if spacing is None:
        grid = SimpleITK.Image(t1w.GetSize(), SimpleITK.sitkUInt8)
        grid.CopyInformation(t1w)
        return grid
    edges = spacing if isinstance(spacing, tuple) else (spacing,) * 3
    extent = [n * voxel for n, voxel in zip(t1w.GetSize(), t1w.GetSpacing(), strict=True)]
    size = [max(1, math.ceil(length / edge - 1e-6)) for length, edge in zip(extent, edges, strict=True)]
    first = [
        (length - (n - 1) * edge) / 2 / voxel - 0.5
        for length, n, edge, voxel in zip(extent, size, edges, t1w.GetSpacing(), strict=True)
    ]
    grid = SimpleITK.Image(size, SimpleITK.sitkUInt8)
    grid.SetOrigin(t1w.TransformContinuousIndexToPhysicalPoint(first))
    grid.SetSpacing(edges)
    grid.SetDirection(t1w.GetDirection())
    return grid


def onto_grid(
    image: SimpleITK.Image, grid: SimpleITK.Image, transform: SimpleITK.Transform, outside: float = 0.0
) -> SimpleITK.Image:
    """Resample `image` once, linearly, to float32; axes whose voxels grow are blurred first (see `blurred`).

    Args:
        image: axes in about the same order as those of `grid`.
        grid: where the voxels of the result lie.
        transform: maps points of `grid` to points of `image` (LPS mm).
        outside: the value beyond the field of view of `image`.
    """
    image = SimpleITK.Cast(image, SimpleITK.sitkFloat32)
    same = image.GetSize() == grid.GetSize() and image.IsSameImageGeometryAs(grid, 1e-9, 1e-9)
    if same and not transform.GetNumberOfParameters():
        return image
    steps = np.divide(grid.GetSpacing(), image.GetSpacing())
    if (steps > 1).any():
        smooth = SimpleITK.GetImageFromArray(blurred(from_itk(image), steps).T)
        smooth.CopyInformation(image)
        image = smooth
    return SimpleITK.Resample(
        image,
        grid,
        transform,
        SimpleITK.sitkLinear,
        outside,
        SimpleITK.sitkFloat32,
    )
