"""The mean over subjects and its interval."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.inference.skewness import skewness_of, with_skewness
from stratacam.learning.evaluation.intervals import Z, combine, share_interval, within

Limits = tuple[float, float]

LEVEL = 0.05
"""Error rate of intervals and verdicts."""

UNLIMITED = (-math.inf, math.inf)


def mean_interval(values: NDArray[np.float64], limits: Limits = UNLIMITED) -> tuple[float, float]:
    """95 % interval of the mean of one value for each subject; NaN for fewer than two.

    Student's, corrected for skewness. Where more than half of the values are one number, these say little of how far
    the others go, and only the limits do: see `_of_mostly_one_number`. Without limits, the interval of such values is
    too narrow. By simulation it covers the mean of bounded, skewed and tied values in 92 % or more from 10 subjects on;
    values without limits and with long tails (lognormal) less often. Of two values it is Student's, uncorrected.

    Args:
        values: (subjects,), not finite where there is none.
        limits: the lowest and highest value that there can be, with which the interval ends.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return math.nan, math.nan
    if np.isfinite(limits).all():
        known = np.clip(known, *limits)
        number = float(np.median(known))
        if 2 * (known == number).sum() > len(known):
            return within(_of_mostly_one_number(known, number, limits), *limits)
    return within(_of_student(known), *limits)


def _of_mostly_one_number(values: NDArray[np.float64], number: float, limits: Limits) -> tuple[float, float]:
    """From how far values are above and below the number, as shares of the way to the limits.

    If none differs, a share of subjects that chance may have left out goes all the way.
    """
    ways = np.array([limits[1] - number, number - limits[0]])
    shares = [
        np.maximum(sign * (values - number), 0) / (way or 1.0)
        for sign, way in zip((1, -1), ways, strict=True)
    ]
    low, high = combine([share.mean() for share in shares], list(map(_of_shares, shares)), ways * (1, -1))
    return number + low, number + high


def _of_shares(values: NDArray[np.float64]) -> tuple[float, float]:
    """Interval of the mean of values from 0 to 1, most of which are 0, as of a share of some effective count.

    Shares of a yes or no vary most, so that there are at least as many as subjects; as many more as the variance says
    (E. L. Korn, B. I. Graubard, 1998), by Student's t with the degrees of freedom of the values above 0 alone.
    """
    count, mean, above = len(values), float(values.mean()), np.count_nonzero(values)
    effective = float(count)
    if above > 1:
        shrink = Z / stats.t.isf(LEVEL / 2, above - 1)
        effective = max(effective, count * mean * (1 - mean) / values.var(ddof=1) * shrink**2)
    return share_interval(mean * effective, effective)


def _of_student(known: NDArray[np.float64]) -> tuple[float, float]:
    count, mean = len(known), known.mean()
    deviations = known - mean
    squares = (deviations**2).sum()
    skewness = skewness_of(squares, (deviations**3).sum(), count) if count > 2 else np.zeros(())
    error = math.sqrt(squares / (count - 1) / count)
    quantile = stats.t.ppf(1 - LEVEL / 2, count - 1)
    low, high = (mean - error * with_skewness(end, skewness) for end in (quantile, -quantile))
    return float(low), float(high)


def mean_known(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean over the first axis of the values that are finite; NaN where there are none."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
