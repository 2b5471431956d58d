"""How concentrated heat is, whether it lies in the brain, and how often there is none.

The abstract that this project began from calls concentrated maps localising and spread ones generalising.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.measures import SHARE, Column, Criterion, ExplainedScan, Kind, Measure, Need, Panel
from stratacam.evidence.references import mask_at_layer
from stratacam.evidence.values import Value
from stratacam.maps.heat import Heat

NEIGHBOURS = np.ones((3, 3), dtype=bool)
"""Pixels that touch at a corner are connected."""

MAXIMUM_BLANK = 0.1
MINIMUM_INSIDE = 0.8

BLANK = Measure(
    "blank",
    "share of blank maps",
    "share of maps that show nothing, in all and by cause",
    better="lower",
    panel=Panel(limits=(-0.02, 1.02)),
    column=Column(),
    criteria=(
        Criterion(
            "at most",
            MAXIMUM_BLANK,
            "mean",
            rule="few of its maps are blank",
            quantity="share of blank maps",
            fault=f"more than {MAXIMUM_BLANK:.0%} of its maps are blank",
            unshown=f"not shown that at most {MAXIMUM_BLANK:.0%} of its maps are blank",
            unmeasured="blank maps",
        ),
    ),
    limits=SHARE,
)
LIT_SHARE = Measure(
    "lit_share",
    "share of the brain that is lit",
    "share of the brain's pixels at or above half of the map's maximum",
    panel=Panel(limits=(0, 1)),
    column=Column(),
    limits=SHARE,
)
GINI = Measure(
    "gini",
    "Gini index of heat",
    "how unevenly heat is spread over the brain: 0 even, 1 one pixel",
    panel=Panel(limits=(0, 1)),
    limits=SHARE,
)
ENTROPY = Measure(
    "entropy",
    "entropy of heat",
    "Shannon entropy of heat over the brain, as a share of its largest value: 1 even",
    limits=SHARE,
)
COMPONENTS = Measure(
    "components",
    "connected parts",
    "number of connected parts at or above half of the map's maximum",
)
INSIDE_BRAIN = Measure(
    "inside_brain",
    "share of heat inside the brain",
    "share of heat inside the brain mask; that of even heat is the brain's share of the picture",
    better="higher",
    limits=SHARE,
)
INSIDE_OF_SHARE = Measure(
    "inside_of_share",
    "heat inside the brain, of the brain's share of the picture",
    "`inside_brain` divided by the brain's share of the picture: 1 as if heat were spread evenly over the picture, "
    "brain or not; above 1 the brain attracts it",
    better="higher",
    panel=Panel(
        level=1.0,
        note="“Heat inside the brain, of the brain's share”: 1 if heat is spread as if there were no brain.",
    ),
)
INSIDE_OF_CEILING = Measure(
    "inside_of_ceiling",
    "heat inside the brain, of what the layer can reach",
    "`inside_brain` divided by that of the brain mask itself at the layer's resolution (averaged over the layer's "
    "cells, upsampled as heat is): 1 as a map that shows the brain and nothing else; more if heat keeps off the border",
    better="higher",
    panel=Panel(limits=(0, 1.02)),
    column=Column(),
    criteria=(
        Criterion(
            "at least",
            MINIMUM_INSIDE,
            "mean",
            rule="its heat lies inside the brain",
            quantity="heat inside, as a share of what a map of its resolution can reach,",
            fault=f"its heat inside the brain is below {MINIMUM_INSIDE:.0%} of what a map of its resolution can reach",
            unshown=f"its heat inside the brain was not shown to be {MINIMUM_INSIDE:.0%} of what a map of its "
            "resolution can reach",
            unmeasured="heat in the brain",
        ),
    ),
)
P95 = Measure(
    "p95",
    "95th percentile of heat",
    "95th percentile of heat in the brain, over all slices, as a share of the scan's maximum",
    limits=SHARE,
)
P95_RAW = Measure(
    "p95_raw",
    "95th percentile of heat, raw",
    "the same, not scaled (Zhang et al. 2021 found it higher in SPMS than in RRMS)",
    unit="logits",
)


def focus(explained: ExplainedScan) -> list[Value]:
    """Every measure of focus of every layer.

    Means are over the slices whose map is not blank, but for the share of blank maps itself. The 95th percentile of
    heat is over the brain pixels of all slices.
    """
    maps, scan = explained.maps, explained.scan
    values = []
    ceilings = {
        cells: inside_each(mask_at_layer(scan.brain, cells), scan.brain)
        for cells in {raw.shape[1:] for raw in maps.raw.values()}
    }
    for layer in maps.layers:
        causes = maps.blank[layer]
        values += BLANK.rows(maps.method, layer, [float(bool(cause)) for cause in causes])
        for cause in sorted(set(causes) - {""}):
            values += BLANK.rows(maps.method, layer, [float(one == cause) for one in causes], cause)
        heat = maps.heat(layer, scan.shape)
        visible = [(heat[index], scan.brain[index]) for index in range(len(scan)) if heat[index].any()]
        for measure, score in BY_SLICE.items():
            values += measure.rows(maps.method, layer, [score(one, brain) for one, brain in visible])
        held = inside_each(heat, scan.brain)
        values += INSIDE_BRAIN.rows(maps.method, layer, held)
        values += INSIDE_OF_SHARE.rows(maps.method, layer, ratio(held, scan.brain.mean(axis=(1, 2))))
        values += INSIDE_OF_CEILING.rows(maps.method, layer, ratio(held, ceilings[maps.raw[layer].shape[1:]]))
        in_brain = heat[scan.brain]
        if in_brain.size:
            highest, percentile = float(heat.max()), float(np.percentile(in_brain, 95))
            values.append(Value(maps.method, layer, P95_RAW.name, "", percentile, len(scan)))
            if highest > 0:
                values.append(Value(maps.method, layer, P95.name, "", percentile / highest, len(scan)))
    return values


def lit_share(heat: Heat, brain: NDArray[np.bool_]) -> float:
    """Share of the brain's pixels at or above half of the map's maximum; NaN for a blank map or no brain."""
    if not heat.max() > 0 or not brain.any():
        return float("nan")
    return float((heat[brain] >= heat.max() / 2).mean())


def gini(values: Heat) -> NDArray[np.float64]:
    """Gini index of values that are not negative: 0 where all are equal, 1 - 1/n where one has everything.

    N. Hurley, S. Rickard, "Comparing measures of sparsity" (2009).

    Args:
        values: (..., n).

    Returns:
        (...), NaN where all are 0.
    """
    ordered = np.sort(values, axis=-1)
    count = ordered.shape[-1]
    total = ordered.sum(axis=-1, dtype=np.float64)
    weighted = 2 * (ordered @ np.arange(1, count + 1, dtype=np.float64))
    share = np.divide(weighted, count * total, out=np.full(total.shape, np.nan), where=total > 0)
    return np.asarray(share - (count + 1) / max(count, 1))


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


def inside_each(heat: Heat, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of heat inside a mask, by slice; NaN for a blank map.

    Args:
        heat: (n, rows, columns).
        masks: (n, rows, columns).
    """
    totals, held = (values.sum(axis=(1, 2), dtype=np.float64) for values in (heat, heat * masks))
    return ratio(held, totals)


def ratio(values: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values divided by others; NaN where these are 0."""
    return np.asarray(np.divide(values, of, out=np.full(len(values), np.nan), where=of > 0))


BY_SLICE: dict[Measure, Callable[[Heat, NDArray[np.bool_]], float]] = {
    LIT_SHARE: lit_share,
    GINI: lambda heat, brain: float(gini(heat[brain])),
    ENTROPY: lambda heat, brain: entropy(heat[brain]),
    COMPONENTS: lambda heat, _: components(heat),
}
"""From the heat and the brain of a slice."""

KIND = Kind(
    name="focus",
    question="how concentrated heat is, and whether it lies in the brain",
    needs=Need.MAPS,
    measures=(
        BLANK,
        LIT_SHARE,
        GINI,
        ENTROPY,
        COMPONENTS,
        INSIDE_BRAIN,
        INSIDE_OF_SHARE,
        INSIDE_OF_CEILING,
        P95,
        P95_RAW,
    ),
    of_scan=focus,
)
