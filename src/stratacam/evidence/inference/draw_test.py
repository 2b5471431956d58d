"""One observation among draws of a null hypothesis under which it is as likely as any of them: an exact rank test."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class DrawTest(NamedTuple):
    """The observation among the draws.

    Attributes:
        above: (tests,), by how many standard deviations the observation is above the mean of all.
        p: (tests,), two-sided and family-wise over the tests; 1 where nothing was observed.
    """

    above: Floats
    p: Floats


def draw_test(statistics: Floats) -> DrawTest:
    """Rank the observation by the largest standardised statistic.

    Every test is standardised over all draws, the observation among them, so that all are treated alike and the rank
    is exact for any number of draws. With fewer than 19 draws no p-value is below 0.05.

    Args:
        statistics: (1 + draws, tests), the observation first; NaN where there is none.

    Source: P. Westfall, S. Young, "Resampling-based multiple testing" (1993), single-step max-T.
    """
    known = ~np.isnan(statistics)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, statistics - np.where(known, statistics, 0).sum(axis=0) / count, 0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    largest = np.abs(np.where(known, statistics, 0)).max(axis=0, initial=0)
    varies = spread > 1e-9 * largest
    standardised = np.divide(centred, spread, out=np.zeros_like(centred), where=varies)
    highest = np.abs(standardised).max(axis=1, initial=0)
    reached = highest[:, None] >= np.abs(standardised[0]) - 1e-9
    return DrawTest(standardised[0], np.where(known[0], reached.mean(axis=0), 1.0))
