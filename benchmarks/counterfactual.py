"""`python -m benchmarks.counterfactual`: whether filling finds the structure that a class lies in.

Phantoms of two classes that differ in ventricles alone, or in lesions alone. A small network is trained on each;
held-out subjects are filled, structure by structure, with shams. Then the null of the agreement of heat with the
change of the logit: random maps, and the scan's own brightness against networks made by hand that read elsewhere.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from benchmarks.one_structure import LEVELS_MM, Structure, make_slices, train_network
from stratacam.evidence.counterfactual.agreement import agreement, parcel_falls
from stratacam.evidence.counterfactual.fall import SliceToFill
from stratacam.evidence.counterfactual.shams import above_sham, sham_of
from stratacam.evidence.counterfactual.structures import falls_of_structures
from stratacam.evidence.draws import generator
from stratacam.evidence.inference import mean_interval
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings

STRUCTURES: tuple[Structure, ...] = ("ventricle", "lesion")
DRAWS = 60
"""Random maps, and networks that read elsewhere, for each slice."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counterfactual", description=__doc__)
    parser.add_argument("--train", type=int, default=20, help="subjects of each class, default %(default)s")
    parser.add_argument("--test", type=int, default=15, help="of each class, default %(default)s")
    parser.add_argument("--network", default="small_cnn", help="default %(default)s")
    parser.add_argument("--filling", choices=("texture", "imputation"), default="texture")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    chosen = parser.parse_args()
    settings = EvidenceSettings(filling=chosen.filling)
    print(
        "| class lies in | network | subjects | held-out accuracy | filled | change | sham | above sham | first |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for structure in STRUCTURES:
        numbers = np.arange(chosen.train + chosen.test)
        scans = [
            make_slices(structure, 2 * int(number) + sick, sick=bool(sick), seed=chosen.seed)
            for number in numbers
            for sick in (0, 1)
        ]
        learnt, held_out = scans[: 2 * chosen.train], scans[2 * chosen.train :]
        trained = train_network(chosen.network, learnt, chosen.seed)
        for name, model in ((chosen.network, trained), ("by hand", ByHand(structure).eval())):
            _print_structures(f"{structure} | {name}", model, held_out, settings, chosen.seed)
        _print_null(structure, trained, held_out[:10], settings, chosen.seed)


class ByHand(nn.Module):
    """Reads one structure: dark pixels of the T1w in the brain for ventricles, bright ones of the FLAIR for lesions."""

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.structure = structure
        self.weight = nn.Parameter(torch.tensor(0.1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, 2)."""
        if self.structure == "ventricle":
            read = torch.relu(0.45 - images[:, 0]) * (images[:, 0] > 0.05)
        else:
            read = torch.relu(images[:, 2] - 0.7)
        total = self.weight * read.sum(dim=(1, 2))
        return torch.stack([-total, total], dim=1)


def _print_structures(
    lies_in: str, model: nn.Module, scans: list[ScanSlices], settings: EvidenceSettings, seed: int
) -> None:
    """Rows for the subjects who have much of the structure, and for the others; each as what it is."""
    with torch.inference_mode():
        predicted = [int(model(torch.from_numpy(scan.images)).mean(dim=0).argmax()) for scan in scans]
    right = np.mean([one == (scan.group == "sick") for one, scan in zip(predicted, scans, strict=True)])
    for target, group in enumerate(("well", "sick")):
        found = [
            {row.against: row.value for row in falls_of_structures(model, scan, target, settings, seed)}
            for scan in scans
            if scan.group == group
        ]
        regions = [*STRUCTURES, *map(sham_of, STRUCTURES)]
        largest = [max(regions, key=lambda key: abs(one.get(key, 0.0))) for one in found]
        for filled in STRUCTURES:
            cells = [
                _interval(np.array([one.get(key, np.nan) for one in found]))
                for key in (filled, sham_of(filled), above_sham(filled))
            ]
            first = f"{largest.count(filled)} of {len(found)}"
            print(
                f"| {lies_in} | {group} | {right:.2f} | {filled} | {' | '.join(cells)} | {first} |",
                flush=True,
            )


def _print_null(
    structure: Structure, model: nn.Module, scans: list[ScanSlices], settings: EvidenceSettings, seed: int
) -> None:
    """Mean agreement of random maps with a network, and of brightness with networks made by hand that read elsewhere.

    Such a network is linear, with smooth random weights that know nothing of the picture, so that all of them need the
    pictures filled once.
    """
    random = generator(seed, "null", structure)
    smooth, bright = np.zeros((2, len(scans), len(LEVELS_MM), DRAWS))
    for number, scan in enumerate(scans):
        for index, (parts, falls) in enumerate(parcel_falls(model, scan, 1, settings, seed)):
            one = SliceToFill(scan, index, settings.filling, seed)
            taken = np.stack([one.image - one.filled(part) for part in parts])
            for draw in range(DRAWS):
                cells = (4, 8, 16)[draw % 3]
                noise = ndimage.zoom(random.random((cells, cells)), scan.shape[0] / cells, order=1)
                smooth[number, index, draw] = agreement(noise.astype(np.float32), parts, falls)
                weights = ndimage.gaussian_filter(random.normal(size=one.image.shape), (0, 3, 3))
                losses = np.tensordot(taken, weights, 3)
                bright[number, index, draw] = agreement(one.image[2], parts, losses)
    print(
        f"Agreement, {structure}, means over subjects: random maps {_interval(smooth.mean(axis=(1, 2)))}, brightness "
        f"with networks that read elsewhere {_interval(bright.mean(axis=(1, 2)))}\n",
        flush=True,
    )


def _interval(values: NDArray[np.float64]) -> str:
    low, high = mean_interval(values)
    return f"{np.nanmean(values):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
