"""`python -m benchmarks.draws`: how much of what evidence says is chance of its random draws.

The evidence of a made-up cohort is measured with several seeds. Of every measure the standard deviation of the cohort's
mean between seeds is divided by the mean's standard error over subjects: at most 0.2 is wanted, so that another seed
changes no verdict. Where the spread over subjects is the chance of the draws itself, the quotient cannot be small,
however many there are: intervals over subjects then hold the draws' chance too, since these are independent.
"""

import argparse
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from stratacam.evidence.draws import generator
from stratacam.evidence.measure import measure_scan
from stratacam.evidence.references import reference_maps
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.strangers import Stranger
from stratacam.evidence.values import Value
from stratacam.networks import build
from stratacam.scans.geometry import Geometry
from stratacam.scans.resampling import Grid

BAR = 0.2
SIZE = 48
SLICES = 16

Key = tuple[str, str, str, str]
Floats = NDArray[np.float64]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draws", description=__doc__)
    parser.add_argument("--subjects", type=int, default=12, help="default %(default)s")
    parser.add_argument("--seeds", type=int, default=4, help="default %(default)s")
    parser.add_argument("--every", action="store_true", help="also what the settings leave out by default")
    parser.add_argument("--again", type=int, default=8, help="slices that are run again, default %(default)s")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model = _trained()
    scans = [_scan(f"sub-{number:02d}", number) for number in range(chosen.subjects)]
    settings = EvidenceSettings(
        fused=(),
        methods=("gradcam",),
        slices=chosen.again,
        cascade=chosen.every,
        independent=chosen.every,
        deletion=chosen.every,
    )
    table = _by_key(
        [[_measured(model, scans, scan, settings, seed) for scan in scans] for seed in range(chosen.seeds)]
    )
    print(f"{chosen.subjects} subjects, {chosen.seeds} seeds; at most {BAR} is wanted")
    print(f"{'measure':42} {'quotient':>9} {'draws times':>12}")
    for name, quotient in sorted(quotients(table).items(), key=lambda one: -one[1]):
        more = "" if quotient <= BAR else f"{draws_wanted(quotient):.0f}" if quotient < 0.9 else "draws alone"
        print(f"{name:42} {quotient:9.2f} {more:>12}")


def quotients(table: Mapping[Key, Floats]) -> dict[str, float]:
    """By measure, standard deviation between seeds by standard error over subjects; root mean square over layers.

    Subjects draw independently, so the variance between seeds of their mean is the mean of their variances between
    seeds, divided by their number, as that of the standard error is.

    Measures without a draw are left out.

    Args:
        table: by key, (seeds, subjects).
    """
    found: dict[str, list[float]] = {}
    for (_, _, measure, against), values in table.items():
        error = values.var(axis=1, ddof=1).mean()
        between = values.var(axis=0, ddof=1).mean()
        if between > 0:
            step = against and not measure.startswith(("cascade", "independent"))
            found.setdefault(f"{measure} {against}" if step else measure, []).append(between / error)
    return {name: float(np.sqrt(np.mean(squares))) for name, squares in found.items()}


def draws_wanted(quotient: float) -> float:
    """How many times the draws would bring a quotient to the bar: only the draws' part of the variance shrinks."""
    share = quotient**2
    return share * (1 - BAR**2) / (BAR**2 * (1 - share))


def _measured(
    model: nn.Module, scans: list[ScanSlices], scan: ScanSlices, settings: EvidenceSettings, seed: int
) -> list[Value]:
    """All measures of one scan; strangers are drawn as a study draws them."""
    others = sorted(
        (one for one in scans if one.name != scan.name),
        key=lambda one: generator(seed, "strangers", scan.name, one.name).random(),
    )
    return measure_scan(
        model,
        scan,
        settings,
        target=1,
        true_class=1,
        references=reference_maps(scan, intensity=scan.images[:, 2]),
        strangers=[
            Stranger(some.images, some.brain)
            for some in (one.some(settings.slices) for one in others[: settings.strangers])
        ],
        seed=seed,
    ).values


def _by_key(measured: list[list[list[Value]]]) -> dict[Key, Floats]:
    """By key, the values (seeds, subjects) of those that every subject has with every seed."""
    tables = [[{value.key: value.value for value in values} for values in scans] for scans in measured]
    every = set.intersection(*(set(one) for scans in tables for one in scans))
    return {key: np.array([[one[key] for one in scans] for scans in tables]) for key in sorted(every)}


def _trained() -> nn.Module:
    """A small network that has learned to find bright spots."""
    torch.manual_seed(0)
    model = build("small_cnn", classes=2, weights="none")
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for images, classes in _batches(150):
        loss = nn.functional.cross_entropy(model(images), classes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"the network's last loss is {loss.item():.2f}")
    return model.eval()


def _batches(count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    random = np.random.default_rng(1)
    for _ in range(count):
        classes = np.arange(16) % 2
        images = np.stack([_picture(random, spots=3 * one)[0] for one in classes])
        yield torch.from_numpy(images), torch.from_numpy(classes)


def _picture(random: np.random.Generator, *, spots: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Smooth noise in a round brain (3, rows, columns), with bright spots, and where these are."""
    brain = _brain()
    image = ndimage.gaussian_filter(random.normal(size=(3, SIZE, SIZE)), (0, 1.5, 1.5))
    image = 0.4 + 0.1 * image / image.std()
    seeds = np.zeros((SIZE, SIZE), bool)
    for row, column in random.permutation(np.argwhere(ndimage.binary_erosion(brain, iterations=5)))[:spots]:
        seeds[row, column] = True
    truth = ndimage.binary_dilation(seeds, iterations=2)
    image = (image + 0.3 * ndimage.gaussian_filter(truth.astype(float), 0.7)) * brain
    return image.clip(0, 1).astype(np.float32), truth


def _brain() -> NDArray[np.bool_]:
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return np.asarray((y / 0.43) ** 2 + (x / 0.36) ** 2 < SIZE**2)


def _scan(name: str, number: int) -> ScanSlices:
    """A subject with spots, more of them in some subjects than in others."""
    random = np.random.default_rng([7, number])
    spots = int(random.integers(1, 6))
    images, truth = zip(*(_picture(random, spots=spots) for _ in range(SLICES)), strict=True)
    grid = Grid((SIZE, SIZE, SLICES), np.diag([4.0, 4.0, 4.0, 1.0]))
    middle = ((SIZE - 1) / 2, (SIZE - 1) / 2)
    geometry = Geometry(grid, "axial", tuple(range(SLICES)), (SIZE, SIZE), middle, (float(SIZE), float(SIZE)))
    brain = np.tile(_brain(), (SLICES, 1, 1))
    return ScanSlices(name, name, "MS", np.stack(images), brain, np.stack(truth), geometry)


if __name__ == "__main__":
    main()
