"""Groups compared region by region: tests, effect sizes, and p-values that know how many tests there were."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.inference import MINIMUM_SUBJECTS
from stratacam.evidence.regions.ancova import (
    FAR_APART,
    adjusted_values,
    f_p_value,
    family_wise_p,
    far_apart,
    numbered,
    obstacle,
    partial_f,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.int_]

ALL = "all"
KRUSKAL_WALLIS, ANCOVA, MANN_WHITNEY = "Kruskal-Wallis", "ANCOVA", "Mann-Whitney"
MINIMUM_OF_GROUP = 2
"""Subjects of a group in a test; all its groups together have at least `MINIMUM_SUBJECTS`."""

TOO_FEW = f"fewer than {MINIMUM_SUBJECTS} subjects, or fewer than {MINIMUM_OF_GROUP} of a group, had a value"
NOTHING_VARIED = "nothing varied"
NOTHING_WITHIN = "nothing varied within groups beside the covariates"

PERMUTATIONS = 1000


@dataclass(frozen=True)
class GroupTest:
    """One test.

    Attributes:
        column: which of the values was tested.
        groups: "all", "all but" those with fewer than two values, or the two compared, such as "SPMS - control".
        test: "Kruskal-Wallis", "ANCOVA" or "Mann-Whitney".
        statistic: H, F or U.
        p: of this test alone.
        subjects: how many had a value.
        q: after Benjamini and Hochberg, over all tests of its kind ("all", or pairs).
        family_wise: of "all": probability of so large a statistic anywhere, by permutation; NaN for pairs.
        effect: of pairs, Cliff's delta, of the values less what the covariates explain within the two: the share of
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
    of covariance, in which groups and covariates stand in one linear model; pairs likewise, among their own subjects.
    Family-wise p-values permute the residuals on the covariates, of all columns at once (D. Freedman, D. Lane, 1983; A.
    Winkler et al., NeuroImage 92, 2014), and take the smallest p-value of all columns. Tests of fewer than ten subjects
    are left out: p-values by a distribution do not hold for them, and by permutation cannot be small. So are groups of
    one subject, and groups that cannot be told apart from a covariate.

    Args:
        values: (subjects, columns), NaN where there is none; such subjects are left out of that column's test.
        groups: of the subjects.
        covariates: (subjects, c), without NaN.
        covariate_names: of their columns; several columns may have one name.
        permutations: for the family-wise p-value; 0: none.
        seed: of these.
    """
    covariate_names = covariate_names or numbered(covariates)
    names = sorted(set(groups))
    label = np.array([names.index(group) for group in groups])
    compared = np.full_like(values, math.nan)
    over_all: list[GroupTest] = []
    pairs: list[GroupTest] = []
    left_out: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for column, heat in enumerate(values.T):
        known = ~np.isnan(heat)
        enough = np.bincount(label[known], minlength=len(names)) >= MINIMUM_OF_GROUP
        among = known & enough[label]
        if len(set(heat[among])) == 1:
            left_out[NOTHING_VARIED][ALL] += 1
            continue
        small = " and ".join(name for name, many in zip(names, enough, strict=True) if not many)
        whose = f"{ALL} but {small}" if small and enough.sum() > 1 else ALL
        test = _test(heat, label, among, covariates, covariate_names)
        if isinstance(test, str):
            left_out[test][whose] += 1
        else:
            compared[among, column] = heat[among]
            over_all.append(GroupTest(column, whose, *test, subjects=int(among.sum())))
        for first, second in combinations(range(len(names)), 2):
            both = known & ((label == first) | (label == second))
            pair = f"{names[first]} - {names[second]}"
            test = _test(heat, label, both, covariates, covariate_names)
            if isinstance(test, str):
                left_out[test][pair] += 1
                continue
            adjusted = adjusted_values(heat[both], label[both], _of(covariates, both))
            delta = _cliffs_delta(*(adjusted[label[both] == group] for group in (first, second)))
            pairs.append(GroupTest(column, pair, *test, subjects=int(both.sum()), effect=delta))
    together = family_wise_p(
        compared[:, [test.column for test in over_all]],
        label,
        covariates,
        permutations=permutations,
        seed=seed,
    )
    over_all = [replace(test, family_wise=p) for test, p in zip(over_all, together.tolist(), strict=True)]
    made = (len(over_all), values.shape[1], len(pairs))
    statement = _statement(groups, made, left_out, covariate_names)
    statement += f"; family-wise p-values by {permutations} permutations." if permutations else "."
    if covariates is not None:
        statement += _caution(label, covariates, covariate_names)
    return Comparison((*_with_q(over_all), *_with_q(pairs)), statement)


def benjamini_hochberg(p: Floats) -> Floats:
    """q-values that keep the false discovery rate (Y. Benjamini, Y. Hochberg, 1995).

    Example:
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
        [0.03, 0.04, 0.04]
    """
    return np.asarray(stats.false_discovery_control(p)) if len(p) else p


def _test(
    heat: Floats, label: Labels, among: NDArray[np.bool_], covariates: Floats | None, names: Sequence[str]
) -> tuple[str, float, float] | str:
    """Name, statistic and p-value of the test of two or more groups, or why it is not made."""
    values, label, beside = heat[among], label[among], _of(covariates, among)
    kinds, counts = np.unique(label, return_counts=True)
    if len(values) < MINIMUM_SUBJECTS or len(kinds) < 2 or counts.min() < MINIMUM_OF_GROUP:
        return TOO_FEW
    if why_not := obstacle(label, beside, names):
        return why_not
    if beside is not None:
        statistic = partial_f(values, label, beside)
        if math.isinf(statistic):
            return NOTHING_WITHIN
        return ANCOVA, statistic, f_p_value(statistic, label, beside)
    parts = [values[label == kind] for kind in kinds]
    if len(parts) > 2:
        test = stats.kruskal(*parts)
        return KRUSKAL_WALLIS, float(test.statistic), float(test.pvalue)
    test = stats.mannwhitneyu(*parts, alternative="two-sided")
    alike = np.ptp(values) == 0
    return MANN_WHITNEY, float(test.statistic), 1.0 if alike else float(test.pvalue)


def _of(covariates: Floats | None, among: NDArray[np.bool_]) -> Floats | None:
    return None if covariates is None else covariates[among]


def _statement(
    groups: Sequence[str],
    made: tuple[int, int, int],
    left_out: Mapping[str, Counter[str]],
    covariate_names: Sequence[str],
) -> str:
    """What was tested beside what, what was not and why, and over which tests q-values are.

    Args:
        groups: of the subjects.
        made: tests of all groups, columns, tests of pairs.
        left_out: tests that were not made: why, and how many of whom.
        covariate_names: of their columns.
    """
    over_all, columns, pairs = made
    names = sorted(set(groups))
    counts = ", ".join(f"{list(groups).count(name)} {name}" for name in names)
    beside = " and ".join(dict.fromkeys(covariate_names))
    kind = f"{ANCOVA} beside {beside}" if beside else f"{KRUSKAL_WALLIS} and {MANN_WHITNEY} tests"
    reasons = "; ".join(
        f"{', '.join(f'{count} of {whose}' for whose, count in whom.items())}, as {why}"
        for why, whom in left_out.items()
    )
    not_made = f" Tests that were not made: {reasons}." if reasons else ""
    return (
        f"{len(groups)} subjects ({counts}); {kind}: of all groups in {over_all} of {columns} columns (class "
        f"explained, method, layer, region), and {pairs} test(s) of pairs.{not_made} q: false discovery rate over the "
        f"{over_all} tests of all groups, and over the {pairs} of pairs, in all columns"
    )


def _caution(label: Labels, covariates: Floats, names: Sequence[str]) -> str:
    """A warning of covariates that differ much between the groups that are compared."""
    compared = np.bincount(label)[label] >= MINIMUM_OF_GROUP
    found = far_apart(label[compared], covariates[compared], names)
    apart = " and ".join(f"{name} (by {far:.1f})" for name, far in found.items())
    return (
        f" Caution: group means differ by more than {FAR_APART:g} standard deviation in {apart}. There the adjustment "
        "is right only if heat follows the covariate in a straight line, the same in every group."
        if found
        else ""
    )


def _cliffs_delta(first: Floats, second: Floats) -> float:
    return float(np.sign(first[:, None] - second).mean())


def _with_q(tests: Sequence[GroupTest]) -> list[GroupTest]:
    q = benjamini_hochberg(np.array([test.p for test in tests]))
    return [replace(test, q=value) for test, value in zip(tests, q.tolist(), strict=True)]
