"""Student's t corrected for the skewness of the values (P. Hall, "On the removal of skewness by transformation", 1992).

Shares and correlations are bounded and skewed: with few subjects, Student's interval of their mean misses it too often
on one side. Hall's transformation of t is monotone, so that it can be inverted, and needs no resampling.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def skewness_of(squares: Floats, cubes: Floats, count: Floats | int) -> Floats:
    """Skewness of values by the square root of their number, from sums over their deviations from the mean.

    Args:
        squares: sum of squared deviations.
        cubes: sum of cubed deviations.
        count: of values, at least three.
    """
    third = cubes * count / ((count - 1) * (count - 2))
    spread = np.power(squares / (count - 1), 1.5) * np.sqrt(count)
    return np.asarray(np.divide(third, spread, out=np.zeros_like(third), where=spread > 0))


def without_skewness(t: Floats, skewness: Floats) -> Floats:
    """The transformed t, whose distribution is close to Student's.

    Args:
        t: mean by its standard error.
        skewness: see `skewness_of`.
    """
    step = skewness * t
    return t * (1 + step / 3 + step * step / 27) + skewness / 6


def with_skewness(t: Floats | float, skewness: Floats) -> Floats:
    """The t whose transformation is the one given: the inverse of `without_skewness`."""
    slope = np.where(np.abs(skewness) > 1e-6, skewness, 1.0)
    found = 3 / slope * (np.cbrt(1 + slope * (t - slope / 6)) - 1)
    return np.asarray(np.where(np.abs(skewness) > 1e-6, found, t))
