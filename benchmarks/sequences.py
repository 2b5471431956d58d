"""`python -m benchmarks.sequences`: whether the credit goes to the sequence that a class lies in.

Phantoms of two classes that differ in lesions, which are seen on one sequence alone. A small network is trained, and
the sequences of held-out subjects are exchanged for those of people of other classes, of anybody, and for zeros. Then
how often intervals over subjects cover, where subjects share the people who stand in.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.one_structure import make_slices, train_network
from stratacam.evidence.draws import generator
from stratacam.evidence.inference import mean_interval
from stratacam.evidence.inference.jackknife import jackknife
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.sequences.by_class import shares
from stratacam.evidence.sequences.exchange import Exchange
from stratacam.evidence.sequences.shapley import shapley_values
from stratacam.evidence.sequences.values import worth_of_coalitions
from stratacam.scans.sequences import DEFAULT_SEQUENCES

DONORS, WANTED = 4, 0.8
KINDS = ("another class", "anybody", "zeros")
SIZES = ((10, 10), (20, 20), (26, 12), (12, 26), (30, 8))
"""Subjects and the people who stand in, of whom each subject has four."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sequences", description=__doc__)
    parser.add_argument("--train", type=int, default=20, help="subjects of each class, default %(default)s")
    parser.add_argument(
        "--on", choices=DEFAULT_SEQUENCES, default="FLAIR", help="sequence, default %(default)s"
    )
    parser.add_argument("--test", type=int, default=30, help="of each class, default %(default)s")
    parser.add_argument("--network", default="small_cnn", help="default %(default)s")
    parser.add_argument("--trials", type=int, default=1500, help="of intervals, default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    chosen = parser.parse_args()
    print("| subjects | people who stand in | Student's interval covers | jackknife |")
    print("|---|---|---|---|")
    for subjects, donors in SIZES:
        _print_coverage(subjects, donors, chosen.trials, chosen.seed)
    print(
        f"\n| lesions on | held-out accuracy | in place of an absent sequence | values {', '.join(DEFAULT_SEQUENCES)} "
        f"| mean share | scans with at least {WANTED} |\n|---|---|---|---|---|---|"
    )
    scans = [
        make_slices("lesion", 2 * number + sick, sick=bool(sick), lesions_on=(chosen.on,), seed=chosen.seed)
        for number in range(chosen.train + chosen.test)
        for sick in (0, 1)
    ]
    learnt, held_out = scans[: 2 * chosen.train], scans[2 * chosen.train :]
    model = train_network(chosen.network, learnt, chosen.seed, augmented=True)
    _print_credit(chosen.on, model, held_out, chosen.seed)


def _print_credit(sequence: str, model: nn.Module, scans: list[ScanSlices], seed: int) -> None:
    """A row for each choice of what takes the place of an absent sequence."""
    with torch.inference_mode():
        predicted = [int(model(torch.from_numpy(scan.images)).mean(dim=0).argmax()) for scan in scans]
    true = [int(scan.group == "sick") for scan in scans]
    right = np.mean([one == other for one, other in zip(predicted, true, strict=True)])
    for kind in KINDS:
        values = []
        for number, (scan, target) in enumerate(zip(scans, predicted, strict=True)):
            allowed = [
                other
                for other in range(len(scans))
                if other != number and (kind != "another class" or true[other] != target)
            ]
            drawn = generator(seed, "donors", scan.name).permutation(allowed)[:DONORS]
            turns = [drawn[place % DONORS] for place in range(len(scan))]
            donated = np.stack([scans[turn].images[place] for place, turn in enumerate(turns)])
            exchange = Exchange(
                DEFAULT_SEQUENCES,
                scan.images,
                np.zeros_like(donated) if kind == "zeros" else donated,
                scan.brain,
                tuple(scans[turn].name for turn in turns),
            )
            values.append(shapley_values(worth_of_coalitions(model, exchange)).mean(axis=1)[:, target])
        found = shares(np.array(values))[:, DEFAULT_SEQUENCES.index(sequence)]
        means = ", ".join(f"{one:.2f}" for one in np.mean(values, axis=0))
        enough = f"{(found >= WANTED).sum()} of {len(found)}"
        print(f"| {sequence} | {right:.2f} | {kind} | {means} | {found.mean():.2f} | {enough} |", flush=True)


def _print_coverage(subjects: int, donors: int, trials: int, seed: int) -> None:
    """How often both intervals cover 0: each value is a draw of the subject less one of each who stands in."""
    random = generator(seed, "coverage", subjects, donors)
    covered = np.zeros(2)
    for _ in range(trials):
        subject = np.repeat(np.arange(subjects), DONORS)
        donor = np.concatenate([random.permutation(donors)[:DONORS] for _ in range(subjects)])
        values = random.normal(size=subjects)[subject] - random.normal(size=donors)[donor]
        values += 0.3 * random.normal(size=len(values))
        one_each = values.reshape(subjects, DONORS).mean(axis=1)
        _, low, high = jackknife(
            subject.tolist(), donor.tolist(), values[:, None], np.ones(len(values)), _same
        )
        ends = [mean_interval(one_each), (low[0], high[0])]
        covered += [start <= 0 <= end for start, end in ends]
    student, by_jackknife = (f"{share:.1%}" for share in covered / trials)
    print(f"| {subjects} | {donors} | {student} | {by_jackknife} |", flush=True)


def _same(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


if __name__ == "__main__":
    main()
