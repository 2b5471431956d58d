"""What pixels cost, and what maps gain from them.

Lesions of the same area in mm, deep in the brain or near its edge, are planted into pictures of 96 to 224 pixels, cut
to the brain or squares of 208 mm. VGG16 that sees the brain alone starts from its ImageNet weights; block 5 and the
head are trained on half of the people. Of the slices of the other half that are classified right, LayerCAM is scored at
the last convolution of every block: average precision and pointing, no tolerance. Times are medians of CPU seconds of
one slice: of a step of training on kept activations, and of the maps of all layers; memory is what torch allocates for
these at its peak.

    python -m benchmarks.resolution PREPARED

PREPARED is a folder of prepared scans; eight scans and the defaults take about ten minutes on one core.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from benchmarks.memory import allocated_peak
from stratacam.evidence.localisation import AVERAGE_PRECISION, POINTING, scores_of
from stratacam.evidence.planting import kinds_of_folds, phantom_shapes, plant_scan, read_anatomy
from stratacam.maps.slice_maps import explain_slices
from stratacam.networks import build, freeze, frozen_prefix, inputs_of
from stratacam.scans.pictures import PictureSettings
from stratacam.scans.prepared import PreparedScan, find_prepared

FROZEN = ("block1_*", "block2_*", "block3_*", "block4_*")
LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
SQUARE_MM = 208.0
MINIMUM_AREA = 4
BATCH = 8
PART = (0.35, 0.8)


@dataclass(frozen=True)
class Slices:
    """Planted slices of some people, all of one shape; `label` is the class and `person` the scan's number."""

    images: NDArray[np.float32]
    brain: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    label: NDArray[np.int64]
    person: NDArray[np.int64]
    pixel_mm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        _, rows, columns = self.brain.shape
        return rows, columns


def plant(scans: list[PreparedScan], settings: PictureSettings, area_mm2: float, seed: int) -> Slices:
    """Plant lesions of both classes; the two halves of the people have shapes of their own."""
    frame = settings.frame_for(scan.brain_mm for scan in scans)
    area = max(MINIMUM_AREA, round(area_mm2 / frame.pixel_mm**2))
    kinds = kinds_of_folds(phantom_shapes(seed), area, 2)
    images, brains, truths, labels, people = [], [], [], [], []
    for person, scan in enumerate(scans):
        anatomy = read_anatomy(scan, settings, frame)
        found = plant_scan(anatomy, kinds[person % 2], difference="place", lesions=2, copies=2, seed=seed)
        for label, planted in enumerate(found):
            images.append(planted.images)
            brains.append(anatomy.brain[planted.source])
            truths.append(planted.truth)
            labels += [label] * len(planted.images)
            people += [person] * len(planted.images)
    return Slices(
        np.concatenate(images),
        np.concatenate(brains),
        np.concatenate(truths),
        np.array(labels),
        np.array(people),
        frame.pixel_mm,
    )


