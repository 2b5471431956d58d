"""One test over all variables: the smallest permutation p-value, of kinds that have shares of the error rate.

Westfall and Young's minP (1993), whose p-values hold for all variables together, however they depend on each other;
weighted over the kinds after Genovese, Roeder and Wasserman (2006). Exact, as the observed outcome is one of the draws.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from stratacam.learning.confounds.variables import SHARES, Kind
from stratacam.learning.evaluation.intervals import Floats

LEVEL = 0.05


class FamilyWise(NamedTuple):
    """Of every variable, the family-wise p-value, and the smallest statistic with one of at most 5 %.

    The latter is NaN where no statistic is large enough: with few subjects, no permutation is rare enough.
    """

    p: Floats
    smallest: Floats


def family_wise(statistics: Floats, kinds: Sequence[Kind]) -> FamilyWise:
    """Family-wise p-values of the first draw.

    Args:
        statistics: (draws, variables), the observed ones first; large ones count against the null hypothesis.
        kinds: of the variables.
    """
    draws = len(statistics)
    single = _share_at_most(-np.round(statistics, 9))  # the p-value of every draw, by variable
    names = tuple(dict.fromkeys(kinds))
    smallest_of = np.column_stack(
        [single[:, [one == name for one in kinds]].min(axis=1) for name in names]
    )  # (draws, kinds)
    share = np.array([SHARES[name] for name in names])
    together = (_share_at_most(smallest_of) / share).min(axis=1)
    place = np.array([names.index(one) for one in kinds])
    # of every variable and draw: its p-value among its kind, then among all
    ordered, of_kind = np.sort(together), np.sort(smallest_of, axis=0)

    def adjusted(p_value: Floats, variable: int) -> Floats:
        among = np.searchsorted(of_kind[:, place[variable]], p_value, side="right") / draws
        return np.asarray(np.searchsorted(ordered, among / share[place[variable]], side="right") / draws)

    columns = [adjusted(single[:, number], number) for number in range(len(kinds))]
    p = np.array([column[0] for column in columns])
    smallest = np.array(
        [
            statistics[column <= LEVEL, number].min() if (column <= LEVEL).any() else np.nan
            for number, column in enumerate(columns)
        ]
    )
    return FamilyWise(p, smallest)


def _share_at_most(values: Floats) -> Floats:
    """Of every value, the share of its column that is at most as large."""
    return np.asarray(stats.rankdata(values, method="max", axis=0) / len(values))
