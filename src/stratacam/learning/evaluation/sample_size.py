"""What so many held-out subjects can show: widths of intervals, and the smallest effects that are mostly found.

Outcomes are simulated, and every one is given the interval and the verdict that a study would give it.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import brentq
from scipy.special import softmax

from stratacam.learning.evaluation.auroc import areas, mean_interval
from stratacam.learning.evaluation.intervals import (
    ERROR,
    POOLED_FOLDS,
    Floats,
    Integers,
    Z,
    combine,
    share_interval,
)

DRAWS = 4000
OUTCOMES = 200_000
COHORTS = 150
"""Simulated for the width of the AUROC's interval."""
POWER = 0.8
EXACT_UP_TO = 40
"""Subjects whom one of two classifiers alone has right, up to which swaps are counted; beyond, they are normal."""


def accuracy_width(counts: Sequence[int], recall: float, *, widen: float = 1.0, seed: int = 0) -> float:
    """Expected width of the 95 % interval of balanced accuracy if every group has this recall.

    Args:
        counts: held-out subjects of each group.
        recall: of every group, hence also the balanced accuracy.
        widen: factor of intervals of pooled folds, `stratacam.learning.evaluation.intervals.POOLED_FOLDS`.
        seed: of the simulated outcomes.
    """
    low, high = accuracy_limits(counts, _right(counts, recall, _uniform(len(counts), seed)), widen)
    return float((high - low).mean())


def accuracy_limits(counts: Sequence[int], right: Integers, widen: float) -> tuple[Floats, Floats]:
    """The interval of balanced accuracy of each outcome, as `balanced_interval` gives it for one.

    Args:
        counts: (groups,) held-out subjects.
        right: (draws, groups) how many of them are right.
        widen: see `accuracy_width`.
    """
    groups = len(counts)
    share = right / np.array(counts)
    limits = np.stack([_limits(count, right[:, place]) for place, count in enumerate(counts)], axis=1)
    value = share.mean(axis=1)
    below, above = (np.sqrt(((share - limits[:, :, end]) ** 2).sum(axis=1)) / groups for end in (0, 1))
    return np.maximum(value - widen * below, 0), np.minimum(value + widen * above, 1)


def smallest_accuracy(counts: Sequence[int], *, widen: float = 1.0, seed: int = 0) -> float | None:
    """The true balanced accuracy that is shown to be above chance with a power of 80 %; None if none is.

    It is shown where the lower limit of its interval is above 1 / groups.
    """
    uniform, chance = _uniform(len(counts), seed), 1 / len(counts)

    def power(recall: float) -> float:
        low, _ = accuracy_limits(counts, _right(counts, recall, uniform), widen)
        return float((low > chance).mean())

    return _smallest(power, chance, 1.0)


class Observed(NamedTuple):
    """Balanced accuracies that can be observed: from which on the interval may be, and always is, above chance."""

    possible: float
    always: float


def smallest_observed(counts: Sequence[int], *, widen: float = 1.0) -> Observed | None:
    """The balanced accuracies from which on the interval ends above chance, by how the mistakes lie; None if none does.

    Every outcome is tried; of so many subjects that there are more than `OUTCOMES`, those alike in every group.
    """
    if math.prod(count + 1 for count in counts) <= OUTCOMES:
        right = np.array(list(product(*(range(count + 1) for count in counts))), dtype=np.int64)
    else:
        right = np.round(np.linspace(0, 1, max(counts) + 1)[:, None] * np.array(counts)).astype(np.int64)
    low, _ = accuracy_limits(counts, right, widen)
    value = np.round((right / np.array(counts)).mean(axis=1), 9)
    above = low > 1 / len(counts)
    if not above.any():
        return None
    missed = value[~above].max()
    later = value[value > missed]
    return Observed(float(value[above].min()), float(later.min() if len(later) else value.max()))


def smallest_difference(
    counts: Sequence[int], recall: float, *, folds: int = 1, seed: int = 0
) -> float | None:
    """The difference in balanced accuracy of two classifiers that is shown with a power of 80 %; None if none is.

    It is shown where the interval of the difference on the same subjects is above 0 and, with one split, the p-value by
    swapping is below 5 %. The worse classifier has a recall of `recall` in every group. The two make their mistakes
    independently; a smaller difference is seen between classifiers that are wrong of the same subjects.
    """
    widen = POOLED_FOLDS if folds > 1 else 1.0
    first, second = _uniform(len(counts), seed), _uniform(len(counts), seed + 1)
    sizes = np.array(counts)

    def power(better: float) -> float:
        only_first = better * (1 - recall)
        only_second = recall * (1 - better)
        won = _right(counts, only_first, first)
        rest = only_second / max(1 - only_first, 1e-9)
        lost = stats.binom.ppf(second, sizes - won, rest).clip(0)
        # Bonett and Price's interval of every group, as `paired_interval` has it; MOVER over the groups
        shares = (won + 1) / (sizes + 2), (lost + 1) / (sizes + 2)
        gain = shares[0] - shares[1]
        half = Z * np.sqrt((shares[0] + shares[1] - gain**2) / (sizes + 2))
        value = (won - lost) / sizes
        below = np.sqrt(((value - np.minimum(value, gain - half)) ** 2).sum(axis=1)) / len(counts)
        shown = value.mean(axis=1) - widen * below > 0
        if folds == 1:
            shown &= _swapped_below_level(won, lost, sizes)
        return float(shown.mean())

    found = _smallest(power, recall, 1.0)
    return None if found is None else found - recall


