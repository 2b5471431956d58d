"""95 % intervals of associations: from the noncentral distribution of their test, or from Fisher's z.

M. Smithson, "Confidence intervals" (2003): the noncentralities at which the observed statistic is the 97.5 % and the
2.5 % point of its distribution. An observed value below nearly all that chance gives would leave no noncentrality, so
the upper one is where its probability is 2.5 % of that without any association (A. L. Read, "Presentation of search
results: the CLs technique", 2002): little association in few subjects does not show that there is none.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

from stratacam.learning.evaluation.intervals import Interval

TAIL = 0.025


def ratio_interval(value: float, subjects: int, groups: int) -> Interval | None:
    """Interval of a correlation ratio, from the noncentral F distribution; None where no degree of freedom is left.

    Args:
        value: square root of the share of variance between the groups.
        subjects: number of subjects.
        groups: number of groups.
    """
    between, within = groups - 1, subjects - groups
    if within < 1:
        return None
    share = min(max(value**2, 1e-6), 0.999)  # beyond, the distribution cannot be computed
    observed = share / (1 - share) * within / between
    low, high = _noncentralities(lambda nc: float(stats.ncf.cdf(observed, between, within, nc)), subjects)
    return math.sqrt(low / (low + subjects)), max(value, math.sqrt(high / (high + subjects)))


def cramers_v_interval(value: float, subjects: int, rows: int, columns: int) -> Interval | None:
    """Interval of Cramér's V, from the noncentral chi-squared distribution; None for a table of one row or column.

    Args:
        value: of the table.
        subjects: number of subjects in it.
        rows: number of its rows.
        columns: number of its columns.
    """
    smaller, freedom = min(rows, columns) - 1, (rows - 1) * (columns - 1)
    if smaller < 1:
        return None
    observed = max(value**2, 1e-6) * subjects * smaller
    low, high = _noncentralities(lambda nc: float(stats.ncx2.cdf(observed, freedom, nc)), subjects)
    ends = [min(1.0, math.sqrt(one / (subjects * smaller))) for one in (low, high)]
    return ends[0], max(value, ends[1])


def correlation_interval(value: float, subjects: int) -> Interval | None:
    """Interval of the size of a correlation, by Fisher's z; None for fewer than 5 subjects.

    Example:
        >>> [round(end, 2) for end in correlation_interval(0.5, 28)]
        [0.16, 0.74]
    """
    if subjects < 5:
        return None
    half = stats.norm.ppf(1 - TAIL) / math.sqrt(subjects - 3)
    middle = math.atanh(min(value, 1 - 1e-9))
    return max(0.0, math.tanh(middle - half)), math.tanh(middle + half)


def _noncentralities(distribution: Callable[[float], float], subjects: int) -> Interval:
    """The noncentralities at which the observed value is the 97.5 % point (0 if none), and 2.5 % as likely as at 0."""
    largest, without = 1e4 * subjects, distribution(1e-9)

    def at(share: float) -> float:
        if distribution(1e-9) <= share:
            return 0.0
        high = 1.0
        while high < largest and np.nan_to_num(distribution(high)) > share:
            high *= 2
        return float(optimize.brentq(lambda nc: np.nan_to_num(distribution(nc)) - share, 1e-9, high))

    return at(1 - TAIL), at(TAIL * without)
