"""How concentrated heat is, whether it lies in the brain, and how often there is none.

The abstract that this project began from calls concentrated maps localising and spread ones generalising.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.heat import Heat, SliceMaps
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.values import Value, mean_of

NEIGHBOURS = np.ones((3, 3), dtype=bool)
"""Pixels that touch at a corner are connected."""


def focus(maps: SliceMaps, scan: ScanSlices) -> list[Value]:
    """Every measure of focus of every layer.

    Means are over the slices whose map is not blank, but for the share of blank maps itself. The 95th percentile of
    heat is over the brain pixels of all slices: in shares of the scan's highest heat of that layer, and raw, in logits
    (Y. Zhang et al., "Grad-CAM helps interpret the deep learning models trained to classify multiple sclerosis types
    using clinical brain magnetic resonance imaging", 2021, found it higher in SPMS than in RRMS).
    """
    values = []
    for layer in maps.layers:
        heat = maps.heat(layer, scan.shape)
        shown = [index for index in range(len(scan)) if heat[index].any()]
        measures: dict[str, list[float]] = {
            "lit_share": [lit_share(heat[index], scan.brain[index]) for index in shown],
            "gini": [gini(heat[index][scan.brain[index]]) for index in shown],
            "entropy": [entropy(heat[index][scan.brain[index]]) for index in shown],
            "components": [components(heat[index]) for index in shown],
            "inside_brain": [inside(heat[index], scan.brain[index]) for index in shown],
        }
        for measure, found in measures.items():
            values += mean_of(maps.method, layer, measure, found)
        in_brain = heat[scan.brain]
        if in_brain.size:
            highest = float(heat.max())
            percentile = float(np.percentile(in_brain, 95))
            values.append(Value(maps.method, layer, "p95_raw", "", percentile, len(scan)))
            if highest > 0:
                values.append(Value(maps.method, layer, "p95", "", percentile / highest, len(scan)))
        causes = maps.blank[layer]
        values += mean_of(maps.method, layer, "blank", [float(bool(cause)) for cause in causes])
        for cause in sorted(set(causes) - {""}):
            values += mean_of(maps.method, layer, "blank", [float(one == cause) for one in causes], cause)
    return values


def lit_share(heat: Heat, brain: NDArray[np.bool_]) -> float:
    """Share of the brain's pixels at or above half of the map's maximum; NaN for a blank map or no brain."""
    if not heat.max() > 0 or not brain.any():
        return float("nan")
    return float((heat[brain] >= heat.max() / 2).mean())


def gini(values: Heat) -> float:
    """Gini index of values that are not negative: 0 where all are equal, 1 - 1/n where one has everything.

    N. Hurley, S. Rickard, "Comparing measures of sparsity" (2009). NaN where all are 0.
    """
    ordered = np.sort(values.astype(np.float64))
    total = ordered.sum()
    if not total > 0:
        return float("nan")
    count = len(ordered)
    return float(2 * (np.arange(1, count + 1) @ ordered) / (count * total) - (count + 1) / count)


def entropy(values: Heat) -> float:
    """Shannon entropy of values as shares of their sum, over its largest value: 1 where all are equal; NaN if all 0."""
    total = float(values.sum(dtype=np.float64))
    if not total > 0 or len(values) < 2:
        return float("nan")
    shares = values[values > 0].astype(np.float64) / total
    return float(-(shares * np.log(shares)).sum() / np.log(len(values)))


def components(heat: Heat) -> float:
    """Connected parts of the picture at or above half of the map's maximum; 0 for a blank map."""
    if not heat.max() > 0:
        return 0.0
    return float(ndimage.label(heat >= heat.max() / 2, structure=NEIGHBOURS)[1])


def inside(heat: Heat, mask: NDArray[np.bool_]) -> float:
    """Share of heat inside a mask; NaN for a blank map."""
    total = float(heat.sum(dtype=np.float64))
    return float(heat[mask].sum(dtype=np.float64)) / total if total > 0 else float("nan")