def auroc_width(counts: Sequence[int], value: float, *, widen: float = 1.0, seed: int = 0) -> float:
    """Expected width of the 95 % interval of the macro AUROC of this value; see `simulated_probabilities`."""
    random, groups = np.random.default_rng(seed), len(counts)
    label = np.repeat(np.arange(groups), counts)
    shift = _shift_of(groups, value)
    widths = []
    for _ in range(COHORTS):
        low, high = mean_interval(areas(label, simulated_probabilities(random, label, groups, shift)), widen)
        widths.append(high - low)
    return float(np.mean(widths))


def simulated_probabilities(
    random: np.random.Generator, label: Integers, groups: int, shift: float
) -> Floats:
    """Probabilities by normal scores, of which that of the true group is shifted, (subjects, groups)."""
    return np.asarray(
        softmax(random.normal(size=(len(label), groups)) + shift * np.eye(groups)[label], axis=1)
    )


@lru_cache(maxsize=64)
def _shift_of(groups: int, value: float) -> float:
    """The shift of `simulated_probabilities` that gives an AUROC."""
    label = np.repeat(np.arange(groups), 1500)

    def excess(shift: float) -> float:
        random = np.random.default_rng(0)
        return (
            float(areas(label, simulated_probabilities(random, label, groups, shift)).values.mean()) - value
        )

    return float(brentq(excess, -1.0, 12.0, xtol=0.01))


def times_for_half(counts: Sequence[int], recall: float) -> float:
    """How many times as many subjects give an interval of balanced accuracy of half the width."""
    weights = np.full(len(counts), 1 / len(counts))

    def width(times: float) -> float:
        limits = [share_interval(recall * count * times, count * times) for count in counts]
        low, high = combine(np.full(len(counts), recall), limits, weights)
        return high - low

    wanted = width(1.0) / 2
    return float(brentq(lambda times: width(times) - wanted, 1.0, 100.0, xtol=0.01))


def _swapped_below_level(won: Integers, lost: Integers, sizes: Integers) -> npt.NDArray[np.bool_]:
    """Whether the p-value by swapping, as `swap_p_value` gives it, is below 5 %, (draws,); both (draws, groups)."""
    different, place = np.unique(won + lost, axis=0, return_inverse=True)
    smallest = np.array([_smallest_gain(tuple(row.tolist()), tuple(sizes.tolist())) for row in different])
    return np.asarray(np.abs(((won - lost) / sizes).sum(axis=1)) >= smallest[place.reshape(-1)] - 1e-9)


@lru_cache(maxsize=100_000)
def _smallest_gain(disagreed: tuple[int, ...], sizes: tuple[int, ...]) -> float:
    """The smallest sum over groups of the gain in recall whose p-value by swapping is below 5 %; infinite if none.

    Args:
        disagreed: subjects of each group whom one classifier alone has right.
        sizes: of the groups.
    """
    of_size = {size: sum(n for n, one in zip(disagreed, sizes, strict=True) if one == size) for size in sizes}
    if sum(disagreed) > EXACT_UP_TO:
        return float(Z * math.sqrt(sum(n / size**2 for size, n in of_size.items())))
    gain, probability = np.zeros(1), np.ones(1)
    for size, n in of_size.items():
        step = np.arange(n + 1)
        gain = (gain[:, None] + (2 * step - n) / size).ravel()
        probability = (probability[:, None] * stats.binom.pmf(step, n, 0.5)).ravel()
    values, place = np.unique(np.round(np.abs(gain), 9), return_inverse=True)
    at_least = np.bincount(place, probability)[::-1].cumsum()[::-1]
    enough = values[at_least < ERROR]
    return float(enough[0]) if len(enough) else math.inf


def _smallest(power: Callable[[float], float], low: float, high: float) -> float | None:
    """Where a growing power reaches 80 %, by bisection to 0.001; None if it does not."""
    if power(high) < POWER:
        return None
    while high - low > 0.001:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _uniform(groups: int, seed: int) -> Floats:
    """Quantiles (draws, groups), the same whatever the recall, so that power grows with it."""
    return np.random.default_rng(seed).random((DRAWS, groups))


def _right(counts: Sequence[int], recall: float, uniform: Floats) -> Integers:
    """How many subjects of each group are right, (draws, groups)."""
    return np.asarray(stats.binom.ppf(uniform, np.array(counts), recall), dtype=np.int64)


def _limits(count: int, right: Integers) -> Floats:
    """The interval of a share for each outcome, (draws, 2)."""
    found, place = np.unique(right, return_inverse=True)
    return np.array([share_interval(int(one), count) for one in found])[place]
