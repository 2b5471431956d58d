"""How alike the maps of the subjects of one group are, region by region, and how much more than those of others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.measures import Kind, Measure, Need, Panel

Floats = NDArray[np.float64]

GROUP_LIKENESS = Measure(
    name="group_likeness",
    title="likeness within groups",
    definition="mean rank correlation of a subject's heat over regions with that of each other subject of its group",
    panel=Panel(limits=(-0.55, 1.02)),
)
GROUP_CONTRAST = Measure(
    name="group_contrast",
    title="likeness within less between groups",
    definition="`group_likeness` less the mean rank correlation with each subject of the other groups",
    held_against="permutations of the groups",
)


def group_likeness(means: Floats, groups: Sequence[str]) -> dict[Measure, Floats]:
    """How alike each subject is to the others of its group, and how much more than to those of other groups.

    Args:
        means: (subjects, regions), mean heat; NaN where a subject lacks a region.
        groups: of the subjects; "" for none.

    Returns:
        By measure, (subjects,); NaN for the only subject of a group, without other groups, for fewer than three
        regions, and for constant values.
    """
    within, between = likeness_to_groups(region_scores(means), memberships(groups))
    return {GROUP_LIKENESS: within, GROUP_CONTRAST: within - between}


def memberships(groups: Sequence[str]) -> Floats:
    """(subjects, groups), 1 where a subject is of a group."""
    names = sorted({group for group in groups if group})
    return np.array([[float(group == name) for name in names] for group in groups]).reshape(len(groups), -1)


def region_scores(means: Floats) -> Floats:
    """Ranks of the regions within each subject, of mean 0 and length 1, so that products are Spearman's correlations.

    Args:
        means: (..., subjects, regions), NaN where a subject lacks a region.

    Returns:
        The same shape; 0 where there is no region, and for fewer than three regions or constant values.
    """
    known = ~np.isnan(means)
    ranks = stats.rankdata(np.where(known, means, np.inf), axis=-1)
    count = known.sum(axis=-1, keepdims=True)
    centred = np.where(known, ranks - (count + 1) / 2, 0)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=(length > 0) & (count > 2))


def likeness_to_groups(scores: Floats, member: Floats) -> tuple[Floats, Floats]:
    """Mean rank correlation of every subject with the others of its group, and with the subjects of other groups.

    Pairs are averaged, not held against the group's mean: the mean of a large group is smoother, and more like
    anybody, than that of a small one.

    Args:
        scores: (..., subjects, regions), of `region_scores`.
        member: (..., subjects, groups).

    Returns:
        (..., subjects) each; NaN where there is nobody to compare with.
    """
    squares = (scores**2).sum(axis=-1)
    mine = (squares > 0)[..., None] * member  # a subject without a map is compared with nobody
    products = scores @ (np.swapaxes(mine, -1, -2) @ scores).swapaxes(-1, -2)
    others = mine.sum(axis=-2, keepdims=True) * np.ones_like(products)
    same, all_of_it = (products * mine).sum(axis=-1), products.sum(axis=-1)
    count, total = (others * mine).sum(axis=-1), others.sum(axis=-1)
    grouped = mine.sum(axis=-1) > 0
    return (
        _ratio(same - squares, count - 1, grouped & (count > 1)),
        _ratio(all_of_it - same, total - count, grouped & (total > count)),
    )


def _ratio(totals: Floats, counts: Floats, defined: NDArray[np.bool_]) -> Floats:
    return np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=defined)


KIND = Kind(
    name="group likeness",
    question="how alike maps within a group are (no place in MNI152 space, or no two subjects of a group)",
    needs=Need.REGIONS,
    measures=(GROUP_LIKENESS, GROUP_CONTRAST),
    of_subjects=group_likeness,
)
