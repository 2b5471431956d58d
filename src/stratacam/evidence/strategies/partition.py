"""A cohort divided into strategies: split in two, and the parts again, as long as one cluster is not split as well.

Every split has a p-value, corrected for the number of analyses and for the size of the part (P. Kimes et al.,
"Statistical significance for hierarchical clustering", 2017), so that a cohort of one strategy is divided in at most
5 % of all studies, whatever the number of methods and layers.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.draws import generator
from stratacam.evidence.inference import MINIMUM_SUBJECTS
from stratacam.evidence.inference.means import LEVEL
from stratacam.evidence.strategies.split import DRAWS, best_split, coordinates_of, p_of_one_cluster

Floats = NDArray[np.float64]

SUBSAMPLES = 200
SUBSAMPLE = 0.8
"""Share of the subjects that are split again, to see how stable a split is."""

SMALLEST_AGAIN = 2
"""Subjects of a part of a subsample: a strategy of three loses one now and then."""


class Partition(NamedTuple):
    """Strategies of a cohort.

    Attributes:
        labels: (n,) number of the strategy, from 1, the largest first.
        p: family-wise p-value of there being one strategy.
        stability: by strategy, how well it is found again in random subsamples; none where there is one strategy.
    """

    labels: NDArray[np.int_]
    p: float
    stability: tuple[float, ...]


class Part(NamedTuple):
    """Subjects who are together: their positions, and how well that is found again."""

    members: NDArray[np.int_]
    stability: float


def partition_of(
    profiles: Floats, *, analyses: int = 1, draws: int | None = None, seed: int = 0
) -> Partition:
    """Divide a cohort.

    Args:
        profiles: (n, d), of length 1 each; see `stratacam.evidence.strategies.profiles`.
        analyses: for how many analyses, of which this is one, p-values are corrected.
        draws: number of cohorts of one cluster at most; absent: as many as the correction needs.
        seed: of these and of subsamples.
    """
    count = len(profiles)
    draws = DRAWS * max(1, math.ceil(analyses / 20)) if draws is None else draws
    p_of_whole = 1.0
    undivided: list[Part] = []
    waiting = [Part(np.arange(count), 1.0)]
    while waiting:
        part = waiting.pop(0)
        members = part.members
        if len(members) < MINIMUM_SUBJECTS:
            undivided.append(part)
            continue
        coordinates = coordinates_of(profiles[members])
        split = best_split(coordinates)
        random = generator(seed, "one cluster", *map(int, members))
        p = (
            p_of_one_cluster(coordinates, split.separation, random, draws=draws)
            * analyses
            * count
            / len(members)
        )
        if len(members) == count:
            p_of_whole = min(p, 1.0)
        if p > LEVEL:
            undivided.append(part)
            continue
        stability = _stability(profiles[members], split.second, random)
        waiting += map(Part, (members[~split.second], members[split.second]), stability)
    undivided.sort(key=lambda part: (-len(part.members), part.members[0]))
    labels = np.zeros(count, dtype=np.int_)
    for number, part in enumerate(undivided, start=1):
        labels[part.members] = number
    several = len(undivided) > 1
    return Partition(labels, p_of_whole, tuple(part.stability for part in undivided) if several else ())


def _stability(
    profiles: Floats, second: NDArray[np.bool_], random: np.random.Generator
) -> tuple[float, float]:
    """Of either part, its mean Jaccard index with the part of a split subsample that resembles it (C. Hennig, 2007)."""
    count = len(profiles)
    found = np.zeros(2)
    for _ in range(SUBSAMPLES):
        chosen = np.sort(random.permutation(count)[: round(SUBSAMPLE * count)])
        again = best_split(coordinates_of(profiles[chosen]), smallest=SMALLEST_AGAIN).second
        for number, part in enumerate((~second[chosen], second[chosen])):
            found[number] += max(_jaccard(part, again), _jaccard(part, ~again))
    low, high = found / SUBSAMPLES
    return float(low), float(high)


def _jaccard(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))
