"""Rigid registration of one sequence to the T1w by mutual information, coarse to fine."""

import errno
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import SimpleITK

from stratacam.errors import InputError
from stratacam.files import whole_file
from stratacam.scans.volume import one_itk_thread


@dataclass(frozen=True)
class Level:
    """One resolution of the registration: isotropic spacing (mm), number of sampled voxels, first step (mm)."""

    spacing: float
    points: int
    step: float


LEVELS = (Level(4.0, 50_000, 2.0), Level(2.0, 200_000, 0.5), Level(1.0, 300_000, 0.25))
HISTOGRAM_BINS = 32
MAXIMUM_ITERATIONS = 200
LAST_STEP = 0.005  # of the spacing of the level: the search ends when its step is shorter
RELAXATION = 0.7  # of the step when the direction turns; 0.5 stops short in narrow valleys
SAME_START = 1.0  # mm
SMALLEST_GRADIENT = 1e-6
EVERY = 7  # voxels: of these the range of the intensities is found
PADDING_STEP = 2.0  # mm: the border of padding need not be finer
FULL_WIDTH = 2.3548  # full width at half maximum of a Gaussian, in standard deviations


@dataclass(frozen=True)
class Registration:
    """A rigid transform and how well it fits.

    Attributes:
        transform: LPS mm, from points of the fixed image to points of the moving image.
        start: where the search started: "header", "centres of volume" or "centres of mass".
        metric_before: negative Mattes mutual information by the headers alone; lower is better.
        metric_after: the same, registered.
    """

    transform: SimpleITK.Euler3DTransform
    start: str
    metric_before: float
    metric_after: float


@one_itk_thread()
def register(
    fixed: SimpleITK.Image, moving: SimpleITK.Image, *, seed: int = 0, finest: float = 1.0
) -> Registration:
    """Find the rigid transform that lays `moving` over `fixed`, by Mattes mutual information.

    Args:
        fixed: the T1w, float32.
        moving: the sequence to register, float32.
        seed: of the offsets of the sampled points within their voxels.
        finest: spacing of the last level, mm.

    Returns:
        The transform from points of `fixed` to points of `moving`, as ITK's resampling takes it.

    Raises:
        InputError: the images do not overlap, wherever the search starts.
    """
    # Zeros that reach the border of `moving` are padding, and do not count below 4 mm: the border of a slab that was
    # laid on another grid is no border of the head.
    seen = _without_padding(moving)
    fixed, moving = _winsorise(fixed), _winsorise(moving)
    # Isotropic levels, as shrink factors do not suit slices thicker than they are wide; none is finer than the voxels.
    voxel = max(min(fixed.GetSpacing()), min(moving.GetSpacing()), finest)
    levels = [LEVELS[0]] + [level for before, level in pairwise(LEVELS) if before.spacing > 1.25 * voxel]
    pyramid = [(isotropic(fixed, level.spacing), isotropic(moving, level.spacing)) for level in levels]
    # Coarsest level: from every start; the best goes on.
    found = []
    for start, transform in _starts(fixed, moving):
        try:
            metric = descend(*pyramid[0], transform, levels[0], seed)
        except RuntimeError:  # ITK: too few samples map inside the moving image
            continue
        found.append((metric, start, transform))
    if not found:
        raise InputError(
            "the scan and the T1w share too little to be registered; expected two scans of the same head: check them."
        )
    metric, start, transform = min(found, key=lambda candidate: candidate[0])
    # Finer levels: from where the one before ended.
    for images, level in zip(pyramid[1:], levels[1:], strict=True):
        metric = descend(*images, transform, level, seed, seen=seen)
    # For comparison: the metric of the position in the headers, at the finest level.
    method = _method(pyramid[-1][0], levels[-1], seed, seen)
    method.MetricUseMovingImageGradientFilterOff()  # a value needs no gradient
    method.SetInitialTransform(SimpleITK.Euler3DTransform())
    try:
        by_headers = float(method.MetricEvaluate(*pyramid[-1]))
    except RuntimeError:  # no overlap by the headers alone
        by_headers = 0.0
    return Registration(transform, start, by_headers, metric)


def write_transform(path: Path, transform: SimpleITK.Transform) -> None:
    """Write `transform` as an ITK text file (`.txt`), whole or not at all; ITK says nothing of a full disk."""
    with whole_file(path) as temporary:
        SimpleITK.WriteTransform(transform, str(temporary))
        if not temporary.stat().st_size:
            temporary.write_bytes(bytes(4096))  # for the system to say why
            raise OSError(errno.EIO, "ITK wrote nothing", str(temporary))


