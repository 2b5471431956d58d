"""Whether heat finds what is known to be there, pixel by pixel.

All scores treat pixels of equal heat alike: maps are full of exact zeros, and the order in which a sort leaves
these says nothing.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.heat import Heat, SliceMaps
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.values import Value, mean_of

Mask = NDArray[np.bool_]
Scores = dict[str, NDArray[np.float64]]

SCORES = (
    "pointing",
    "heat_inside",
    "average_precision",
    "auroc",
    "top_k_precision",
    "best_dice",
    "peak_distance_mm",
)

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Values closer than this share of themselves are equal: upsampling rounds equal heat to neighbouring numbers."""


def localisation(maps: SliceMaps, scan: ScanSlices, *, right_class: int | None) -> list[Value]:
    """Every score of every layer, on the slices that `judged_slices` names; blank maps count as what they are."""
    judged = judged_slices(maps, scan, right_class)
    values = []
    for layer in maps.layers if judged else ():
        heat = maps.heat(layer, scan.shape)
        for measure, found in scores_of_slices(heat, scan, judged).items():
            values += mean_of(maps.method, layer, measure, found)
    return values


def judged_slices(maps: SliceMaps, scan: ScanSlices, right_class: int | None) -> list[int]:
    """Slices with truth that the network gives the scan's own class, which is also the class explained.

    Elsewhere a map need not show the truth: the network may not have used it.
    """
    if scan.truth is None or right_class is None or maps.target != right_class:
        return []
    right = maps.logits.argmax(axis=1) == right_class
    seen = (scan.truth & scan.brain).any(axis=(1, 2))
    return [int(index) for index in np.flatnonzero(right & seen)]


def scores_of_slices(heat: Heat, scan: ScanSlices, judged: list[int]) -> Scores:
    """Every score of heat (n, rows, columns) on some slices, (slices,) each."""
    truth = scan.truth
    if truth is None:
        return {}
    found = [scores_of(heat[index][None], truth[index], scan.brain[index], scan.pixel_mm) for index in judged]
    return {score: np.array([one[score][0] for one in found]) for score in SCORES}


def scores_of(heat: Heat, truth: Mask, brain: Mask, pixel_mm: float, *, tolerance_mm: float = 0.0) -> Scores:
    """Every score of maps of one picture.

    - pointing: whether the maximum lies on the truth; of several pixels with the maximum, the share that does. A
      blank map points nowhere: 0. (J. Zhang et al., "Top-down neural attention by excitation backprop", 2018, allowed
      15 pixels of tolerance; here there is none unless asked for.)
    - heat_inside: share of all heat of the picture on the truth; 0 for a blank map.
    - average_precision, auroc: by pixel of the brain, with a threshold at each value that occurs; the share of truth
      in the brain, and 0.5, for a blank map.
    - top_k_precision: share of truth among the k hottest pixels of the brain, k being the number of true ones; of the
      pixels that tie for the last places, the expectation.
    - best_dice: the best Dice of truth and the pixels at or above any value that occurs.
    - peak_distance_mm: from the maximum to the centre of the nearest true pixel, a mean over several; NaN for a blank
      map.

    Args:
        heat: (m, rows, columns), not negative.
        truth: (rows, columns), at least one pixel of it in the brain.
        brain: (rows, columns).
        pixel_mm: edge of a pixel.
        tolerance_mm: how far from the truth the maximum may lie to count as on it.

    Returns:
        By name of the score, (m,).
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
        "pointing": np.where(blank, 0.0, hits / counts),
        "heat_inside": np.divide(on_truth, totals, out=np.zeros(len(heat)), where=totals > 0),
        **{score: np.array([one[score] for one in ranked]) for score in ranked[0]},
        "peak_distance_mm": np.where(blank, np.nan, (peaks * distance).sum(axis=(1, 2)) / counts),
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
        "average_precision": float((precision * true).sum() / positives),
        "auroc": float(pairs / (positives * negatives)) if negatives else float("nan"),
        "top_k_precision": float((hit + (positives - before) * true[level] / pixels[level]) / positives),
        "best_dice": float((2 * found / (selected + positives)).max()),
    }
