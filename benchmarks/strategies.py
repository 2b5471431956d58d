"""`python -m benchmarks.strategies`: how often one strategy is taken for several, and how often a shortcut is found.

A trial is a cohort of made-up maps in a small brain. Homogeneous ones share a map, and differ by smooth noise and by
what their title says. A shortcut is a hot spot in a fixed place that draws a share of the heat of a fifth of the
subjects. Two groups whose maps differ are two strategies without any shortcut.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats
from sklearn.metrics import adjusted_rand_score

from stratacam.evidence.draws import generator
from stratacam.evidence.strategies.partition import Partition, partition_of
from stratacam.evidence.strategies.profiles import profiles_of

Floats = NDArray[np.float64]

SHAPE = (13, 16, 13)
PLACES = np.stack(np.meshgrid(*(np.linspace(-1, 1, length) for length in SHAPE), indexing="ij"))
BRAIN = (PLACES**2).sum(axis=0) < 0.95
REGION = (PLACES[0] > 0) + 2 * np.digitize(PLACES[1], (-0.33, 0.33)) + 6 * (PLACES[2] > 0)
"""Twelve boxes, as many as the lobes of the default atlas."""

SHARE, SHORTCUT, FOUND = 0.2, 0.5, 0.8
"""Share of subjects with the shortcut, share of their heat that it draws, adjusted Rand index of finding it."""

GROUPS = (0.6, 0.4)
"""Unbalanced groups whose maps differ."""


def blob(centre: tuple[float, float, float], width: float) -> Floats:
    """A round spot in the brain, (cells,)."""
    distance = ((PLACES - np.array(centre)[:, None, None, None]) ** 2).sum(axis=0)
    return np.exp(-distance / 2 / width**2)[BRAIN]


DISEASE = blob((0.3, -0.2, 0.2), 0.35) + blob((-0.3, -0.2, 0.2), 0.35) + 0.5 * blob((0, 0.5, 0), 0.4)
OTHER = blob((0.25, 0.5, 0.2), 0.3) + blob((-0.25, 0.5, 0.2), 0.3)
SPOT = blob((0, -0.55, -0.65), 0.25)
SIDES = blob((0.4, 0, 0), 0.3) - blob((-0.4, 0, 0), 0.3)
PARTS = (blob((0, 0, 0.1), 0.3), blob((0.2, 0.5, 0), 0.3), blob((0, -0.6, -0.3), 0.3))


def fields(random: np.random.Generator, subjects: int) -> Floats:
    """Smooth noise of unit variance, (subjects, cells)."""
    smooth = ndimage.gaussian_filter(random.standard_normal((subjects, *SHAPE)), (0, 1.2, 1.2, 1.2))
    return np.asarray(smooth[:, BRAIN] / smooth.std())


def plain(random: np.random.Generator, subjects: int) -> Floats:
    """One map in noise of one strength."""
    return DISEASE + 0.5 * fields(random, subjects)


def noisy(random: np.random.Generator, subjects: int) -> Floats:
    """The strengths of map and noise are log-normal."""
    strengths = np.exp(random.standard_normal((subjects, 2)) * (0.4, 0.5))
    return strengths[:, :1] * DISEASE + 0.5 * strengths[:, 1:] * fields(random, subjects)


def lesions(random: np.random.Generator, subjects: int) -> Floats:
    """Most heat on spots of the subject's own."""
    maps = 0.4 * DISEASE + 0.1 * fields(random, subjects)
    inside = PLACES[:, (PLACES**2).sum(axis=0) < 0.5].T
    for subject in range(subjects):
        for centre in random.choice(inside, size=1 + random.poisson(5)):
            maps[subject] += random.exponential() * blob(tuple(centre), 0.12)
    return maps


def progression(random: np.random.Generator, subjects: int) -> Floats:
    """One part has more heat in some, exponentially distributed, as a disease that progresses."""
    return plain(random, subjects) + 1.5 * random.exponential(size=(subjects, 1)) * PARTS[0]


def progressions(random: np.random.Generator, subjects: int) -> Floats:
    """Three parts do so by themselves, log-normally."""
    return plain(random, subjects) + 0.7 * np.exp(random.standard_normal((subjects, 3))) @ np.array(PARTS)


def even(random: np.random.Generator, subjects: int) -> Floats:
    """Heat lies more to the left or to the right, evenly distributed."""
    return plain(random, subjects) + random.uniform(-1, 1, size=(subjects, 1)) * SIDES


def faint(random: np.random.Generator, subjects: int) -> Floats:
    """Noise is twice as strong as the map."""
    return DISEASE + 2 * fields(random, subjects)


HOMOGENEOUS: Mapping[str, Callable[[np.random.Generator, int], Floats]] = {
    "one map and noise": plain,
    "strengths vary": noisy,
    "lesions of one's own": lesions,
    "one part varies, skewed": progression,
    "three parts vary, skewed": progressions,
    "left to right, even": even,
    "mostly noise": faint,
}


