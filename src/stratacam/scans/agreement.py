"""How much information two images of one brain share: evidence that they are of one person and aligned."""

import math
from dataclasses import dataclass

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
MARGIN = 12.0  # mm around the brain: more than blurring reaches
DEPTH = 4.0  # mm off the surface of the brain, where the outline would agree in any two heads
FLAT = 15.0  # mm: standard deviation of the local mean that intensities are divided by
FLOOR = 0.1  # of the median: darker points count as this bright where the bias is fitted
KNOWN = 0.95  # of what a blurred voxel sees has to be in the image
BINS = 32
MINIMUM_POINTS = 2000
MINIMUM_VALUE = 1e-6
SAME_HEAD = 0.12
"""Nats of `shared_information` below which two images are not two sequences of one head, well registered."""


@dataclass(frozen=True)
class BrainPoints:
    """What the T1w shows at points of the brain: read once, compared with every other sequence.

    Attributes:
        centre: of the brain, LPS mm.
        places: (X, Y, Z, 3), LPS mm.
        depth: (X, Y, Z), mm off the surface of the brain; 0 outside.
        values: (X, Y, Z), blurred.
        known: (X, Y, Z), where they are the T1w's and not cut off.
    """

    centre: tuple[float, ...]
    places: NDArray[np.float64]
    depth: NDArray[np.float64]
    values: NDArray[np.float32]
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Blurred:
    """A sequence in blurred voxels, and how much of what each of them sees is in the image; float32."""

    image: SimpleITK.Image
    there: SimpleITK.Image


@one_itk_thread()
def blur(image: SimpleITK.Image) -> Blurred:
    """Blur a sequence so that its interpolated values depend little on where they lie between voxels."""
    image = SimpleITK.Cast(image, SimpleITK.sitkFloat32)
    return Blurred(_blurred(image), _blurred(SimpleITK.Cast(image != 0, SimpleITK.sitkFloat32)))


@one_itk_thread()
def read_points(t1w: SimpleITK.Image, brain: SimpleITK.Image) -> BrainPoints:
    """Read the T1w at points of the brain's box, 2 mm apart and each moved at random by up to half of it.

    Args:
        t1w: axes towards right, anterior and superior.
        brain: uint8, on its grid; not empty.
    """
    grid = make_grid(t1w, SPACING)
    inside = from_itk(onto_grid(brain, grid, SimpleITK.Transform())) >= 0.5
    box = bounding_box(inside)
    index = np.moveaxis(np.indices(inside[box].shape), 0, -1) + [side.start or 0 for side in box]
    places = _to_world(grid, index + np.random.default_rng(0).uniform(-0.5, 0.5, index.shape))
    depth = depth_mm(inside, (SPACING,) * 3)[box]
    centre = _to_world(t1w, np.argwhere(from_itk(brain) > 0).mean(axis=0))
    return BrainPoints(tuple(centre.tolist()), places, depth, *_read(blur(_around(t1w, brain)), places))


def shared_information(points: BrainPoints, moving: Blurred, transform: SimpleITK.Transform) -> float:
    """Mutual information (nats) of the T1w and another sequence inside the brain, between ranks of intensity.

    Both are blurred to voxels of 4 mm and read at the same points, 2 mm apart and each moved at random, so that no
    position gains by falling on voxels. Each is divided by the parabola that fits its logarithm and by its local mean,
    so that coil bias does not count. At points deeper than 4 mm in the brain, intensities become one of 32 equally
    frequent ranks.

    Args:
        points: of the T1w.
        moving: the other sequence.
        transform: linear, points of the T1w to points of `moving`.

    Returns:
        0 for images that know nothing of each other, or do not overlap in the brain.
    """
    values, known = _read(moving, _moved(points.places, transform))
    seen = (points.depth > 0) & points.known & known
    deep = seen & (points.depth > DEPTH)
    if deep.sum() < MINIMUM_POINTS:
        return 0.0
    return _information(*(_ranks(_flattened(image, seen)[deep]) for image in (points.values, values)))


def _around(image: SimpleITK.Image, brain: SimpleITK.Image) -> SimpleITK.Image:
    """The part of an image that blurring the brain needs."""
    box = bounding_box(from_itk(brain) > 0)
    margin = [math.ceil(MARGIN / voxel) for voxel in image.GetSpacing()]
    low = [max(0, side.start - one) for side, one in zip(box, margin, strict=True)]
    high = [
        min(whole, side.stop + one) for side, one, whole in zip(box, margin, image.GetSize(), strict=True)
    ]
    size = [end - start for start, end in zip(low, high, strict=True)]
    part: SimpleITK.Image = SimpleITK.RegionOfInterest(image, size, low)
    return part


def _to_world(image: SimpleITK.Image, index: NDArray[np.float64]) -> NDArray[np.float64]:
    """World points (..., 3), LPS mm, of positions in voxels."""
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return np.asarray(index @ axes.T + image.GetOrigin())


def _moved(points: NDArray[np.float64], transform: SimpleITK.Transform) -> NDArray[np.float64]:
    """Where a linear transform takes points (..., 3)."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(axis)) - origin for axis in np.eye(3).tolist()]
    return np.asarray(points @ np.array(columns) + origin)


def _read(blurred: Blurred, places: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values at world points (..., 3), and where they are known: in the image, and not cut off (0)."""
    axes = np.reshape(blurred.image.GetDirection(), (3, 3)) * blurred.image.GetSpacing()
    index = np.moveaxis((places - blurred.image.GetOrigin()) @ np.linalg.inv(axes).T, -1, 0)
    values, there = (
        np.asarray(ndimage.map_coordinates(from_itk(one), index, order=1), dtype=np.float32)
        for one in (blurred.image, blurred.there)
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
