"""The smallest effect over subjects that `simultaneous` shows."""

import math

from scipy import stats
from scipy.optimize import brentq

from stratacam.evidence.inference.means import LEVEL
from stratacam.evidence.inference.simultaneous import MINIMUM_SUBJECTS

POWER = 0.8


def smallest_effect(subjects: int, columns: int, *, power: float = POWER) -> float | None:
    """The mean over subjects, in standard deviations between them, whose lower bound is above 0 with some power.

    All columns (layers and methods) are taken to be independent, which is the hardest case: where they resemble each
    other, a smaller effect is shown.

    Args:
        subjects: with a value.
        columns: means that are bounded together.
        power: probability that one column with this effect is shown.

    Returns:
        The effect; None where there are too few subjects for any verdict.

    Example:
        >>> smallest_effect(38, 18) < smallest_effect(20, 18), smallest_effect(9, 18)
        (True, None)
    """
    if subjects < MINIMUM_SUBJECTS:
        return None
    limit = float(stats.t.ppf((1 - LEVEL) ** (1 / columns), subjects - 1))

    def missing(effect: float) -> float:
        return float(stats.nct.cdf(limit, subjects - 1, effect * math.sqrt(subjects))) - (1 - power)

    return float(brentq(missing, 0.0, 5.0 * (limit + 1) / math.sqrt(subjects)))
