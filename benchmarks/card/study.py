"""What a study does on a card besides maps: activations, training, and the evidence of one scan."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.evidence import made_up_scan, measure
from stratacam.learning import (
    ScanPictures,
    TrainSettings,
    cache_activations,
    make_dataset,
    save_pictures,
    train,
)
from stratacam.maps.precision import map_errors
from stratacam.networks import build, freeze, frozen_prefix
from stratacam.networks.precision import Precision, computing

SUBJECTS, SLICES, FOLDS = 38, 137, 5
"""Of the study that is added up."""
SCANS = 6
"""Made-up scans of which activations are kept: four to train on, two that decide when to stop."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        step: its name.
        precision: "exact" or "fast", see `stratacam.networks.precision`.
        seconds: that it took.
        slices: that it went through; those of an epoch count in each.
        parts: seconds by part.
    """

    step: str
    precision: Precision
    seconds: float
    slices: int
    parts: dict[str, float]


@dataclass(frozen=True)
class MapError:
    """Of one layer of a network with He's random weights: the error of fast maps, see `map_errors`."""

    layer: str
    error: float


def steps(
    device: torch.device, size: int, slices: int, again: int, go_on: Callable[[], bool]
) -> Iterator[Step]:
    """Activations and training in each precision, then exact evidence of one scan, as long as `go_on()`."""
    for precision in ("fast", "exact") if device.type == "cuda" else ("exact",):
        if go_on():
            with computing(precision, device), tempfile.TemporaryDirectory() as folder:
                yield from _learnt(device, precision, size, slices, Path(folder))
    if go_on():
        with computing("exact", device):
            yield _evidence(device, "exact", size, slices, again)


def fast_errors(device: torch.device, size: int) -> Iterator[MapError]:
    """The errors of fast Grad-CAM maps of every layer."""
    model = build("vgg16", 3, weights="none").eval().to(device)
    images = torch.from_numpy(made_up_scan(16, size).images[6:10])
    for layer, error in map_errors(model, [images]).items():
        yield MapError(layer, error)


def _learnt(
    device: torch.device, precision: Precision, size: int, slices: int, folder: Path
) -> Iterator[Step]:
    images = made_up_scan(slices, size)
    scans = []
    for number in range(SCANS):
        file = folder / f"sub-{number}.npy"
        save_pictures(file, np.roll(images.images, number, axis=3), images.brain, np.arange(slices))
        scans.append(ScanPictures(file, f"sub-{number}", f"sub-{number}", "ab"[number % 2]))
    settings = TrainSettings(epochs=2, patience=2).for_weights(
        pretrained=True, frozen=tuple(f"block{block}_*" for block in range(1, 5))
    )
    model = build("vgg16", 2, weights="none").to(device)
    freeze(model, settings.frozen or ())
    prefix, _ = frozen_prefix(model, settings.frozen or ())
    kept = folder / "kept"
    kept.mkdir()

    def cache(scan: ScanPictures) -> None:
        cache_activations(
            prefix,
            scan,
            kept,
            copies=1,
            augmentation=settings.augmentation,
            seed=0,
            device=device,
        )

    cache(scans[0])  # the first is slower: algorithms are chosen
    start = time.perf_counter()
    for scan in scans:
        cache(scan)
    yield Step("activations", precision, time.perf_counter() - start, 2 * SCANS * slices, {})
    dataset = [make_dataset(some, ("a", "b")) for some in (scans[:4], scans[4:])]
    start = time.perf_counter()
    train(model, *dataset, settings, seed=0, cached=kept, device=str(device))
    yield Step("training", precision, time.perf_counter() - start, settings.epochs * 4 * slices, {})


def _evidence(device: torch.device, precision: Precision, size: int, slices: int, again: int) -> Step:
    model = build("vgg16", 3, weights="none").eval().to(device)
    scan = made_up_scan(slices, size)
    start = time.perf_counter()
    measured = measure(model, scan, again=again)
    return Step("evidence", precision, time.perf_counter() - start, slices, dict(measured.seconds))


def whole_study(found: list[Step], precision: Precision) -> dict[str, float]:
    """Minutes of each step of a study of 38 subjects at 1 mm, one after the other, added up from its parts.

    Evidence, which processors decide, is taken as measured, whatever the precision.
    """
    a_slice = {one.step: one.seconds / one.slices for one in found if one.precision == precision}
    a_slice |= {one.step: one.seconds / one.slices for one in found if one.step == "evidence"}
    every = SUBJECTS * SLICES
    counts = {
        "activations": 2 * every,
        "training": FOLDS
        * TrainSettings().epochs
        * every
        * 0.7,  # the rest is held out, or decides when to stop
        "evidence": every,
    }
    return {step: count * a_slice[step] / 60 for step, count in counts.items() if step in a_slice}
