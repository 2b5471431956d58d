"""How alike the maps of the subjects of one group are, region by region, and how much more than those of others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.measures import SIGNED, Kind, Measure, Need, Panel

Floats = NDArray[np.float64]

GROUP_LIKENESS = Measure(
    name="group_likeness",
    title="likeness within groups",
    definition="mean rank correlation of a subject's heat over regions with that of others in its group; each pair "
    "counts for one of the two",
    panel=Panel(limits=(-0.55, 1.02)),
    limits=SIGNED,
)
GROUP_CONTRAST = Measure(
    name="group_contrast",
    title="likeness within less between groups",
    definition="`group_likeness` less the same with subjects of other groups",
    limits=(-2.0, 2.0),
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
    within, between = likeness_to_groups(region_scores(means), numbered(groups))
    return {GROUP_LIKENESS: within, GROUP_CONTRAST: within - between}


def numbered(groups: Sequence[str]) -> NDArray[np.int_]:
    """Numbers of the groups, -1 for none."""
    names = sorted({group for group in groups if group})
    return np.array([names.index(group) if group else -1 for group in groups])


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
    return np.asarray(
        np.divide(centred, length, out=np.zeros_like(centred), where=(length > 0) & (count > 2))
    )


def likeness_to_groups(scores: Floats, groups: NDArray[np.int_]) -> tuple[Floats, Floats]:
    """Mean rank correlation of every subject with others of its group, and with subjects of other groups.

    Pairs are averaged, not held against the group's mean, which is smoother, and more like anybody, the larger the
    group is. Subjects stand on a circle, and each is compared with those on the half after it: every pair counts once,
    so that the values of two subjects do not share a pair and their spread says how certain their mean is.

    Args:
        scores: (..., subjects, regions), of `region_scores`.
        groups: (subjects,), numbers; -1 for none.

    Returns:
        (..., subjects) each; NaN where there is nobody to compare with.
    """
    compared = np.concatenate([scores, scores.any(axis=-1, keepdims=True)], axis=-1)  # the last column counts
    compared = np.where(groups[:, None] >= 0, compared, 0)
    half = (int((groups >= 0).sum()) - 1) // 2
    every = _next_on_circle(compared, half, groups >= 0)
    within, between = np.full((2, *scores.shape[:-1]), np.nan)
    for group in np.unique(groups[groups >= 0]):
        of_it = groups == group
        size = max((int(of_it.sum()) - 1) // 2, 1)
        near = _next_on_circle(compared, size, of_it)[..., of_it, :] if of_it.sum() > 1 else None
        same = _next_on_circle(np.where(of_it[:, None], compared, 0), half, groups >= 0)
        mine = scores[..., of_it, :]
        if near is not None:
            within[..., of_it] = _mean_product(mine, near)
        between[..., of_it] = _mean_product(mine, (every - same)[..., of_it, :])
    return within, between


def _next_on_circle(values: Floats, width: int, chosen: NDArray[np.bool_]) -> Floats:
    """For each of the chosen subjects the sum of the `width` chosen ones after it, (..., subjects, columns)."""
    circle = values[..., chosen, :]
    count = circle.shape[-2]
    sums = np.cumsum(np.concatenate([circle, circle], axis=-2), axis=-2)
    places = np.arange(count)
    found = np.zeros_like(values)
    found[..., chosen, :] = sums[..., places + width, :] - sums[..., places, :]
    return found


def _mean_product(scores: Floats, sums: Floats) -> Floats:
    """Mean product with subjects, given their sum and, in the last column, how many they are."""
    count = np.round(sums[..., -1])
    defined = (count > 0) & scores.any(axis=-1)
    products = (scores * sums[..., :-1]).sum(axis=-1)
    return np.asarray(np.divide(products, count, out=np.full(count.shape, np.nan), where=defined))


KIND = Kind(
    name="group likeness",
    question="how alike maps within a group are (no place in MNI152 space, or no two subjects of a group)",
    needs=Need.REGIONS,
    measures=(GROUP_LIKENESS, GROUP_CONTRAST),
    of_subjects=group_likeness,
)
