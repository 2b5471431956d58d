"""Groups compared region by region: rank tests, effect sizes, and p-values that know how many tests there were."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

ALL = "all"
MINIMUM_SUBJECTS = 2
"""Subjects of a group in a test."""

PERMUTATIONS = 1000


@dataclass(frozen=True)
class GroupTest:
    """One test.

    Attributes:
        column: which of the values was tested.
        groups: "all", or the two compared, such as "SPMS - control".
        test: "Kruskal-Wallis", "Quade", or "Mann-Whitney".
        statistic: H, F or U.
        p: of this test alone.
        subjects: how many had a value.
        q: after Benjamini and Hochberg, over all tests of its kind ("all", or pairs).
        family_wise: of "all": probability of so large a statistic anywhere, by permutation; NaN for pairs.
        effect: of pairs, Cliff's delta: the share of pairs of subjects in which the first group is higher less that in
            which it is lower; of "all", NaN.
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

    Over all groups the Kruskal-Wallis test; with covariates Quade's analysis of covariance of ranks (D. Quade, "Rank
    analysis of covariance", 1967): values and covariates are ranked, and the residuals of the one on the others are
    compared by analysis of variance. Pairs of groups by the Mann-Whitney test, of the residuals where there are
    covariates. The family-wise p-value permutes the groups of the subjects in all columns at once and takes the
    largest statistic.

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
    usable = [column for column in range(values.shape[1]) if _usable(values[:, column], label, len(names))]
    adjusted = {column: _adjusted(values[:, column], covariates) for column in usable}
    scores = adjusted if covariates is not None else {column: _ranks(adjusted[column]) for column in usable}
    family_wise = _family_wise(scores, label, permutations=permutations, seed=seed)
    kind = "Quade" if covariates is not None else "Kruskal-Wallis"
    over_all, pairs = [], []
    for column in usable:
        parts = [_known(adjusted[column][label == group]) for group in range(len(names))]
        test = stats.f_oneway(*parts) if covariates is not None else stats.kruskal(*parts)
        count = sum(map(len, parts))
        over_all.append(
            GroupTest(column, ALL, kind, float(test.statistic), float(test.pvalue), subjects=count,
                      family_wise=family_wise[column])
        )  # fmt: skip
        for (one, first), (other, second) in combinations(zip(names, parts, strict=True), 2):
            test = stats.mannwhitneyu(first, second, alternative="two-sided")
            delta = float(2 * test.statistic / (len(first) * len(second)) - 1)
            pairs.append(
                GroupTest(column, f"{one} - {other}", "Mann-Whitney", float(test.statistic), float(test.pvalue),
                          subjects=len(first) + len(second), effect=delta)
            )  # fmt: skip
    counts = ", ".join(f"{list(groups).count(name)} {name}" for name in names)
    beside = f", beside {' and '.join(covariate_names)}" if covariate_names else ""
    left_out = values.shape[1] - len(usable)
    missing = (
        f"; {left_out} were left out, as a group had fewer than {MINIMUM_SUBJECTS} subjects with a value or nothing "
        "varied"
    )
    permuted = f"; family-wise p-values by {permutations} permutations of the subjects' groups"
    statement = (
        f"{len(groups)} subjects ({counts}); {kind} tests in {len(usable)} of {values.shape[1]} regions and layers"
        f"{beside}{missing if left_out else ''}. q: false discovery rate over the {len(usable)} tests of all groups, "
        f"and over the {len(pairs)} of pairs{permuted if permutations else ''}."
    )
    return Comparison((*_with_q(over_all), *_with_q(pairs)), statement)


def benjamini_hochberg(p: Floats) -> Floats:
    """q-values that keep the false discovery rate (Y. Benjamini, Y. Hochberg, 1995).

    Example:
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(3).tolist()
        [0.03, 0.04, 0.04]
    """
    return np.asarray(stats.false_discovery_control(p)) if len(p) else p


def _known(column: Floats) -> Floats:
    return np.asarray(column[~np.isnan(column)])


def _usable(column: Floats, label: NDArray[np.int_], groups: int) -> bool:
    counts = np.bincount(label[~np.isnan(column)], minlength=groups)
    return bool((counts >= MINIMUM_SUBJECTS).all() and np.ptp(_known(column)) > 0)


def _ranks(column: Floats) -> Floats:
    """Ranks of the values; NaN where there is none."""
    return np.asarray(stats.rankdata(column, nan_policy="omit"))


def _adjusted(column: Floats, covariates: Floats | None) -> Floats:
    """Values, or the residuals of their ranks on the covariates' ranks; NaN where there is no value."""
    if covariates is None:
        return column
    known = ~np.isnan(column)
    ranks = stats.rankdata(column[known])
    design = np.column_stack([np.ones(known.sum()), stats.rankdata(covariates[known], axis=0)])
    fitted, *_ = np.linalg.lstsq(design, ranks, rcond=None)
    found = np.full_like(column, np.nan)
    found[known] = ranks - design @ fitted
    return found


def _with_q(tests: Sequence[GroupTest]) -> list[GroupTest]:
    q = benjamini_hochberg(np.array([test.p for test in tests]))
    return [replace(test, q=value) for test, value in zip(tests, q.tolist(), strict=True)]


def _family_wise(
    columns: dict[int, Floats],
    label: NDArray[np.int_],
    *,
    permutations: int,
    seed: int,
) -> dict[int, float]:
    """Probability of a p-value so small in any column when groups are permuted; NaN without permutations.

    The smallest p-value is taken rather than the largest statistic, as columns may differ in their subjects.

    Args:
        columns: scores whose sums by group decide the test: ranks, or residuals of ranks; NaN where there is none.
        label: group of every subject.
        permutations: how many.
        seed: of these.
    """
    if not permutations or not columns:
        return dict.fromkeys(columns, math.nan)
    table = np.stack(list(columns.values()), axis=1)
    random = np.random.default_rng(seed)
    drawn = random.permuted(np.tile(label, (permutations, 1)), axis=1)
    smallest = np.concatenate([_p_values(table, some).min(axis=1) for some in np.array_split(drawn, 20)])
    observed = _p_values(table, label[None])[0]
    return {
        column: float((1 + (smallest <= p * (1 + 1e-9)).sum()) / (1 + permutations))
        for column, p in zip(columns, observed.tolist(), strict=True)
    }


def _p_values(table: Floats, labels: NDArray[np.int_]) -> Floats:
    """p-values (n, columns) of Kruskal and Wallis for scores (subjects, columns) under labels (n, subjects)."""
    known = ~np.isnan(table)
    scores = np.where(known, table - np.nanmean(table, axis=0), 0)
    groups = int(labels.max()) + 1
    member = (labels[:, None, :] == np.arange(groups)[:, None]).astype(np.float64)
    sums, counts = member @ scores, member @ known.astype(np.float64)
    between = np.divide(sums**2, counts, out=np.zeros_like(sums), where=counts > 0).sum(axis=1)
    statistic = (known.sum(axis=0) - 1) * between / (scores**2).sum(axis=0)
    return np.asarray(stats.chi2.sf(statistic, groups - 1))
