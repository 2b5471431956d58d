"""Groups compared beside covariates: analysis of covariance, and family-wise p-values by permutation.

Groups and covariates stand in one linear model of the values themselves. Ranks would not do: a line in age is no line
in ranks of age where the groups differ in age, and the bend is then taken for a difference of the groups.
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.draws import generator

Floats = NDArray[np.float64]
Labels = NDArray[np.int_]

MINIMUM_FREE = 5
"""Residual degrees of freedom of a test."""

FAR_APART = 1.0
"""Standard deviations within groups by which a covariate may differ between groups without a warning."""

PERMUTATIONS_AT_ONCE = 50
ROUNDING = 1e-12
"""Sums of squares below this share of the values' own are rounding."""


def numbered(covariates: Floats | None) -> tuple[str, ...]:
    """Names of the columns of covariates that have none."""
    return () if covariates is None else tuple(f"covariate {n + 1}" for n in range(covariates.shape[1]))


def obstacle(label: Labels, covariates: Floats | None, names: Sequence[str]) -> str:
    """Why groups cannot be compared beside covariates; empty if they can, or there are none.

    Args:
        label: group of every subject.
        covariates: (subjects, c).
        names: of their columns.
    """
    if covariates is None:
        return ""
    beside, _ = _bases(label, covariates)
    free = len(label) - beside.shape[1] - len(np.unique(label)) + 1
    if free < MINIMUM_FREE:
        return f"{max(free, 0)} residual degrees of freedom are left; {MINIMUM_FREE} are needed"
    if _apart(label, covariates):
        return ""
    columns = {name: covariates[:, [column == name for column in names]] for name in dict.fromkeys(names)}
    culprits = [name for name, values in columns.items() if not _apart(label, values)]
    by = " and of ".join(culprits) if culprits else f"{' and '.join(columns)} together"
    return f"the effect of the groups cannot be told apart from that of {by}"


def far_apart(label: Labels, covariates: Floats, names: Sequence[str]) -> dict[str, float]:
    """Covariates whose group means differ by more than `FAR_APART` standard deviations within groups, and how far."""
    kinds = np.unique(label)
    found: dict[str, float] = {}
    for name, column in zip(names, covariates.T, strict=True):
        means = np.array([column[label == kind].mean() for kind in kinds])
        within = math.sqrt(
            sum(((column[label == kind] - column[label == kind].mean()) ** 2).sum() for kind in kinds)
        )
        deviation = within / math.sqrt(max(len(label) - len(kinds), 1))
        apart = max((abs(one - other) for one, other in combinations(means, 2)), default=0.0)
        if deviation > 0 and apart / deviation > FAR_APART:
            found[name] = max(found.get(name, 0.0), float(apart / deviation))
    return found


def partial_f(values: Floats, label: Labels, covariates: Floats | None) -> float:
    """F of the groups beside the covariates, of values (subjects,); infinite if nothing varies within groups."""
    return float(_f(values[:, None], *(basis[None] for basis in _bases(label, covariates)))[0, 0])


def f_p_value(statistic: float | Floats, label: Labels, covariates: Floats | None) -> float:
    """The p-value of F by its distribution."""
    return float(_p_values(np.asarray(statistic), *_bases(label, covariates)))


def adjusted_values(values: Floats, label: Labels, covariates: Floats | None) -> Floats:
    """Values, (subjects,), less what the covariates explain of them within groups."""
    if covariates is None:
        return values
    dummies = (label[:, None] == np.unique(label)).astype(np.float64)
    scaled = _scaled(covariates)
    weights, *_ = np.linalg.lstsq(np.hstack([dummies, scaled]), values, rcond=None)
    return np.asarray(values - scaled @ weights[dummies.shape[1] :])


