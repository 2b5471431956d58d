"""The smallest effect over subjects that `simultaneous` shows."""

import functools
import math

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from stratacam.evidence.draws import generator
from stratacam.evidence.inference.simultaneous import MINIMUM_SUBJECTS, simultaneous

POWER = 0.8

COLUMNS_DRAWN = 400
"""In all: another seed changes the power by about one percentage point."""

MINIMUM_SAMPLES = 30


@functools.cache
def smallest_effect(subjects: int, columns: int, *, power: float = POWER) -> float | None:
    """The mean over subjects, in standard deviations between them, whose lower bound is above 0 with some power.

    By simulation of normal values. All columns (layers and methods) are taken to be independent, which is the hardest
    case: where they resemble each other, a smaller effect is shown.

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
    random = generator(0, "power")
    reaches = []
    for sample in range(max(MINIMUM_SAMPLES, math.ceil(COLUMNS_DRAWN / columns))):
        found = simultaneous(random.normal(size=(subjects, columns)), null=None, seed=sample)
        reaches.append(found.mean - found.low)
    reach = np.concatenate(reaches)

    # of normal values, the mean does not depend on how far its bound reaches down
    def missing(effect: float) -> float:
        return float(stats.norm.cdf((reach - effect) * math.sqrt(subjects)).mean()) - (1 - power)

    return float(brentq(missing, 0.0, reach.max() + 5 / math.sqrt(subjects)))
