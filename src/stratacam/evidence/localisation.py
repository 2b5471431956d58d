"""Whether heat lies on the truth, pixel by pixel: the scores, and what chance gives.

All scores treat pixels of equal heat alike: maps are full of exact zeros, and the order in which a sort leaves
these says nothing.
"""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import digamma

from stratacam.evidence.measures import SHARE, Column, Criterion, Measure, Panel
from stratacam.evidence.references import EDGES, REFERENCES
from stratacam.maps.heat import Heat

Mask = NDArray[np.bool_]

ABOVE_NOISE = "above noise"
"""Less the mean over the same map moved to other places of the brain: noise of its resolution and blur."""

score = partial(Measure, better="higher", held_against=", ".join(REFERENCES), limits=SHARE)

AVERAGE_PRECISION = score(
    "average_precision",
    "average precision for the truth",
    "area under the precision-recall curve, by pixel of the brain, with a threshold at each value that occurs; the "
    "share of truth in the brain for a blank map",
    panel=Panel(limits=(0, 1.02)),
    column=Column(interval=True),
    criteria=(
        Criterion(
            "above",
            0.0,
            "lower bound",
            above=EDGES,
            rule="where the study states a truth, its maps find it better than an edge filter",
            quantity="difference in average precision",
            fault="finds the truth no better than an edge filter",
            unshown="was not shown to find the truth better than an edge filter",
            unmeasured="the truth in comparison with an edge filter",
            where_truth=True,
            decimals=3,
        ),
        Criterion(
            "above",
            0.0,
            "lower bound",
            against=(ABOVE_NOISE,),
            rule="where the study states a truth, its maps find it better than noise of the layer's resolution",
            quantity="difference in average precision",
            fault="finds the truth no better than noise of its resolution",
            unshown="was not shown to find the truth better than noise of its resolution",
            unmeasured="the truth in comparison with noise",
            where_truth=True,
            decimals=3,
        ),
    ),
)
AUROC = score("auroc", "AUROC for the truth", "area under the ROC curve, likewise; 0.5 for a blank map")
POINTING = score(
    "pointing",
    "maximum on the truth",
    "whether the map's maximum lies on the truth, without tolerance; of several pixels with the maximum, the share "
    "that does; 0 for a blank map",
    panel=Panel(limits=(-0.02, 1.02)),
    column=Column(interval=True),
)
HEAT_INSIDE = score(
    "heat_inside", "share of heat on the truth", "share of all heat on the truth; 0 for a blank map"
)
TOP_K_PRECISION = score(
    "top_k_precision",
    "precision of the hottest pixels",
    "share of truth among the k hottest pixels of the brain, k being the number of true ones; of pixels that tie for "
    "the last places, the expectation",
)
BEST_DICE = score(
    "best_dice",
    "best Dice with the truth",
    "the best Dice of truth and the pixels at or above any value that occurs",
)
PEAK_DISTANCE = score(
    "peak_distance_mm",
    "distance of the maximum from the truth",
    "from the map's maximum to the centre of the nearest true pixel, a mean over several maxima; none for a blank map",
    better="lower",
    unit="mm",
    limits=(0.0, math.inf),
)
SCORES = (AVERAGE_PRECISION, AUROC, POINTING, HEAT_INSIDE, TOP_K_PRECISION, BEST_DICE, PEAK_DISTANCE)