def family_wise_p(
    values: Floats, label: Labels, covariates: Floats | None, *, permutations: int, seed: int
) -> Floats:
    """Probability of a p-value so small in any column under permutation; NaN without permutations, (columns,).

    The residuals on the covariates are permuted (Freedman and Lane), in all columns by the same order of the subjects;
    columns that lack subjects keep this order among those that they have. Without covariates, of ranks.

    Args:
        values: (subjects, columns), NaN where there is none.
        label: group of every subject.
        covariates: (subjects, c).
        permutations: how many.
        seed: of these.
    """
    if not permutations or not values.shape[1]:
        return np.full(values.shape[1], math.nan)
    order = generator(seed, "groups").random((permutations, len(values)))
    observed = np.ones(values.shape[1])
    smallest = np.ones(permutations)
    known = ~np.isnan(values)
    for pattern in np.unique(known, axis=1).T:
        columns = np.flatnonzero((known == pattern[:, None]).all(axis=0))
        beside, of_groups = _bases(label[pattern], None if covariates is None else covariates[pattern])
        compared = values[np.ix_(pattern, columns)]
        compared = stats.rankdata(compared, axis=0) if covariates is None else compared
        observed[columns] = _p_values(_f(compared, beside[None], of_groups[None]), beside, of_groups)[0]
        residuals = compared - beside @ (beside.T @ compared)
        for start in range(0, permutations, PERMUTATIONS_AT_ONCE):
            some = slice(start, start + PERMUTATIONS_AT_ONCE)
            drawn = np.argsort(
                order[some][:, pattern], axis=1
            )  # permuting the model's rows permutes the residuals
            p = _p_values(_f(residuals, beside[drawn], of_groups[drawn]), beside, of_groups)
            smallest[some] = np.minimum(smallest[some], p.min(axis=1))
    as_small = (smallest[:, None] <= observed * (1 + 1e-9)).sum(axis=0)
    return np.asarray((1 + as_small) / (1 + permutations))


def unexplained(values: Floats, label: Labels, covariates: Floats | None) -> NDArray[np.bool_]:
    """Whether anything of values (subjects, columns) varies within groups beside the covariates, (columns,)."""
    centered = values - values.mean(axis=0)
    for basis in _bases(label, covariates):
        centered = centered - basis @ (basis.T @ centered)
    return np.asarray(
        (centered**2).sum(axis=0) > ROUNDING * ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    )


def _apart(label: Labels, covariates: Floats) -> bool:
    """Whether the groups add all their dimensions to those of the covariates."""
    return bool(_bases(label, covariates)[1].shape[1] == len(np.unique(label)) - 1)


def _scaled(covariates: Floats) -> Floats:
    centered = covariates - covariates.mean(axis=0)
    deviation = centered.std(axis=0)
    return np.asarray(centered / np.where(deviation > 0, deviation, 1))


def _bases(label: Labels, covariates: Floats | None) -> tuple[Floats, Floats]:
    """Orthonormal bases of mean and covariates, and of what groups add to them: (subjects, dimensions) each."""
    ones = np.ones((len(label), 1))
    beside = _basis(ones if covariates is None else np.hstack([ones, _scaled(covariates)]))
    dummies = (label[:, None] == np.unique(label)).astype(np.float64)
    return beside, _basis(dummies - beside @ (beside.T @ dummies))


def _basis(columns: Floats) -> Floats:
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, singular > 1e-6 * math.sqrt(len(columns))])


def _f(values: Floats, beside: Floats, of_groups: Floats) -> Floats:
    """F, (n, columns), of values (subjects, columns) in models whose bases are (n, subjects, dimensions).

    Where neither groups nor residuals vary by more than rounding, F is 0.
    """
    subjects = len(values)
    centered = values - values.mean(axis=0)  # the models hold the mean
    between = ((of_groups.transpose(0, 2, 1) @ centered) ** 2).sum(axis=1)
    explained = ((beside.transpose(0, 2, 1) @ centered) ** 2).sum(axis=1)
    total = (centered**2).sum(axis=0)
    within = total - explained - between
    free = subjects - beside.shape[2] - of_groups.shape[2]
    scaled = between / of_groups.shape[2] * free
    nothing = np.where(between > ROUNDING * total, np.inf, 0.0)
    return np.asarray(np.divide(scaled, within, out=nothing, where=within > ROUNDING * total))


def _p_values(statistic: Floats, beside: Floats, of_groups: Floats) -> Floats:
    groups = of_groups.shape[1]
    return np.asarray(stats.f.sf(statistic, groups, len(beside) - beside.shape[1] - groups))
