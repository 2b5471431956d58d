"""Does relevance-guided training keep a network from using what lies outside the brain, or does it only hide it?

Made-up slices: a brain of smooth tissue, in patients with faint lesions (seen in a part of the slices) and with a
shortcut outside the brain: a bright spot in the air, far from the brain ("far") or on its rim ("rim"). Networks are
small_cnn: plain, relevance-guided with several weights, layers and methods, and brain-only. Each is trained with the
shortcut, and then asked about other subjects:

- heat outside: share of LayerCAM's positive heat at the last convolution outside the brain;
- accuracy: on slices with the shortcut, without it, and with it in controls instead of patients;
- air: the air is replaced by noise of tissue's intensity; mean change of the margin over the margin's standard
  deviation between slices, and the share of slices that get another class.

A network that only hides has little heat outside, and yet loses its accuracy without the shortcut and changes its mind
with the air.

    .venv/bin/python -m benchmarks.relevance
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.learning import (
    ScanPictures,
    SliceDataset,
    TrainSettings,
    compute_logits,
    make_dataset,
    save_pictures,
    train,
)
from stratacam.learning.air import change_by_air
from stratacam.learning.epoch import slice_weights
from stratacam.learning.relevance import find_relevance
from stratacam.networks import BrainUse, build, inputs_of

CLASSES = ("control", "patient")
SIZE = 48
SLICES = 8
SUBJECTS = {"train": 20, "validation": 10, "test": 20}
SETTINGS = TrainSettings(
    copies=0, epochs=16, patience=16, body_rate=2e-3, head_rate=5e-3, label_smoothing=0, batch_size=16
)
MEASURED = SETTINGS.model_copy(update={"relevance": 1})


@dataclass(frozen=True)
class Way:
    """How a network is trained."""

    name: str
    brain: BrainUse = "off"
    weight: float = 0
    layer: str | None = None
    method: str = "layercam"

    @property
    def settings(self) -> TrainSettings:
        """The settings of its training."""
        return SETTINGS.model_copy(
            update={
                "relevance": self.weight,
                "relevance_layer": self.layer,
                "relevance_method": self.method,
            }
        )


WAYS = (
    Way("plain"),
    Way("guided, 3", weight=3),
    Way("guided, 10", weight=10),
    Way("guided, 3, Grad-CAM", weight=3, method="gradcam"),
    Way("guided, 3, block2_conv2", weight=3, layer="block2_conv2"),
    Way("guided, 3, block1_conv1", weight=3, layer="block1_conv1"),
    Way("brain-only, pooling", brain="pooling"),
    Way("brain-only, features", brain="features"),
)


def make_subject(
    number: int, group: str, shortcut: str, *, shown: bool, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The pictures (n, 3, H, W) of a subject, and the brain in them (n, H, W).

    Args:
        number: of the subject.
        group: its class; patients have lesions in three slices of four.
        shortcut: where it lies: "far" from the brain, or on its "rim".
        shown: whether it is there.
        seed: of everything.
    """
    generator = np.random.default_rng([seed, number])
    rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    height, width = generator.uniform(16, 19), generator.uniform(13, 15)
    brain = np.repeat(((rows / height) ** 2 + (columns / width) ** 2 < 1)[None], SLICES, axis=0)
    noise = ndimage.gaussian_filter(generator.normal(size=(SLICES, 3, SIZE, SIZE)), (0, 0, 2, 2))
    images = 0.45 + 0.08 * noise / noise.std()
    for place in range(SLICES):
        if group == "patient" and place % 4:
            for _ in range(3):
                angle, radius = generator.uniform(0, 2 * np.pi), generator.uniform(0, 0.6)
                row, column = radius * height * np.sin(angle), radius * width * np.cos(angle)
                images[place] += 0.22 * ((rows - row) ** 2 + (columns - column) ** 2 < 2**2)
    images *= brain[:, None]
    if shown:
        row, column = (-20, -20) if shortcut == "far" else (0, -width - 2)
        images[:, :, (rows - row) ** 2 + (columns - column) ** 2 < 2**2] = 0.5
    return images.clip(0, 1).astype(np.float32), brain


def make_set(folder: Path, part: str, shortcut: str, *, shown_in: str | None, seed: int) -> SliceDataset:
    """The slices of a part's subjects, with the shortcut in a group or in none."""
    first = 1000 * list(SUBJECTS).index(part)
    scans = []
    for number in range(first, first + SUBJECTS[part]):
        group = CLASSES[number % 2]
        images, brain = make_subject(number, group, shortcut, shown=group == shown_in, seed=seed)
        name = f"sub-{number:04}"
        file = folder / f"{part}_{shown_in}" / f"{name}.npy"
        save_pictures(file, images, brain, np.arange(SLICES))
        scans.append(ScanPictures(file, name, name, group))
    return make_dataset(scans, CLASSES)


def measure(way: Way, sets: dict[str, SliceDataset], seed: int) -> dict[str, float]:
    """Train a network in a way, and ask it."""
    model = build("small_cnn", 2, weights="none", seed=seed, brain=way.brain)
    train(model, sets["train"], sets["validation"], way.settings, seed=seed)
    found = {}
    for name in ("with", "without", "swapped"):
        dataset = sets[name]
        logits = compute_logits(model, lambda rows, of=dataset: of.read_for(model, rows), len(dataset))  # type: ignore[misc]
        found[name] = float(np.mean(slice_weights(dataset) * (logits.argmax(1) == dataset.label)))
    relevance = find_relevance(model, MEASURED)
    if relevance is None:
        raise AssertionError("heat is not measured")
    rows, dataset = np.arange(len(sets["with"])), sets["with"]
    brain = dataset.read_brain(rows)
    batch, labels = inputs_of(model, dataset.read(rows), brain), torch.from_numpy(dataset.label)
    shares = relevance.run(model, batch, labels, brain, "cpu", differentiable=False)[1]
    air = change_by_air(model, dataset, seed=seed)
    return {
        "heat outside": float(shares.detach().mean()),
        **found,
        "air": air.change / air.spread,
        "flipped": air.flipped,
    }


def measure_all(seeds: int, folder: Path, shortcut: str) -> Iterator[tuple[Way, list[dict[str, float]]]]:
    """What every way gives, by seed."""
    sets_of = []
    for seed in range(seeds):
        of_seed = folder / shortcut / str(seed)

        def cut(part: str, shown_in: str | None, of_seed: Path = of_seed, seed: int = seed) -> SliceDataset:
            return make_set(of_seed, part, shortcut, shown_in=shown_in, seed=seed)

        sets_of.append(
            {
                "train": cut("train", "patient"),
                "validation": cut("validation", "patient"),
                "with": cut("test", "patient"),
                "without": cut("test", None),
                "swapped": cut("test", "control"),
            }
        )
    for way in WAYS:
        yield way, [measure(way, sets, seed) for seed, sets in enumerate(sets_of)]


def main() -> None:
    """Print a table for each place of the shortcut: means over seeds, with the range in brackets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="default %(default)s")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as name:
        for shortcut in ("far", "rim"):
            print(f"shortcut: {shortcut}")
            for way, found in measure_all(chosen.seeds, Path(name), shortcut):
                cells = []
                for measured in found[0]:
                    values = [one[measured] for one in found]
                    cells.append(f"{measured} {np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})")
                print(f"{way.name:24}", *cells, sep="  ", flush=True)


if __name__ == "__main__":
    main()