def train(model: nn.Module, slices: Slices, rows: NDArray[np.intp], epochs: int) -> float:
    """Train the last block and the head on these rows; CPU seconds of a slice in a step."""
    freeze(model, FROZEN)
    prefix, rest = frozen_prefix(model, FROZEN)
    brain = torch.from_numpy(slices.brain[rows])[:, None].float()
    label = torch.from_numpy(slices.label[rows])
    pictures = torch.from_numpy(slices.images[rows])
    with torch.inference_mode():
        batches = zip(torch.split(pictures, BATCH), torch.split(brain, BATCH), strict=True)
        kept = torch.cat([prefix(*batch) for batch in batches])
    kept = kept.clone()  # no longer of inference mode
    optimiser = torch.optim.AdamW([one for one in rest.parameters() if one.requires_grad], lr=1e-4)
    times = []
    rest.train()
    for epoch in range(epochs):
        for batch in torch.split(
            torch.randperm(len(rows), generator=torch.Generator().manual_seed(epoch)), BATCH
        ):
            start = time.process_time()
            loss = functional.cross_entropy(rest(kept[batch], brain[batch]), label[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            times.append((time.process_time() - start) / len(batch))
    rest.eval()
    return median(times)


def right_ones(model: nn.Module, slices: Slices, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """The rows that are classified right."""
    pictures, brain = torch.from_numpy(slices.images[rows]), torch.from_numpy(slices.brain[rows])
    with torch.inference_mode():
        batches = zip(torch.split(pictures, BATCH), torch.split(brain, BATCH), strict=True)
        given = torch.cat([model(*inputs_of(model, *batch)) for batch in batches]).argmax(dim=1).numpy()
    return rows[given == slices.label[rows]]


def score(model: nn.Module, slices: Slices, rows: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """By score (slices, layers): average precision and pointing of LayerCAM on the targets."""
    found: dict[str, list[NDArray[np.float64]]] = {AVERAGE_PRECISION.name: [], POINTING.name: []}
    for row in rows:
        one = slice(row, row + 1)
        maps = explain_slices(
            model, slices.images[one], slices.brain[one], int(slices.label[row]), "layercam", layers=LAYERS
        )
        heat = np.stack([maps.heat(layer, slices.shape)[0] for layer in LAYERS])
        scores = scores_of(heat, slices.truth[row], slices.brain[row], slices.pixel_mm)
        for name, values in found.items():
            values.append(scores[name])
    return {name: np.stack(values) for name, values in found.items()}


def cpu_seconds(run: Callable[[], object]) -> float:
    """Median CPU seconds of three calls."""
    times = []
    for _ in range(3):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return median(times)


def measure(scans: list[PreparedScan], settings: PictureSettings, chosen: argparse.Namespace) -> None:
    """Print the rows of one resolution."""
    torch.manual_seed(chosen.seed)
    slices = plant(scans, settings, chosen.area_mm2, chosen.seed)
    model = build("vgg16", 2, weights=chosen.weights, brain="features", seed=chosen.seed).eval()
    people = slices.person % 2
    training, held_out = np.flatnonzero(people == 0), np.flatnonzero(people == 1)
    step_s = train(model, slices, training, chosen.epochs)
    correct = right_ones(model, slices, held_out)
    spaced = correct[:: max(1, -(-len(correct) // chosen.scored))]

    def explain() -> object:
        return explain_slices(model, slices.images[:1], slices.brain[:1], 0, "layercam")

    explain()
    maps_s, peak = cpu_seconds(explain), allocated_peak(explain)
    shape = " x ".join(map(str, slices.shape))
    field = "square" if settings.width_mm else "cut"
    print(
        f"{field:6} {shape:9} {slices.pixel_mm:.2f} mm  step {1000 * step_s:5.0f} ms  maps {maps_s:5.2f} s  "
        f"{peak / 2**20:5.0f} MB  right {len(correct) / len(held_out):.2f} of {len(held_out)}",
        flush=True,
    )
    if len(spaced):
        for name, values in score(model, slices, spaced).items():
            means = " ".join(
                f"{layer} {mean:.2f}" for layer, mean in zip(LAYERS, values.mean(0), strict=True)
            )
            print(f"       {name} of {len(spaced)}: {means}", flush=True)


def main() -> None:
    """Measure every resolution."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", type=Path)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[96, 128, 160, 224], help="default %(default)s"
    )
    parser.add_argument("--scans", type=int, default=8, help="scans, two at least; default %(default)s")
    parser.add_argument("--every", type=int, default=6, help="step between the slices, default %(default)s")
    parser.add_argument("--area-mm2", type=float, default=100.0, help="of a lesion, default %(default)s")
    parser.add_argument("--epochs", type=int, default=6, help="default %(default)s")
    parser.add_argument("--scored", type=int, default=16, help="slices, default %(default)s")
    parser.add_argument("--weights", default="imagenet", help='"none" for a try; default %(default)s')
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    scans = find_prepared(chosen.prepared)[: chosen.scans]
    for size in chosen.sizes:
        for width_mm in (None, SQUARE_MM):
            settings = PictureSettings(size=size, width_mm=width_mm, every=chosen.every, part=PART)
            measure(scans, settings, chosen)


if __name__ == "__main__":
    main()