def _winsorise(image: SimpleITK.Image) -> SimpleITK.Image:
    some = SimpleITK.GetArrayViewFromImage(image).ravel()[::EVERY]
    low, high = np.percentile(some, (0.5, 99.5))
    clamped: SimpleITK.Image = SimpleITK.Clamp(
        image, SimpleITK.sitkFloat32, float(low), float(max(high, low + 1e-6))
    )
    return clamped


def _without_padding(image: SimpleITK.Image) -> SimpleITK.Image:
    """1 where an image holds something, uint8; 0 in zeros that are connected to its border."""
    steps = [max(1, round(PADDING_STEP / voxel)) for voxel in image.GetSpacing()]
    seen: SimpleITK.Image = SimpleITK.BinaryFillhole(SimpleITK.NotEqual(SimpleITK.Shrink(image, steps), 0.0))
    return seen


def isotropic(image: SimpleITK.Image, spacing: float) -> SimpleITK.Image:
    """Blur an image and resample it to isotropic voxels of `spacing` mm, along its own axes.

    Where two voxels or more fit into half of the spacing, the mean of so many stands for them first.
    """
    image = SimpleITK.BinShrink(
        image, [max(1, int(spacing / (2 * edge) + 1e-6)) for edge in image.GetSpacing()]
    )
    size = [
        max(4, round(n * old / spacing)) for n, old in zip(image.GetSize(), image.GetSpacing(), strict=True)
    ]
    corner = [((spacing / old) - 1) / 2 for old in image.GetSpacing()]
    origin = image.TransformContinuousIndexToPhysicalPoint(corner)
    return SimpleITK.Resample(
        _smooth(image, spacing),
        size,
        SimpleITK.Transform(),
        SimpleITK.sitkLinear,
        origin,
        (spacing,) * 3,
        image.GetDirection(),
        float(SimpleITK.GetArrayViewFromImage(image).min()),
        SimpleITK.sitkFloat32,
    )


def _starts(fixed: SimpleITK.Image, moving: SimpleITK.Image) -> list[tuple[str, SimpleITK.Euler3DTransform]]:
    header = SimpleITK.Euler3DTransform()
    header.SetCenter(fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()]))
    starts = [("header", header)]
    for name, kind in (
        ("centres of volume", SimpleITK.CenteredTransformInitializerFilter.GEOMETRY),
        ("centres of mass", SimpleITK.CenteredTransformInitializerFilter.MOMENTS),
    ):
        start = SimpleITK.CenteredTransformInitializer(fixed, moving, SimpleITK.Euler3DTransform(), kind)
        shifted = SimpleITK.Euler3DTransform(start)
        shifts = [np.subtract(shifted.GetTranslation(), other.GetTranslation()) for _, other in starts]
        if min(float(np.linalg.norm(shift)) for shift in shifts) > SAME_START:
            starts.append((name, shifted))
    return starts


def _method(
    fixed: SimpleITK.Image, level: Level, seed: int, seen: SimpleITK.Image | None
) -> SimpleITK.ImageRegistrationMethod:
    method = SimpleITK.ImageRegistrationMethod()
    if seen is not None:
        method.SetMetricMovingMask(seen)
    method.SetMetricAsMattesMutualInformation(HISTOGRAM_BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    share = min(1.0, level.points / fixed.GetNumberOfPixels())
    method.SetMetricSamplingPercentage(share, seed + 1)  # ITK reads seed 0 as "the clock"
    method.MetricUseFixedImageGradientFilterOff()  # Mattes' measure follows the gradient of the moving image
    method.SetInterpolator(SimpleITK.sitkLinear)
    return method


def descend(
    fixed: SimpleITK.Image,
    moving: SimpleITK.Image,
    transform: SimpleITK.Transform,
    level: Level,
    seed: int,
    *,
    seen: SimpleITK.Image | None = None,
) -> float:
    """Improve `transform` in place and return its metric, over points where `seen` (uint8, of `moving`) is 1."""
    method = _method(fixed, level, seed, seen)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=level.step,
        minStep=LAST_STEP * level.spacing,
        numberOfIterations=MAXIMUM_ITERATIONS,
        relaxationFactor=RELAXATION,
        gradientMagnitudeTolerance=SMALLEST_GRADIENT,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    return float(method.GetMetricValue())


def _smooth(image: SimpleITK.Image, spacing: float) -> SimpleITK.Image:
    """Blur an image for a level of the pyramid, to details of about `spacing` mm.

    The measure is to be smooth, so this is wider than what sampling needs (`resampling.blurred`): the full width at
    half maximum is sqrt(spacing^2 - voxel^2) mm. An axis where that is under half a voxel is left as it is.
    """
    for axis, voxel in enumerate(image.GetSpacing()):
        width = math.sqrt(max(spacing**2 - voxel**2, 0.0))
        if width > 0.5 * voxel:
            image = SimpleITK.RecursiveGaussian(image, sigma=width / FULL_WIDTH, direction=axis)
    return image
