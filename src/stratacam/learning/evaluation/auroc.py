"""Area under the ROC curve of subjects: one group against the rest, the mean over groups, and differences.

The area is the share of pairs, one subject of the group and one of the rest, in which the first has the higher
probability of the group; a tie counts one half (Mann and Whitney).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import brentq

from stratacam.learning.evaluation.intervals import (
    ERROR,
    Floats,
    Integers,
    Interval,
    Z,
    combine,
    within,
)

PRIOR_SUBJECTS = 20
"""Weight of the variance that is expected of an area, in subjects of the smaller group, beside the observed one."""


@dataclass(frozen=True)
class Areas:
    """The areas of the groups that can be compared with others.

    Attributes:
        classes: positions of the groups, (k,).
        values: (k,).
        limits: (k, 2) 95 % interval of each.
        influence: (k, subjects) how much each subject moves the area (DeLong et al. 1988).
    """

    classes: Integers
    values: Floats
    limits: Floats
    influence: Floats

    def interval(self, place: int, widen: float = 1.0) -> Interval:
        """The interval of one group's area."""
        return within(combine(self.values[[place]], self.limits[[place]], [1.0], widen=widen), 0, 1)


def area(scores: Floats, positive: npt.NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of scores, (n,).

    Example:
        >>> area(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, True, False, True]))
        0.875
    """
    return float(_placements(scores[positive], scores[~positive]).mean())


def areas(label: Integers, probabilities: Floats) -> Areas:
    """Return the area of every group that has subjects and is not alone, by its probability.

    Args:
        label: (subjects,).
        probabilities: (subjects, classes).
    """
    of_class = np.bincount(label, minlength=probabilities.shape[1])
    classes = np.flatnonzero((of_class > 0) & (of_class < len(label)))
    values, limits, influences = [], [], []
    for number in classes:
        positive = label == number
        scores = probabilities[:, number]
        influence = np.empty(len(label))
        influence[positive] = _placements(scores[positive], scores[~positive])
        influence[~positive] = 1 - _placements(scores[~positive], scores[positive])
        value = float(influence[positive].mean())
        influence = (influence - value) / np.where(positive, positive.sum(), (~positive).sum())
        values.append(value)
        limits.append(
            area_interval(value, int(positive.sum()), int((~positive).sum()), float(influence @ influence))
        )
        influences.append(influence)
    return Areas(
        classes,
        np.array(values),
        np.array(limits).reshape(-1, 2),
        np.array(influences).reshape(-1, len(label)),
    )


def area_interval(value: float, positives: int, negatives: int, observed: float) -> Interval:
    """Return the 95 % interval of an area.

    R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2"
    (2006), method 5: the areas at which the value is 1.96 standard errors away, by the variance of J. A. Hanley and
    B. J. McNeil (1982) with the mean of the two numbers of subjects in place of each. The distances are then scaled
    towards the observed variance, the more so the more subjects there are. At 0 and 1 the interval ends no nearer than
    where complete separation has a probability of 2.5 %, which counts with up to four subjects of each.

    Args:
        value: the area.
        positives: subjects of the group.
        negatives: subjects of the rest.
        observed: variance of the value by DeLong et al. (1988).
    """
    mean = (positives + negatives) / 2 - 1

    def variance(at: float) -> float:
        spread = 1 + mean * (1 - at) / (2 - at) + mean * at / (1 + at)
        return at * (1 - at) * spread / (positives * negatives)

    def excess(at: float) -> float:
        return float((at - value) ** 2 - Z**2 * variance(at))

    inside = min(
        max(value, 1e-9), 1 - 1e-9
    )  # at 0 and 1 the variance vanishes, so that they solve the equation too
    low = float(brentq(excess, 0, inside)) if value > 0 else 0.0
    high = float(brentq(excess, inside, 1)) if value < 1 else 1.0
    expected, fewer = variance(min(max(value, 0.001), 0.999)), min(positives, negatives)
    ratio = observed / expected if observed > 0 else 1.0
    scale = np.sqrt((PRIOR_SUBJECTS + fewer * ratio) / (PRIOR_SUBJECTS + fewer))
    low, high = value - scale * (value - low), value + scale * (high - value)
    if value in (0, 1):
        reach = _area_that_separates(positives, negatives)
        low, high = (min(low, reach), 1.0) if value == 1 else (0.0, max(high, 1 - reach))
    return within((low, high), 0, 1)


@lru_cache(maxsize=1024)
def _area_that_separates(positives: int, negatives: int) -> float:
    """Return the area at which all of the group come before all of the rest in 2.5 % of studies.

    By E. L. Lehmann's alternatives (1953): of those that are left, the next is one of the group with odds of
    area / (1 - area) for each. Whether one counts from the top or from the bottom matters; the smaller area is taken.
    """

    def probability(at: float, first: int, second: int) -> float:
        weight = at / (1 - at) * np.arange(1, first + 1)
        return float(np.prod(weight / (weight + second)))

    def reach(first: int, second: int) -> float:
        return float(brentq(lambda at: probability(at, first, second) - ERROR / 2, 1e-9, 1 - 1e-9))

    return min(reach(positives, negatives), reach(negatives, positives))


def mean_interval(found: Areas, widen: float = 1.0) -> Interval:
    """Return the 95 % interval of the mean area over groups."""
    groups = len(found.values)
    # two groups have one curve; the correlations of more are estimated, hence Student's quantile
    quantile = _student(found, groups) if groups > 2 else Z
    return within(_combined(found, np.full(groups, 1 / groups), quantile, widen), 0, 1)


def difference_interval(first: Areas, second: Areas, widen: float = 1.0) -> Interval:
    """Return the 95 % interval of the difference of two mean areas of the same subjects, first minus second."""
    groups = len(first.values)
    both = Areas(
        first.classes,
        np.concatenate([first.values, second.values]),
        np.concatenate([first.limits, second.limits]),
        np.concatenate([first.influence, second.influence]),
    )
    weights = np.repeat([1 / groups, -1 / groups], groups)
    return within(_combined(both, weights, _student(both, groups), widen), -1, 1)


def _student(found: Areas, groups: int) -> float:
    return float(stats.t.isf(ERROR / 2, max(found.influence.shape[1] - groups, 1)))


def _combined(found: Areas, weights: Floats, quantile: float, widen: float) -> Interval:
    """Combine areas of the same subjects with their correlations."""
    covariance = found.influence @ found.influence.T
    deviation = np.sqrt(np.diagonal(covariance))
    product = np.outer(deviation, deviation)
    # an area without observed variance: the correlation that makes the interval wider
    unknown = np.outer(weights, weights) > 0
    correlation = np.where(product > 0, covariance / np.where(product > 0, product, 1), unknown)
    np.fill_diagonal(correlation, 1)
    return combine(
        found.values,
        found.limits,
        weights,
        correlation=correlation,
        quantile=quantile,
        widen=widen,
    )


def _placements(scores: Floats, others: Floats) -> Floats:
    """Return for each score the share of the others that it exceeds, ties counted one half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    return np.asarray((below + not_above) / 2 / len(others))
