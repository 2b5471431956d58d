"""Groups compared region by region: rank tests, effect sizes, and p-values that know how many tests there were."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.inference import MINIMUM_SUBJECTS
from stratacam.evidence.regions.rank_ancova import adjusted_values, f_p_value, family_wise_p, partial_f

Floats = NDArray[np.float64]

ALL = "all"
KRUSKAL_WALLIS, RANK_ANCOVA, MANN_WHITNEY = "Kruskal-Wallis", "rank ANCOVA", "Mann-Whitney"
MINIMUM_OF_GROUP = 2
"""Subjects of a group in a test; all its groups together have at least `MINIMUM_SUBJECTS`."""

PERMUTATIONS = 1000


@dataclass(frozen=True)
class GroupTest:
    """One test.

    Attributes:
        column: which of the values was tested.
        groups: "all", or the two compared, such as "SPMS - control".
        test: "Kruskal-Wallis", "rank ANCOVA" or "Mann-Whitney".
        statistic: H, F or U.
        p: of this test alone.
        subjects: how many had a value.
        q: after Benjamini and Hochberg, over all tests of its kind ("all", or pairs).
        family_wise: of "all": probability of so large a statistic anywhere, by permutation; NaN for pairs.
        effect: of pairs, Cliff's delta, of the values less what the covariates explain within groups: the share of
            pairs of subjects in which the first group is higher less that in which it is lower; of "all", NaN.
    """

    column: int
    groups: str
    test: str
    statistic: float
    p: float
    subjects: int
    q: float = math.nan
    family_wise: float = math.nan
    effect: float = math.nan


@dataclass(frozen=True)
class Comparison:
    """All tests, and a sentence on how they were made."""

    tests: tuple[GroupTest, ...]
    statement: str


def compare_groups(
    values: Floats,
    groups: Sequence[str],
    *,
    covariates: Floats | None = None,
    covariate_names: Sequence[str] = (),
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Comparison:
    """Compare groups in every column.

    Over all groups the Kruskal-Wallis test, and pairs of groups by the Mann-Whitney test. With covariates the analysis
    of covariance of ranks: values and covariates are ranked, and the groups' share is tested beside the covariates' (W.
    Conover, R. Iman, "Analysis of covariance using the rank transformation", 1982); pairs likewise, among their own
    subjects. Family-wise p-values permute the residuals on the covariates, of all columns at once (D. Freedman, D.
    Lane, 1983), and take the smallest p-value of all columns. Tests of fewer than ten subjects are left out: p-values
    by a distribution do not hold for them, and by permutation cannot be small.

    Args:
        values: (subjects, columns), NaN where there is none; such subjects are left out of that column's test.
        groups: of the subjects.
        covariates: (subjects, c), without NaN.
        covariate_names: for the statement.
        permutations: for the family-wise p-value; 0: none.
        seed: of these.
    """
    names = sorted(set(groups))
    label = np.array([names.index(group) for group in groups])
    usable = [column for column in range(values.shape[1]) if _usable(values[:, column], label, covariates)]
    family_wise = family_wise_p(
        values[:, usable], label, covariates, permutations=permutations, seed=seed
    ).tolist()
    over_all, pairs = [], []
    for column, together in zip(usable, family_wise, strict=True):
        known = ~np.isnan(values[:, column])
        beside = None if covariates is None else covariates[known]
        test = _test(values[known, column], label[known], beside)
        over_all.append(GroupTest(column, ALL, *test, subjects=int(known.sum()), family_wise=together))
        adjusted = adjusted_values(values[known, column], label[known], beside)
        for first, second in combinations(range(len(names)), 2):
            both = known & ((label == first) | (label == second))
            if both.sum() < MINIMUM_SUBJECTS:
                continue
            beside = None if covariates is None else covariates[both]
            delta = _cliffs_delta(*(adjusted[label[known] == group] for group in (first, second)))
            test = _test(values[both, column], label[both], beside)
            pair = f"{names[first]} - {names[second]}"
            pairs.append(GroupTest(column, pair, *test, subjects=int(both.sum()), effect=delta))
    counts = ", ".join(f"{list(groups).count(name)} {name}" for name in names)
    beside_words = f", beside {' and '.join(covariate_names)}" if covariate_names else ""
    left_out = values.shape[1] - len(usable)
    missing = (
        f"; {left_out} were left out, as fewer than {MINIMUM_SUBJECTS} subjects, or fewer than {MINIMUM_OF_GROUP} of a "
        "group, had a value, or nothing varied"
    )
    permuted = f"; family-wise p-values by {permutations} permutations"
    kind = KRUSKAL_WALLIS if covariates is None else RANK_ANCOVA
    statement = (
        f"{len(groups)} subjects ({counts}); {kind} tests of {len(usable)} of {values.shape[1]} columns (class "
        f"explained, method, layer, region){beside_words}{missing if left_out else ''}; pairs of groups with at least "
        f"{MINIMUM_SUBJECTS} subjects. q: false discovery rate over the {len(usable)} tests of all groups, and over "
        f"the {len(pairs)} of pairs, in all columns{permuted if permutations else ''}."
    )
    return Comparison((*_with_q(over_all), *_with_q(pairs)), statement)


def benjamini_hochberg(p: Floats) -> Floats:
    """q-values that keep the false discovery rate (Y. Benjamini, Y. Hochberg, 1995).

    Example:
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
        [0.03, 0.04, 0.04]
    """
    return np.asarray(stats.false_discovery_control(p)) if len(p) else p


def _usable(column: Floats, label: NDArray[np.int_], covariates: Floats | None) -> bool:
    """Whether there are enough subjects, something varies, and residuals are left beside the covariates."""
    known = ~np.isnan(column)
    counts = np.bincount(label[known], minlength=int(label.max()) + 1)
    free = known.sum() - len(counts) - (0 if covariates is None else covariates.shape[1])
    enough = known.sum() >= MINIMUM_SUBJECTS and (counts >= MINIMUM_OF_GROUP).all()
    return bool(enough and free > 0 and np.ptp(column[known]) > 0)


def _test(values: Floats, label: NDArray[np.int_], covariates: Floats | None) -> tuple[str, float, float]:
    """Name, statistic and p-value of the test of two or more groups."""
    parts = [values[label == group] for group in np.unique(label)]
    if covariates is not None:
        statistic = partial_f(stats.rankdata(values), label, covariates)
        return RANK_ANCOVA, statistic, f_p_value(statistic, label, covariates)
    if len(parts) > 2:
        test = stats.kruskal(*parts) if np.ptp(values) > 0 else None
        return KRUSKAL_WALLIS, *((float(test.statistic), float(test.pvalue)) if test else (0.0, 1.0))
    test = stats.mannwhitneyu(*parts, alternative="two-sided")
    return MANN_WHITNEY, float(test.statistic), float(test.pvalue)


def _cliffs_delta(first: Floats, second: Floats) -> float:
    return float(np.sign(first[:, None] - second).mean())


def _with_q(tests: Sequence[GroupTest]) -> list[GroupTest]:
    q = benjamini_hochberg(np.array([test.p for test in tests]))
    return [replace(test, q=value) for test, value in zip(tests, q.tolist(), strict=True)]
