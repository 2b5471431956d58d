"""What so many held-out subjects can show: widths of intervals, and the smallest effects that are mostly found.

Outcomes are simulated, and every one is given the interval and the verdict that a study would give it.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from stratacam.learning.evaluation.auroc import areas, mean_interval
from stratacam.learning.evaluation.intervals import Floats, Integers, Z, combine, share_interval

DRAWS = 4000
COHORTS = 60
"""Simulated for the width of the AUROC's interval."""
POWER = 0.8


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


def smallest_observed(counts: Sequence[int], *, widen: float = 1.0) -> float | None:
    """The observed balanced accuracy, every group alike, whose interval ends just above chance; None if none does."""
    chance, weights = 1 / len(counts), np.full(len(counts), 1 / len(counts))

    def low(recall: float) -> float:
        limits = [share_interval(recall * count, count) for count in counts]
        return combine(np.full(len(counts), recall), limits, weights, widen=widen)[0]

    return float(brentq(lambda recall: low(recall) - chance, chance, 1.0)) if low(1.0) > chance else None


def smallest_difference(
    counts: Sequence[int], recall: float, *, widen: float = 1.0, seed: int = 0
) -> float | None:
    """The difference in balanced accuracy of two classifiers that is shown with a power of 80 %; None if none is.

    It is shown where the interval of the difference on the same subjects excludes 0. The worse classifier has a recall
    of `recall` in every group. The two make their mistakes independently; a smaller difference is seen between
    classifiers that are wrong of the same subjects.
    """
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
        return float((value.mean(axis=1) - widen * below > 0).mean())

    found = _smallest(power, recall, 1.0)
    return None if found is None else found - recall


def auroc_width(counts: Sequence[int], value: float, *, widen: float = 1.0, seed: int = 0) -> float:
    """Expected width of the 95 % interval of the macro AUROC if every group has this AUROC against the rest.

    Scores are normal, and higher in the group than in the rest.
    """
    random = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(counts)), counts)
    shift = math.sqrt(2) * stats.norm.ppf(value)
    widths = []
    for _ in range(COHORTS):
        if len(counts) == 2:
            score = random.normal(size=len(label)) + shift * label
            scores = np.column_stack([-score, score])
        else:
            scores = random.normal(size=(len(label), len(counts))) + shift * np.eye(len(counts))[label]
        low, high = mean_interval(areas(label, scores), widen)
        widths.append(high - low)
    return float(np.mean(widths))


def times_for_half(counts: Sequence[int], recall: float) -> float:
    """How many times as many subjects give an interval of balanced accuracy of half the width."""
    weights = np.full(len(counts), 1 / len(counts))

    def width(times: float) -> float:
        limits = [share_interval(recall * count * times, count * times) for count in counts]
        low, high = combine(np.full(len(counts), recall), limits, weights)
        return high - low

    wanted = width(1.0) / 2
    return float(brentq(lambda times: width(times) - wanted, 1.0, 100.0, xtol=0.01))


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
