"""How far chance and few subjects could have brought a number: intervals and p-values over subjects.

Subjects, not slices, are independent. Every interval here was tried by simulation at 3 to 50 subjects of a group, see
`benchmarks/intervals.py`: a number for which no interval held its 95 % has none.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import brentq
from scipy.special import betainc

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Interval = tuple[float, float]

ERROR = 0.05
"""Of every interval: it is a 95 % interval."""

Z = float(stats.norm.isf(ERROR / 2))

POOLED_FOLDS = 1.3
"""Intervals of predictions pooled over folds are this much wider: the models of the folds share training subjects, and
so do their mistakes (Bengio and Grandvalet 2004). Found by simulation."""

PERMUTATIONS = 10_000
NUMBERS_AT_ONCE = 200_000
"""What stays in the cache: three times as fast as blocks that do not."""


def share_interval(right: float, count: float) -> Interval:
    """Return the 95 % interval of a share, `right` of `count`: Clopper-Pearson with the mid-p correction.

    H. O. Lancaster (1961). Each limit is the share at which observing so many or more (fewer), `right` itself counted
    one half, has a probability of 2.5 %. The counts may be effective ones, which are not whole.

    Example:
        >>> [round(limit, 3) for limit in share_interval(3, 3)]  # half of p ** 3 is 0.025
        [0.368, 1.0]
    """

    def at_least(share: float) -> float:
        reached = betainc(right, count - right + 1, share)
        return float(reached + (betainc(right + 1, count - right, share) if right < count else 0)) / 2

    def at_most(share: float) -> float:
        missed = 1 - betainc(right + 1, count - right, share)
        return float(missed + (1 - betainc(right, count - right + 1, share) if right > 0 else 0)) / 2

    low = 0.0 if right <= 0 else float(brentq(lambda share: at_least(share) - ERROR / 2, 0, 1))
    high = 1.0 if right >= count else float(brentq(lambda share: at_most(share) - ERROR / 2, 0, 1))
    return low, high


def clustered_interval(right: Floats, count: Floats) -> Interval:
    """Return the 95 % interval of a share over subjects with several slices or trainings each.

    E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data" (1998): that of a share of as many independent subjects as have the variance that is
    observed between subjects, fewer by Student's t; where there is none, of the subjects there are.

    Args:
        right: (subjects,) what each has right.
        count: (subjects,) of so many, more than 0.
    """
    subjects, share = len(count), float(right.sum() / count.sum())
    deviation = (right - share * count) / count.sum()
    effective = float(subjects)
    if subjects > 1 and (deviation != 0).any():
        variance = float(deviation @ deviation) * subjects / (subjects - 1)
        quantile = float(stats.t.isf(ERROR / 2, subjects - 1))
        effective = max(share * (1 - share) / variance * (Z / quantile) ** 2, 1.0)
    return share_interval(share * effective, effective)


def paired_interval(only_first: int, only_second: int, count: int) -> Interval:
    """Return the 95 % interval of a difference of two shares of the same subjects, first minus second.

    D. G. Bonett, R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data" (2012): one subject more is counted on each side.

    Args:
        only_first: subjects whom only the first has right.
        only_second: subjects whom only the second has right.
        count: all subjects.

    Example:
        >>> [round(limit, 3) for limit in paired_interval(1, 1, 8)]  # 0.2 on each side, 1.96 * sqrt(0.4 / 10)
        [-0.392, 0.392]
    """
    first, second = (only_first + 1) / (count + 2), (only_second + 1) / (count + 2)
    half = Z * math.sqrt((first + second - (first - second) ** 2) / (count + 2))
    value = (only_first - only_second) / count
    return min(value, first - second - half), max(value, first - second + half)


def combine(
    values: npt.ArrayLike,
    limits: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    correlation: npt.ArrayLike | None = None,
    quantile: float = Z,
    widen: float = 1.0,
) -> Interval:
    """Return the 95 % interval of a weighted sum from the 95 % intervals of its terms.

    The method of variance estimates recovery (MOVER): G. Y. Zou, A. Donner, "Construction of confidence limits about
    effect measures" (2008). The distance of the sum from its limit is the root of the sum of squares of the distances
    of the terms from theirs, with their correlations.

    Args:
        values: (n,) of the terms.
        limits: (n, 2) of the terms.
        weights: (n,).
        correlation: (n, n) of the terms' estimates; independent if not given.
        quantile: of the sum's distribution in place of the normal 1.96 of the terms.
        widen: factor of the distance, see `POOLED_FOLDS`.
    """
    value, (low, high), weight = np.asarray(values), np.asarray(limits).T, np.asarray(weights)
    matrix = np.eye(len(value)) if correlation is None else np.asarray(correlation)
    total, factor = float(weight @ value), widen * quantile / Z

    def distance(from_below: bool) -> float:
        toward_low = (weight > 0) == from_below
        terms = weight * np.where(toward_low, value - low, high - value)
        return factor * math.sqrt(max(float(terms @ matrix @ terms), 0.0))

    return total - distance(True), total + distance(False)


def within(interval: Interval, low: float, high: float) -> Interval:
    """Cut an interval where the number ends."""
    return max(interval[0], low), min(interval[1], high)


def permutations_at_once(subjects: int) -> list[int]:
    """How many of the `PERMUTATIONS` are drawn at a time, so that their numbers stay in the cache."""
    blocks = math.ceil(PERMUTATIONS * subjects / NUMBERS_AT_ONCE)
    return [len(some) for some in np.array_split(np.arange(PERMUTATIONS), blocks)]


def permutation_p_value(gain: Floats, label: Integers, *, seed: int) -> float:
    """Return the share of permutations of the labels that do as well as the labels do, these counted.

    It is exact for predictions by one model that saw none of the subjects, and too small for predictions pooled over
    folds, whose models learned from the labels of each other's subjects.

    Args:
        gain: (subjects, classes) what a subject adds to the score if it is of this class; the score is the
            sum over subjects, up to constants.
        label: (subjects,) the class of each subject.
        seed: of the permutations.
    """
    generator = np.random.default_rng(seed)
    subjects = np.arange(len(label))
    observed = gain[subjects, label].sum()
    as_good = 1
    for count in permutations_at_once(len(label)):
        permuted = generator.permuted(np.tile(label, (count, 1)), axis=1)
        as_good += int((gain[subjects, permuted].sum(1) >= observed - 1e-9).sum())
    return as_good / (1 + PERMUTATIONS)
