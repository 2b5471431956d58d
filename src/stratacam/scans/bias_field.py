"""Correction of the smooth intensity bias of the coil by N4 (Tustison et al., 2010, doi 10.1109/TMI.2010.2046908)."""

import SimpleITK

from stratacam.scans.volume import one_itk_thread

ITERATIONS = (50, 50, 30, 20)
COARSE = 6.0  # mm: voxels are shrunk to at most about this size
MAXIMUM_SHRINK = 4
THICK = 2.0  # times the shortest edge: an axis with longer voxels is the slice axis of a thick-slice scan
THICK_SHRINK = 2


@one_itk_thread()
def correct_bias(image: SimpleITK.Image, mask: SimpleITK.Image) -> tuple[SimpleITK.Image, SimpleITK.Image]:
    """Divide `image` by the bias field that N4 finds inside `mask`.

    The field is found on a shrunk copy (see `shrink_factors`) and evaluated at every voxel of `image`.

    Args:
        image: float32; voxels at or below zero do not count.
        mask: uint8 on the same grid, 1 inside.

    Returns:
        The corrected image and the field it was divided by, float32, on the same grid.
    """
    # Fit the field on a shrunk copy, inside the mask, where there is signal.
    factors = shrink_factors(image.GetSpacing(), image.GetSize())
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    n4.SetMaskLabel(1)
    inside = SimpleITK.And(mask, SimpleITK.Cast(image > 0, SimpleITK.sitkUInt8))
    n4.Execute(SimpleITK.Shrink(image, factors), SimpleITK.Shrink(inside, factors))
    # Evaluate the fitted B-splines at every voxel.
    field = SimpleITK.Cast(SimpleITK.Exp(n4.GetLogBiasFieldAsImage(image)), SimpleITK.sitkFloat32)
    return SimpleITK.Divide(image, field), field


def shrink_factors(spacing: tuple[float, ...], size: tuple[int, ...]) -> list[int]:
    """Return the shrink factor of each axis: by 4, to about 6 mm at most, and by 2 along thick slices.

    Example:
        >>> shrink_factors((1.0, 1.0, 1.0), (256, 256, 180)), shrink_factors((0.9, 0.9, 3.0), (256, 256, 48))
        ([4, 4, 4], [4, 4, 2])
    """
    finest = min(spacing)
    wanted = [
        THICK_SHRINK if voxel > THICK * finest else min(MAXIMUM_SHRINK, max(1, round(COARSE / voxel)))
        for voxel in spacing
    ]
    return [min(factor, max(1, n // 8)) for factor, n in zip(wanted, size, strict=True)]