ORDERS = 32
"""Random orders of each slice, of which the chance of the best Dice is the mean."""

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Values closer than this share of themselves are equal: upsampling rounds equal heat to neighbouring numbers."""


def scores_of(
    heat: Heat, truth: Mask, brain: Mask, pixel_mm: float, *, tolerance_mm: float = 0.0
) -> dict[str, NDArray[np.float64]]:
    """Every score of maps of one picture, see the definitions above.

    J. Zhang et al., "Top-down neural attention by excitation backprop" (2018), allowed 15 pixels of tolerance in
    pointing; here the default is none.

    Args:
        heat: (m, rows, columns), not negative.
        truth: (rows, columns), at least one pixel of it in the brain.
        brain: (rows, columns).
        pixel_mm: edge of a pixel.
        tolerance_mm: how far from the truth the maximum may lie to count as on it.

    Returns:
        By name of the score, (m,); the distance is NaN for a blank map.
    """
    distance = ndimage.distance_transform_edt(~truth) * pixel_mm
    peaks = heat >= heat.max(axis=(1, 2), keepdims=True) * (1 - ROUNDING)
    blank = heat.max(axis=(1, 2)) <= 0
    counts = peaks.sum(axis=(1, 2))
    totals = heat.sum(axis=(1, 2), dtype=np.float64)
    hits = (peaks & (distance <= tolerance_mm)).sum(axis=(1, 2))
    on_truth = (heat * truth).sum(axis=(1, 2), dtype=np.float64)
    ranked = [_ranked(one[brain], truth[brain]) for one in heat]
    return {
        POINTING.name: np.where(blank, 0.0, hits / counts),
        HEAT_INSIDE.name: np.divide(on_truth, totals, out=np.zeros(len(heat)), where=totals > 0),
        **{score: np.array([one[score] for one in ranked]) for score in ranked[0]},
        PEAK_DISTANCE.name: np.where(blank, np.nan, (peaks * distance).sum(axis=(1, 2)) / counts),
    }


def _ranked(values: Heat, truth: Mask) -> Mapping[str, float]:
    """Scores by the ranking of the brain's pixels, (pixels,) each."""
    numbers, place = np.unique(values, return_inverse=True)
    level_of = np.append(0, np.cumsum(np.diff(numbers) > ROUNDING * numbers[1:]))
    pixels = np.bincount(level_of[place])[::-1]
    true = np.bincount(level_of[place], weights=truth)[::-1]  # hottest level first
    selected, found = np.cumsum(pixels), np.cumsum(true)
    positives = found[-1]
    negatives = selected[-1] - positives
    precision = found / selected
    below = negatives - np.cumsum(pixels - true)
    pairs = (true * (below + (pixels - true) / 2)).sum()
    level = int(np.searchsorted(selected, positives))
    before, hit = (selected[level - 1], found[level - 1]) if level else (0, 0.0)
    return {
        AVERAGE_PRECISION.name: float((precision * true).sum() / positives),
        AUROC.name: float(pairs / (positives * negatives)) if negatives else float("nan"),
        TOP_K_PRECISION.name: float((hit + (positives - before) * true[level] / pixels[level]) / positives),
        BEST_DICE.name: float((2 * found / (selected + positives)).max()),
    }


def chance(truth: Mask, brain: Mask, pixel_mm: float, random: np.random.Generator) -> dict[str, float]:
    """What a map of random numbers in the brain, all different, scores on average.

    All are exact but the best Dice, which is the mean of some random orders.

    Args:
        truth: (rows, columns), at least one pixel of it in the brain.
        brain: (rows, columns).
        pixel_mm: edge of a pixel.
        random: of the orders.
    """
    pixels, true = int(brain.sum()), int((truth & brain).sum())
    distance = ndimage.distance_transform_edt(~truth) * pixel_mm
    return {
        AVERAGE_PRECISION.name: chance_of_average_precision(pixels, true),
        **{score.name: true / pixels for score in (POINTING, HEAT_INSIDE, TOP_K_PRECISION)},
        AUROC.name: 0.5,
        BEST_DICE.name: _chance_of_best_dice(pixels, true, random),
        PEAK_DISTANCE.name: float(distance[brain].mean()),
    }


def chance_of_average_precision(pixels: int, true: int) -> float:
    """Expected average precision of a random order.

    A pixel at rank i is true with probability k / n, and then (i - 1)(k - 1) / (n - 1) of those before it are expected
    to be, so that E = 1/n sum_i [1 + (i - 1)(k - 1) / (n - 1)] / i = [(k - 1) + (n - k) H_n / n] / (n - 1), with the
    n-th harmonic number H_n = 1 + 1/2 + ... + 1/n. It exceeds the share k / n the more, the fewer are true.

    Args:
        pixels: n, how many are ranked.
        true: k, how many of these are true, at least one.

    Example:
        >>> chance_of_average_precision(2, 1)  # 1 or 1/2
        0.75
    """
    if pixels == 1:
        return 1.0
    harmonic = float(digamma(pixels + 1) + np.euler_gamma)
    return ((true - 1) + (pixels - true) * harmonic / pixels) / (pixels - 1)


def _chance_of_best_dice(pixels: int, true: int, random: np.random.Generator) -> float:
    """Mean best Dice of random orders; it is reached at a true pixel."""
    found = np.arange(1, true + 1)
    ranks = [np.sort(random.choice(pixels, true, replace=False)) + 1 for _ in range(ORDERS)]
    return float(np.mean([(2 * found / (rank + true)).max() for rank in ranks]))
