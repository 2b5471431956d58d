"""The mean over subjects and its interval."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.05
"""Error rate of intervals and verdicts."""


def mean_interval(values: NDArray[np.float64], *, level: float = LEVEL) -> tuple[float, float]:
    """Student's interval of the mean of one value for each subject; NaN for fewer than two.

    Args:
        values: (subjects,), NaN where there is none.
        level: share of samples whose interval misses the mean.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return math.nan, math.nan
    half = stats.t.ppf(1 - level / 2, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known))
    return float(known.mean() - half), float(known.mean() + half)
