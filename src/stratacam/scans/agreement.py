"""How much information two images of one brain share: evidence that they are of one person and aligned."""

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.scans.grid import make_grid, onto_grid
from stratacam.scans.masks import bounding_box, depth_mm
from stratacam.scans.register import FULL_WIDTH
from stratacam.scans.volume import from_itk, one_itk_thread

SPACING = 2.0  # mm between points, before each is moved at random by up to half of it
BLUR = 4.0  # mm full width at half maximum of a voxel after blurring: interpolation then hardly blurs
MINIMUM_BLUR = 0.5  # of a voxel, along axes whose voxels are as long as that already
DEPTH = 4.0  # mm off the surface of the brain, where the outline would agree in any two heads
FLAT = 15.0  # mm: standard deviation of the local mean that intensities are divided by
FLOOR = 0.1  # of the median: darker points count as this bright where the bias is fitted
KNOWN = 0.95  # of what a blurred voxel sees has to be in the image
BINS = 32
MINIMUM_POINTS = 2000
MINIMUM_VALUE = 1e-6
SAME_HEAD = 0.12
"""Nats of `shared_information` below which two images are not two sequences of one head, well registered."""


@one_itk_thread()
def shared_information(
    fixed: SimpleITK.Image, moving: SimpleITK.Image, brain: SimpleITK.Image, transform: SimpleITK.Transform
) -> float:
    """Mutual information (nats) of two images inside the brain, between ranks of intensity.

    Both are blurred to voxels of 4 mm and read at the same points, 2 mm apart and each moved at random, so that no
    position gains by falling on voxels. Each is divided by the parabola that fits its logarithm and by its local mean,
    so that coil bias does not count. At points deeper than 4 mm in the brain, intensities become one of 32 equally
    frequent ranks.

    Args:
        fixed: the T1w, axes towards right, anterior and superior.
        moving: the other sequence.
        brain: uint8, on the grid of `fixed`.
        transform: linear, points of `fixed` to points of `moving`.

    Returns:
        0 for images that know nothing of each other, or do not overlap in the brain.
    """
    grid = make_grid(fixed, SPACING)
    inside = from_itk(onto_grid(brain, grid, SimpleITK.Transform())) >= 0.5
    depth = depth_mm(inside, (SPACING,) * 3)
    if not (depth > DEPTH).any():
        return 0.0
    box = bounding_box(inside)
    index = np.moveaxis(np.indices(inside.shape), 0, -1)[box]
    points = _to_world(grid, index + np.random.default_rng(0).uniform(-0.5, 0.5, index.shape))
    depth = depth[box]
    first, first_known = _read(fixed, points)
    second, second_known = _read(moving, _moved(points, transform))
    seen = (depth > 0) & first_known & second_known
    deep = seen & (depth > DEPTH)
    if deep.sum() < MINIMUM_POINTS:
        return 0.0
    return _information(*(_ranks(_flattened(image, seen)[deep]) for image in (first, second)))


def _to_world(image: SimpleITK.Image, index: NDArray[np.float64]) -> NDArray[np.float64]:
    """World points (..., 3), LPS mm, of positions in voxels."""
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return np.asarray(index @ axes.T + image.GetOrigin())


def _moved(points: NDArray[np.float64], transform: SimpleITK.Transform) -> NDArray[np.float64]:
    """Where a linear transform takes points (..., 3)."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(axis)) - origin for axis in np.eye(3).tolist()]
    return np.asarray(points @ np.array(columns) + origin)


def _read(
    image: SimpleITK.Image, points: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Blurred intensities at world points (..., 3), and where they are known: in the image, and not cut off (0)."""
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    index = np.moveaxis((points - image.GetOrigin()) @ np.linalg.inv(axes).T, -1, 0)
    image = SimpleITK.Cast(image, SimpleITK.sitkFloat32)
    values, there = (
        np.asarray(ndimage.map_coordinates(from_itk(_blurred(one)), index, order=1), dtype=np.float32)
        for one in (image, SimpleITK.Cast(image != 0, SimpleITK.sitkFloat32))
    )
    return values, np.asarray(there > KNOWN)


def _blurred(image: SimpleITK.Image) -> SimpleITK.Image:
    for axis, voxel in enumerate(image.GetSpacing()):
        width = max(BLUR**2 - voxel**2, (MINIMUM_BLUR * voxel) ** 2) ** 0.5
        image = SimpleITK.RecursiveGaussian(image, sigma=width / FULL_WIDTH, direction=axis)
    return image


def _flattened(image: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The image over the parabola that fits its logarithm, and over its mean within some centimetres; where seen."""
    x, y, z = (place / size for place, size in zip(np.nonzero(seen), image.shape, strict=True))
    terms = np.stack([np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z], axis=1)
    logarithm = np.log(np.maximum(image[seen], max(FLOOR * float(np.median(image[seen])), MINIMUM_VALUE)))
    flat = np.zeros_like(image)
    fit = np.linalg.pinv(terms) @ logarithm
    flat[seen] = image[seen] / np.exp(terms @ fit)
    total, count = (
        ndimage.gaussian_filter(part, FLAT / SPACING, mode="constant")
        for part in (flat, seen.astype(np.float32))
    )
    mean = total / np.maximum(count, MINIMUM_VALUE)
    return np.asarray(np.divide(flat, mean, out=flat, where=seen & (mean != 0)))


def _ranks(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """The rank of each value, in `BINS` classes of about equal size."""
    edges = np.percentile(values, np.linspace(0, 100, BINS + 1)[1:-1])
    return np.digitize(values, edges)


def _information(first: NDArray[np.intp], second: NDArray[np.intp]) -> float:
    joint = np.histogram2d(first, second, bins=BINS, range=((-0.5, BINS - 0.5),) * 2)[0] / len(first)
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / independent[there])).sum())
