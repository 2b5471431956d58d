"""Groups compared beside covariates: analysis of covariance of ranks, and family-wise p-values by permutation.

Quade's test of residuals that were taken without regard to the groups loses half its power where the covariates differ
between the groups: they explain away what is the groups'. Here groups and covariates stand in one model.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.draws import generator

Floats = NDArray[np.float64]
Labels = NDArray[np.int_]

PERMUTATIONS_AT_ONCE = 50


def partial_f(ranks: Floats, label: Labels, covariates: Floats | None) -> float:
    """F of the groups beside the covariates, of values that are ranks, (subjects,)."""
    beside, of_groups = _bases(label, covariates)
    return float(
        _f(ranks[:, None] - beside @ (beside.T @ ranks[:, None]), beside[None], of_groups[None])[0, 0]
    )


def f_p_value(statistic: float | Floats, label: Labels, covariates: Floats | None) -> float:
    """The p-value of F by its distribution."""
    return float(_p_values(np.asarray(statistic), *_bases(label, covariates)))


def adjusted_values(values: Floats, label: Labels, covariates: Floats | None) -> Floats:
    """Values, (subjects,), less what the covariates' ranks explain of them within groups."""
    if covariates is None:
        return values
    dummies = (label[:, None] == np.unique(label)).astype(np.float64)
    ranked = _ranked(covariates)
    weights, *_ = np.linalg.lstsq(np.hstack([dummies, ranked]), values, rcond=None)
    return np.asarray(values - ranked @ weights[dummies.shape[1] :])


def family_wise_p(
    values: Floats, label: Labels, covariates: Floats | None, *, permutations: int, seed: int
) -> Floats:
    """Probability of a p-value so small in any column under permutation; NaN without permutations, (columns,).

    The residuals of the ranks on the covariates are permuted (Freedman and Lane), in all columns by the same order of
    the subjects; columns that lack subjects keep this order among those that they have.

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
        ranks = stats.rankdata(values[np.ix_(pattern, columns)], axis=0)
        residuals = ranks - beside @ (beside.T @ ranks)
        observed[columns] = _p_values(_f(residuals, beside[None], of_groups[None]), beside, of_groups)[0]
        for start in range(0, permutations, PERMUTATIONS_AT_ONCE):
            some = slice(start, start + PERMUTATIONS_AT_ONCE)
            drawn = np.argsort(
                order[some][:, pattern], axis=1
            )  # permuting the model's rows permutes the residuals
            p = _p_values(_f(residuals, beside[drawn], of_groups[drawn]), beside, of_groups)
            smallest[some] = np.minimum(smallest[some], p.min(axis=1))
    as_small = (smallest[:, None] <= observed * (1 + 1e-9)).sum(axis=0)
    return np.asarray((1 + as_small) / (1 + permutations))


def _ranked(covariates: Floats) -> Floats:
    ranks = stats.rankdata(covariates, axis=0)
    return np.asarray(ranks - ranks.mean(axis=0))


def _bases(label: Labels, covariates: Floats | None) -> tuple[Floats, Floats]:
    """Orthonormal bases of mean and covariates, and of what groups add to them: (subjects, dimensions) each."""
    ones = np.ones((len(label), 1))
    beside = _basis(ones if covariates is None else np.hstack([ones, _ranked(covariates)]))
    dummies = (label[:, None] == np.unique(label)).astype(np.float64)
    return beside, _basis(dummies - beside @ (beside.T @ dummies))


def _basis(columns: Floats) -> Floats:
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, singular > 1e-9 * math.sqrt(len(columns))])


def _f(residuals: Floats, beside: Floats, of_groups: Floats) -> Floats:
    """F, (n, columns), of residuals (subjects, columns) in models whose bases are (n, subjects, dimensions)."""
    subjects = len(residuals)
    between = ((of_groups.transpose(0, 2, 1) @ residuals) ** 2).sum(axis=1)
    explained = ((beside.transpose(0, 2, 1) @ residuals) ** 2).sum(axis=1)
    within = (residuals**2).sum(axis=0) - explained - between
    free = subjects - beside.shape[2] - of_groups.shape[2]
    scaled = between / of_groups.shape[2] * free
    varies = within > 1e-9 * subjects
    return np.asarray(np.divide(scaled, within, out=np.full_like(scaled, np.inf), where=varies))


def _p_values(statistic: Floats, beside: Floats, of_groups: Floats) -> Floats:
    groups = of_groups.shape[1]
    return np.asarray(stats.f.sf(statistic, groups, len(beside) - beside.shape[1] - groups))
