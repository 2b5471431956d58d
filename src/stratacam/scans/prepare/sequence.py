"""One sequence on the prepared grid: registered, checked, corrected for bias, resampled once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.scans.agreement import BrainPoints
from stratacam.scans.bias_field import correct_bias
from stratacam.scans.grid import onto_grid
from stratacam.scans.prepare.registration import CheckedRegistration, check_registration
from stratacam.scans.register import register
from stratacam.scans.volume import from_itk

MINIMUM_COVERED = 0.5  # of the brain; less cannot be used
FULLY_COVERED = 0.98  # less is flagged


@dataclass(frozen=True)
class LaidSequence:
    """A sequence on the prepared grid, before its intensities are normalised.

    Attributes:
        source: the file as delivered.
        image: (X, Y, Z), registered and bias-corrected.
        delivered: (X, Y, Z), as the headers alone lay it; None for the T1w.
        field: (X, Y, Z), the bias field that was divided out.
        bias: standard deviation of its logarithm inside the brain.
        covered: share of the brain inside the sequence's field of view.
        registration: how it was laid over the T1w; None for the T1w itself.
        flags: what is doubtful, as sentences.
    """

    source: Path
    image: NDArray[np.float32]
    delivered: NDArray[np.float32] | None
    field: NDArray[np.float16]
    bias: float
    covered: float
    registration: CheckedRegistration | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """What sequences are laid over.

    Attributes:
        t1w: as delivered, axes towards right, anterior and superior.
        brain: uint8, on the grid of the T1w.
        grid: an empty image that says where the prepared voxels lie.
        inside: (X, Y, Z) the brain on the prepared grid.
        points: the T1w at points of the brain.
    """

    t1w: SimpleITK.Image
    brain: SimpleITK.Image
    grid: SimpleITK.Image
    inside: NDArray[np.bool_]
    points: BrainPoints


def lay(
    name: str, path: Path, image: SimpleITK.Image, target: Target, *, seed: int, seconds: dict[str, float]
) -> LaidSequence:
    """Register a sequence to the T1w, correct its bias inside the brain on its own grid, and resample it.

    Raises:
        InputError: it cannot be registered, or covers less than half of the brain.
    """
    flags: tuple[str, ...] = ()
    registration, delivered, covered = None, None, 1.0
    transform, own_brain = SimpleITK.Transform(), target.brain
    with about(path):
        if name != "T1w":
            # Register, and check that the sequence covers the brain.
            with timed(seconds, "registration"):
                found = register(target.t1w, image, seed=seed)
                registration = check_registration(target.points, image, found)
            transform = registration.transform
            covered = _covered(image, target.brain, transform)
            if covered < MINIMUM_COVERED:
                raise InputError(
                    f"covers {covered:.0%} of the brain seen in the T1w; expected at least "
                    f"{MINIMUM_COVERED:.0%}: check that both scans are of one session."
                )
            flags = tuple(f"{name}: {doubt}" for doubt in registration.doubts)
            if covered < FULLY_COVERED:
                flags += (f"{name}: covers {covered:.0%} of the brain; what it does not cover is 0",)
            # Carry the brain to the sequence's own grid, where its bias field is found.
            own_brain = SimpleITK.Resample(
                target.brain, image, transform.GetInverse(), SimpleITK.sitkNearestNeighbor, 0.0
            )
            with timed(seconds, "resampling"):
                delivered = from_itk(onto_grid(image, target.grid, SimpleITK.Transform()))
        with timed(seconds, "bias_field"):
            corrected, field = correct_bias(image, own_brain)
        # Resample the corrected sequence once.
        with timed(seconds, "resampling"):
            laid = from_itk(onto_grid(corrected, target.grid, transform))
            field_laid = from_itk(onto_grid(field, target.grid, transform, outside=1.0))
    logarithm = np.log(np.maximum(field_laid[target.inside], np.finfo(np.float32).tiny))
    shown = field_laid.astype(np.float16)  # for pictures only
    return LaidSequence(path, laid, delivered, shown, float(logarithm.std()), covered, registration, flags)


def _covered(image: SimpleITK.Image, brain: SimpleITK.Image, transform: SimpleITK.Transform) -> float:
    everywhere = SimpleITK.Add(SimpleITK.Multiply(image, 0.0), 1.0)  # 1 in the field of view
    seen = from_itk(SimpleITK.Resample(everywhere, brain, transform, SimpleITK.sitkNearestNeighbor, 0.0))
    return float(seen[from_itk(brain) > 0].mean())


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the seconds that the block takes to those of `stage`."""
    start = perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + perf_counter() - start


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Name the file in an InputError about its content."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
