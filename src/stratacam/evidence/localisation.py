"""Whether heat lies on the truth, pixel by pixel.

All scores treat pixels of equal heat alike: maps are full of exact zeros, and the order in which a sort leaves
these says nothing.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.heat import Heat, SliceMaps
from stratacam.evidence.measures import Column, Criterion, ExplainedScan, Kind, Measure, Need, Panel
from stratacam.evidence.references import CEILING, CHANCE, EDGES, REFERENCES, mask_at_layer
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.values import Value, mean_of

Mask = NDArray[np.bool_]
Scores = dict[str, NDArray[np.float64]]

ABOVE_NOISE = "above noise"
"""Less the expectation for random numbers at the resolution of the layer."""

score = partial(Measure, better="higher", held_against=", ".join(REFERENCES))

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
            rule="its maps find the truth, where the study states one, better than an edge filter (lower bound of the "
            "difference in average precision above 0)",
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
            rule="than noise of the layer's resolution (the same)",
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
)
SCORES = (AVERAGE_PRECISION, AUROC, POINTING, HEAT_INSIDE, TOP_K_PRECISION, BEST_DICE, PEAK_DISTANCE)

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Values closer than this share of themselves are equal: upsampling rounds equal heat to neighbouring numbers."""


def localisation(explained: ExplainedScan) -> list[Value]:
    """Every score of every layer, and of what maps are held against, on the slices that `scored_slices` names.

    Blank maps count as what they are. The method of a reference's rows is its name; they name layers for "truth at
    layer" only. There are none without reference maps.
    """
    maps, scan = explained.maps, explained.scan
    chosen = scored_slices(maps, scan, explained.true_class)
    truth = scan.truth
    if truth is None or not chosen:
        return []

    def rows(method: str, layer: str, heat: Heat) -> list[Value]:
        scores = scores_of_slices(heat, truth, scan, chosen)
        return [row for name, numbers in scores.items() for row in mean_of(method, layer, name, numbers)]

    values = [row for layer in maps.layers for row in rows(maps.method, layer, maps.heat(layer, scan.shape))]
    if explained.references is None:
        return values
    for name, heat in explained.references.items():
        values += rows(name, "", heat)
    chances = [chance(truth[index], scan.brain[index], scan.pixel_mm, seed=index) for index in chosen]
    for name in chances[0]:
        values += mean_of(CHANCE, "", name, [one[name] for one in chances])
    for cells in dict.fromkeys(raw.shape[1:] for raw in maps.raw.values()):
        of_cells = rows(CEILING, "", mask_at_layer(truth, cells))
        layers = [name for name, raw in maps.raw.items() if raw.shape[1:] == cells]
        values += [row._replace(layer=layer) for layer in layers for row in of_cells]
    return values


def scored_slices(maps: SliceMaps, scan: ScanSlices, right_class: int | None) -> list[int]:
    """Slices with truth that the network gives the scan's true class, which is also the class explained.

    Elsewhere a map need not show the truth: the network may not have used it.
    """
    if scan.truth is None or right_class is None or maps.target != right_class:
        return []
    right = maps.logits.argmax(axis=1) == right_class
    seen = (scan.truth & scan.brain).any(axis=(1, 2))
    return [int(index) for index in np.flatnonzero(right & seen)]


def scores_of_slices(heat: Heat, truth: Mask, scan: ScanSlices, chosen: list[int]) -> Scores:
    """Every score of heat (n, rows, columns) on some slices, (slices,) each."""
    found = [scores_of(heat[index][None], truth[index], scan.brain[index], scan.pixel_mm) for index in chosen]
    return {score.name: np.array([one[score.name][0] for one in found]) for score in SCORES}


def scores_of(heat: Heat, truth: Mask, brain: Mask, pixel_mm: float, *, tolerance_mm: float = 0.0) -> Scores:
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


def chance(truth: Mask, brain: Mask, pixel_mm: float, *, seed: int) -> dict[str, float]:
    """What a map of random numbers in the brain scores on average; best Dice and distance of one such map."""
    share = float((truth & brain).sum() / brain.sum())
    noise = np.random.default_rng(seed).random(truth.shape, dtype=np.float32) * brain
    drawn = scores_of(noise[None], truth, brain, pixel_mm)
    return {
        **{score.name: share for score in (AVERAGE_PRECISION, POINTING, HEAT_INSIDE, TOP_K_PRECISION)},
        AUROC.name: 0.5,
        **{score.name: float(drawn[score.name][0]) for score in (BEST_DICE, PEAK_DISTANCE)},
    }


KIND = Kind(
    name="localisation",
    question="whether heat finds the truth (no lesion masks, or no slice with lesions classified right)",
    needs=Need.TRUTH,
    measures=SCORES,
    of_scan=localisation,
)