class Cohort(NamedTuple):
    """Made-up maps.

    Attributes:
        maps: (subjects, cells), heat.
        strategy: (subjects,) numbers.
    """

    maps: Floats
    strategy: NDArray[np.int_]

    def divided(self, seed: int, **options: int) -> Partition:
        """What the package makes of it; options are those of `partition_of`."""
        regions = np.stack([self.maps[:, REGION[BRAIN] == one].mean(axis=1) for one in range(12)], axis=1)
        return partition_of(profiles_of(self.maps, regions).points, seed=seed, **options)


def homogeneous(kind: str, subjects: int, seed: int) -> Cohort:
    """A cohort of one strategy."""
    maps = HOMOGENEOUS[kind](generator(seed, kind, subjects), subjects)
    return Cohort(np.maximum(maps, 0), np.zeros(subjects, dtype=np.int_))


def with_shortcut(cohort: Cohort, seed: int, strength: float = SHORTCUT) -> Cohort:
    """The cohort with a shortcut in a fifth of the subjects."""
    random, subjects = generator(seed, "shortcut"), len(cohort.maps)
    chosen = random.permutation(subjects)[: round(SHARE * subjects)]
    maps = cohort.maps / cohort.maps.sum(axis=1, keepdims=True)
    spots = SPOT / SPOT.sum() * np.exp(0.3 * fields(random, len(chosen)))
    drawn = np.clip(strength + 0.1 * random.standard_normal((len(chosen), 1)), 0.05, 0.95)
    maps[chosen] = (1 - drawn) * maps[chosen] + drawn * spots
    strategy = 2 * cohort.strategy
    strategy[chosen] += 1
    return Cohort(maps, strategy)


def with_groups(subjects: int, seed: int) -> Cohort:
    """Two unbalanced groups, the smaller one with most heat elsewhere."""
    random = generator(seed, "groups", subjects)
    group = (np.arange(subjects) >= round(GROUPS[0] * subjects)).astype(np.int_)
    shared = np.array([DISEASE, 0.3 * DISEASE + 1.2 * OTHER])[group]
    return Cohort(np.maximum(shared + 0.5 * fields(random, subjects), 0), group)


def trial(cohort: Cohort, seed: int, **options: int) -> tuple[int, float]:
    """The number of strategies found, and the adjusted Rand index with the true ones."""
    labels = cohort.divided(seed, **options).labels
    return int(labels.max()), float(adjusted_rand_score(cohort.strategy, labels))


def _row(title: str, cohorts: Iterable[Cohort], **options: int) -> str:
    found = [trial(cohort, seed, **options) for seed, cohort in enumerate(cohorts)]
    number = len(found)
    counts = [sum(one == 1 for one, _ in found), sum(index >= FOUND for _, index in found)]
    low = [stats.beta.ppf(0.05, count, number - count + 1) if count else 0.0 for count in counts]
    cells = [f"{count / number:.3f} (≥ {bound:.3f})" for count, bound in zip(counts, low, strict=True)]
    return f"| {title} | {number} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table; in brackets lower 95 % bounds of the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400, help="of every homogeneous cohort")
    parser.add_argument("--planted", type=int, default=100, help="of every other cohort")
    parser.add_argument("--subjects", type=int, nargs="+", default=(20, 38, 100))
    parser.add_argument("--strength", type=float, default=SHORTCUT, help="share of heat that shortcuts draw")
    parser.add_argument("--analyses", type=int, default=1, help="for how many p-values are corrected")
    parser.add_argument("--draws", type=int, default=199, help="of one cluster; more for more analyses")
    chosen = parser.parse_args()
    options = {"analyses": chosen.analyses, "draws": chosen.draws}
    print("| cohort | trials | one strategy | adjusted Rand index at least 0.8 |\n|---|---|---|---|")
    for subjects in chosen.subjects:
        for kind in HOMOGENEOUS if chosen.trials else ():
            cohorts = (homogeneous(kind, subjects, seed) for seed in range(chosen.trials))
            print(_row(f"{subjects}: {kind}", cohorts, **options), flush=True)
        for kind in HOMOGENEOUS if chosen.planted else ():
            cohorts = (
                with_shortcut(homogeneous(kind, subjects, seed), seed, chosen.strength)
                for seed in range(chosen.planted)
            )
            print(_row(f"{subjects}: {kind}; shortcut", cohorts, **options), flush=True)
        if chosen.planted:
            groups = [with_groups(subjects, seed) for seed in range(chosen.planted)]
            both = [with_shortcut(cohort, seed, chosen.strength) for seed, cohort in enumerate(groups)]
            print(_row(f"{subjects}: two groups", groups, **options), flush=True)
            print(_row(f"{subjects}: two groups; shortcut in both", both, **options), flush=True)


if __name__ == "__main__":
    main()
