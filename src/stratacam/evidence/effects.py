"""Effects of layers, subject by subject, of maps and of their draws alike.

An effect is of the excess: a score less its mean over the maps and all their draws, layer by layer. What the resolution
of a layer does to the score is in that mean, so that an effect of the excess is not one of upsampling.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.draws import generator
from stratacam.evidence.group_likeness import likeness_to_groups, numbered, region_scores
from stratacam.evidence.inference.means import mean_known
from stratacam.evidence.map_scores import Score

Floats = NDArray[np.float64]

PERMUTATIONS, SIGNS = 999, 1999
"""Of the groups, and of the subjects' signs."""

BLOCK = 20_000
"""Numbers that are permuted at once, so that they stay in the cache."""


def excess(values: Floats) -> Floats:
    """Values (draws, subjects, layers) less their mean over draws."""
    return values - mean_known(values)


def depth_correlation(values: Floats) -> Floats:
    """Spearman's correlation of depth with values (draws, subjects, layers): (draws, subjects).

    NaN where fewer than three layers have a value, or all the same.
    """
    return np.stack([_depth_correlation(values[:, subject]) for subject in range(values.shape[1])], axis=1)


def _depth_correlation(values: Floats) -> Floats:
    """Of one subject: values (draws, layers), (draws,)."""
    known = ~np.isnan(values)
    count = known.sum(axis=1, keepdims=True)
    one, other = values[:, :, None], values[:, None, :]
    ranks = (one > other).sum(axis=2) + (one == other).sum(axis=2) / 2 - 0.5
    depth = np.cumsum(known, axis=1) - 1.0
    middle = (count - 1) / 2
    ranks, depth = np.where(known, ranks - middle, 0), np.where(known, depth - middle, 0)
    length = np.sqrt((ranks**2).sum(axis=1) * (depth**2).sum(axis=1))
    defined = (count[:, 0] > 2) & (length > 0)
    products, found = (ranks * depth).sum(axis=1), np.full(len(values), np.nan)
    return np.asarray(np.divide(products, length, out=found, where=defined))


def group_contrasts(scores: NDArray[np.float32], groups: Sequence[str]) -> Floats:
    """Likeness within less between groups, (draws, subjects, layers).

    Args:
        scores: (draws, subjects, layers, columns), see `stratacam.evidence.nulls.Nulls`.
        groups: of the subjects.
    """
    return np.concatenate([_contrasts(_ranked(draw[None]), numbered(groups)) for draw in scores])


def signed_means(values: Floats, *, count: int = SIGNS, seed: int = 0) -> Floats:
    """Means over subjects of values (subjects, tests), then of the same with random signs, (1 + count, tests).

    Where the mean is 0 and values are symmetric about it, one sign is as likely as the other. Ranked by `draw_test`,
    the largest mean in units of its spread is the largest Student's t.
    """
    signs = generator(seed, "signs of effects").choice([-1.0, 1.0], size=(count, len(values)))
    known = ~np.isnan(values)
    totals = np.vstack([np.ones(len(values)), signs]) @ np.where(known, values, 0)
    number = known.sum(axis=0) * np.ones_like(totals)
    return np.asarray(np.divide(totals, number, out=np.full(totals.shape, np.nan), where=number > 0))


def likeness_of_all(scores: NDArray[np.float32]) -> Floats:
    """Mean rank correlation of every two subjects' heat over regions, (layers,); NaN without regions.

    Args:
        scores: (subjects, layers, columns), of the maps themselves.
    """
    alike, _ = likeness_to_groups(_ranked(scores), np.zeros(len(scores), dtype=int))
    return mean_known(alike.T)


def permuted_contrasts(
    scores: NDArray[np.float32], groups: Sequence[str], *, count: int = PERMUTATIONS, seed: int = 0
) -> Floats:
    """Likeness within less between groups, then the same with subjects permuted, (1 + count, subjects, layers).

    Groups stay in their places, and subjects change theirs.

    Args:
        scores: (subjects, layers, columns), of the maps themselves.
        groups: of the subjects.
        count: number of permutations.
        seed: of the permutations.
    """
    random = generator(seed, "permutations of groups")
    numbers = numbered(groups)
    with_group = np.flatnonzero(numbers >= 0)
    orders = np.tile(np.arange(len(scores)), (1 + count, 1))
    for order in orders[1:]:
        order[with_group] = random.permutation(with_group)
    ranked = _ranked(scores)
    blocks = np.array_split(orders, math.ceil(len(orders) * ranked.size / BLOCK))
    return np.concatenate([_contrasts(ranked[:, block], numbers) for block in blocks])


def _ranked(scores: NDArray[np.float32]) -> Floats:
    """`region_scores` of (..., subjects, layers, columns): (layers, ..., subjects, regions)."""
    return region_scores(np.moveaxis(scores[..., len(Score) :].astype(np.float64), -2, 0))


def _contrasts(ranked: Floats, groups: NDArray[np.int_]) -> Floats:
    """(draws, subjects, layers) of (layers, draws, subjects, regions)."""
    within, between = likeness_to_groups(ranked, groups)
    return np.moveaxis(within - between, 0, -1)
