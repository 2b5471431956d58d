"""How far chance and few subjects could have brought a number: intervals and p-values over subjects.

Subjects, not slices, are independent: whatever is drawn here is a subject, and all its slices come along.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Interval = tuple[float, float]

RESAMPLES = 2000
PERMUTATIONS = 10_000
DEFINED_SHARE = 0.75
"""A group of one subject is drawn in 63 % of all resamples, a group of two in 87 %."""

NUMBERS_AT_ONCE = 200_000
"""What stays in the cache: three times as fast as blocks that do not."""


def resample(subjects: int, *, seed: int) -> Floats:
    """Return how often each subject is drawn, with replacement, in each resample: (resamples, subjects)."""
    drawn = np.random.default_rng(seed).multinomial(subjects, np.full(subjects, 1 / subjects), size=RESAMPLES)
    return drawn.astype(np.float64)


def percentile_interval(values: Floats) -> Interval | None:
    """Return the 95 % percentile interval of resampled values, (n,), where they are numbers.

    A resample that lacks what a number needs gives NaN and is left out. There is no interval where that is
    so for more than a quarter of them: the group then has one subject, and resampling shows nothing.
    """
    defined = values[~np.isnan(values)]
    if len(defined) < DEFINED_SHARE * len(values):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def exact_interval(right: int, count: int) -> Interval:
    """Return the exact 95 % interval of a share, `right` of `count` (C. J. Clopper, E. S. Pearson, 1934)."""
    exact = stats.binomtest(right, count).proportion_ci(0.95, method="exact")
    return float(exact.low), float(exact.high)


def balanced_posterior(confusion: Integers, *, seed: int) -> Interval:
    """Return the 95 % interval of the mean of the recalls, each Beta(1 + right, 1 + wrong).

    K. H. Brodersen et al., "The balanced accuracy and its posterior distribution" (2010). The posterior shrinks to
    the middle; where the observed value lies outside its interval, the interval is extended to it.

    Args:
        confusion: (classes, classes) rows true, columns predicted; classes without subjects are left out.
        seed: of the 20,000 draws.
    """
    of_class = confusion.sum(1)
    right = np.diagonal(confusion)[of_class > 0]
    wrong = of_class[of_class > 0] - right
    drawn = np.random.default_rng(seed).beta(1 + right, 1 + wrong, (20_000, len(right))).mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    value = float((right / of_class[of_class > 0]).mean())
    return min(float(low), value), max(float(high), value)


def permutations_at_once(subjects: int) -> list[int]:
    """How many of the `PERMUTATIONS` are drawn at a time, so that their numbers stay in the cache."""
    blocks = math.ceil(PERMUTATIONS * subjects / NUMBERS_AT_ONCE)
    return [len(some) for some in np.array_split(np.arange(PERMUTATIONS), blocks)]


def permutation_p_value(gain: Floats, label: Integers, *, seed: int) -> float:
    """Return the share of permutations of the labels that do as well as the labels do, these counted.

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
