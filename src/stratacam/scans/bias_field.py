"""Correction of the smooth intensity bias of the coil by N4 (Tustison et al., 2010, doi 10.1109/TMI.2010.2046908)."""

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from stratacam.scans.masks import bounding_box
from stratacam.scans.volume import from_itk, one_itk_thread

ITERATIONS = (50, 50)
"""At most, by level. The last has two cubic pieces along each axis of the brain's box: four follow the tissues."""

CONVERGED = 5e-4  # change of the field between iterations, as a fraction of it
COARSE = 6.0  # mm: voxels are shrunk to about this size
THICK = 2.0  # times the shortest edge: an axis with longer voxels is the slice axis of a thick-slice scan
THICK_SHRINK = 2
FEWEST = 8  # voxels along an axis after shrinking


@one_itk_thread()
def correct_bias(image: SimpleITK.Image, mask: SimpleITK.Image) -> tuple[SimpleITK.Image, SimpleITK.Image]:
    """Divide `image` by the bias field that N4 finds inside `mask`.

    The field is found on a shrunk copy of the mask's box (see `shrink_factors`) and evaluated at every voxel of that
    box; outside of it the field goes on as at the border of the box. The splines have the size of the box, whatever
    the field of view: those of shorter pieces take differences between tissues for bias, since white matter lies
    inside of grey.

    Args:
        image: float32; voxels at or below zero do not count.
        mask: uint8 on the same grid, 1 inside.

    Returns:
        The corrected image and the field it was divided by, float32, on the same grid.
    """
    # Fit the field on a shrunk copy, inside the mask, where there is signal.
    box = bounding_box(from_itk(mask) > 0)
    start, size = [side.start for side in box], [side.stop - side.start for side in box]
    factors = shrink_factors(image.GetSpacing(), size)
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    n4.SetConvergenceThreshold(CONVERGED)
    n4.SetMaskLabel(1)
    inside = SimpleITK.And(mask, SimpleITK.Cast(image > 0, SimpleITK.sitkUInt8))
    part, inside = (SimpleITK.RegionOfInterest(one, size, start) for one in (image, inside))
    n4.Execute(SimpleITK.Shrink(part, factors), SimpleITK.Shrink(inside, factors))
    # Evaluate the fitted B-splines at every voxel of the box.
    logarithm = from_itk(n4.GetLogBiasFieldAsImage(part))
    around = [
        (first, whole - first - n) for first, n, whole in zip(start, size, image.GetSize(), strict=True)
    ]
    field = SimpleITK.GetImageFromArray(_on_whole(np.exp(logarithm), around).T)
    field.CopyInformation(image)
    return SimpleITK.Divide(image, field), field


def _on_whole(part: NDArray[np.float32], around: list[tuple[int, int]]) -> NDArray[np.float32]:
    """Add voxels on every side, with the values of the border."""
    return np.ascontiguousarray(np.pad(part, around, mode="edge"), dtype=np.float32)


def shrink_factors(spacing: tuple[float, ...], size: list[int]) -> list[int]:
    """Return the shrink factor of each axis: to about 6 mm, and by 2 along thick slices; to 8 voxels at least.

    Example:
        >>> shrink_factors((1.0, 1.0, 1.0), [140, 180, 150]), shrink_factors((0.9, 0.9, 3.0), [150, 200, 48])
        ([6, 6, 6], [7, 7, 2])
    """
    finest = min(spacing)
    wanted = [THICK_SHRINK if voxel > THICK * finest else max(1, round(COARSE / voxel)) for voxel in spacing]
    return [min(factor, max(1, n // FEWEST)) for factor, n in zip(wanted, size, strict=True)]
