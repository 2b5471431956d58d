"""Insertion, deletion and ROAD of every layer's map and of its control, in batches through the network."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.faithfulness.control import control_map
from stratacam.evidence.faithfulness.pictures import RemovedPixels
from stratacam.evidence.faithfulness.ranking import coldest, hottest, ranks
from stratacam.evidence.heat import Heat
from stratacam.evidence.measures import Column, Criterion, ExplainedScan, Kind, Measure, Need, Panel
from stratacam.evidence.values import Value, mean_of

Mask = NDArray[np.bool_]

NOISE = 0.01
"""Standard deviation of the noise of ROAD's imputation, in units of the picture, [0, 1]."""

FRACTIONS = (0.1, 0.2, 0.4, 0.6, 0.8)

CONTROL, ABOVE, ABOVE_OTHERS = "control", "above control", "above others"

measure = partial(Measure, held_against="a random map of the same blur and area")

ROAD = measure(
    "road",
    "ROAD",
    "`road_least` less `road_most`",
    better="higher",
    panel=Panel(
        (ABOVE,),
        level=0.0,
        note="“Above control”: how much more faithful a map is than a random map of the same blur and area; above 0 "
        "is good.",
    ),
    column=Column(ABOVE, interval=True),
    criteria=(
        Criterion(
            "above",
            0.0,
            "lower bound",
            against=(ABOVE,),
            rule="its maps are more faithful to the network than random maps of the same blur and area (lower bound "
            "of ROAD above control above 0)",
            fault="no more faithful than a random map",
            unshown="was not shown to be more faithful than a random map",
            unmeasured="faithfulness",
            decimals=3,
        ),
        Criterion(
            "above",
            0.0,
            "lower bound",
            against=(ABOVE_OTHERS,),
            rule="than other subjects' maps (the same, of ROAD above others)",
            fault="no more faithful than other subjects' maps",
            unshown="was not shown to be more faithful than other subjects' maps",
            unmeasured="faithfulness in comparison with other subjects' maps",
            decimals=3,
        ),
    ),
)
ROAD_MOST = measure(
    "road_most",
    "ROAD, hottest first",
    "mean probability of the class after the hottest pixels are replaced by ROAD's noisy linear imputation (Rong et "
    "al. 2022)",
    better="lower",
)
ROAD_LEAST = measure(
    "road_least", "ROAD, coldest first", "the same after the coldest pixels are replaced", better="higher"
)
DELETION = measure(
    "deletion",
    "deletion",
    "area under the probability of the class while the hottest pixels are set to black (Petsiuk et al. 2018)",
    better="lower",
    panel=Panel((ABOVE,), level=0.0),
)
INSERTION = measure(
    "insertion",
    "insertion",
    "the same while the hottest pixels are put into a black picture",
    better="higher",
    panel=Panel((ABOVE,), level=0.0),
)
MEASURES = (ROAD, ROAD_MOST, ROAD_LEAST, DELETION, INSERTION)
SIGN = {one.name: 1 if one.better == "higher" else -1 for one in MEASURES}


def faithfulness(explained: ExplainedScan) -> list[Value]:
    """Every measure of every layer's map, of its random control, and how much more faithful the map is than that.

    Shares of the brain's pixels are removed; what is measured is the probability of the class explained. A slice whose
    map of a layer is blank is left out for that layer: it ranks nothing.
    """
    scan, maps, settings = explained.sampled, explained.sampled_maps, explained.settings
    if not settings.fractions:
        return []
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for index in range(len(scan)):
        brain = scan.brain[index]
        by_layer = {layer: maps.heat(layer, scan.shape)[index] for layer in maps.layers}
        by_layer = {layer: one for layer, one in by_layer.items() if one[brain].any()}
        if not by_layer:
            continue
        heat = np.stack(list(by_layer.values()))
        controls = np.stack(
            [
                control_map(maps.raw[layer][index], one, brain, seed=explained.seed + 1000 * index + number)
                for number, (layer, one) in enumerate(by_layer.items())
            ]
        )
        scores = scores_of_slice(
            explained.model,
            scan.images[index],
            brain,
            np.concatenate([heat, controls]),
            maps.target,
            fractions=settings.fractions,
            batch_size=settings.batch_size,
            seed=explained.seed + index,
        )
        for measure, numbers in scores.items():
            for layer, value, control in zip(by_layer, *np.split(numbers, 2), strict=True):
                rows = found.setdefault((layer, measure), {"": [], CONTROL: [], ABOVE: []})
                rows[""].append(float(value))
                rows[CONTROL].append(float(control))
                rows[ABOVE].append(SIGN[measure] * float(value - control))
    return [
        value
        for (layer, measure), rows in found.items()
        for against, numbers in rows.items()
        for value in mean_of(maps.method, layer, measure, numbers, against)
    ]


def scores_of_slice(
    model: nn.Module,
    image: Heat,
    brain: Mask,
    heat: Heat,
    target: int,
    *,
    fractions: Sequence[float] = FRACTIONS,
    areas: bool = True,
    noise: float = NOISE,
    batch_size: int = 32,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Every measure of maps of one picture.

    Args:
        model: in evaluation mode, on its device.
        image: (3, rows, columns).
        brain: (rows, columns).
        heat: (m, rows, columns).
        target: position of the class.
        fractions: shares of the brain's pixels.
        areas: measure deletion and insertion too, not only ROAD.
        noise: standard deviation of the imputation's noise; the same noise for every map.
        batch_size: pictures at once.
        seed: of ties and noise.

    Returns:
        By measure, (m,).
    """
    order = ranks(heat, brain, seed=seed)
    pictures = RemovedPixels(image, noise, seed)
    steps: dict[Measure, list[list[int]]] = {}
    if areas:
        full, empty = pictures.black(np.zeros_like(brain)), pictures.black(brain)
        steps[DELETION] = [
            [full, *(pictures.black(hottest(one, brain, f)) for f in fractions), empty] for one in order
        ]
        steps[INSERTION] = [
            [empty, *(pictures.black(brain & ~hottest(one, brain, f)) for f in fractions), full]
            for one in order
        ]
    steps[ROAD_MOST] = [[pictures.imputed(hottest(one, brain, f)) for f in fractions] for one in order]
    steps[ROAD_LEAST] = [[pictures.imputed(coldest(one, brain, f)) for f in fractions] for one in order]
    probability = pictures.probabilities(model, target, batch_size)
    curves = {measure: probability[np.array(places)] for measure, places in steps.items()}
    shares = [0.0, *fractions, 1.0]
    found = {
        measure.name: np.asarray(np.trapezoid(curves[measure], shares, axis=1))
        for measure in (DELETION, INSERTION)
        if measure in curves
    }
    after_hottest, after_coldest = (curves[measure].mean(axis=1) for measure in (ROAD_MOST, ROAD_LEAST))
    return {
        **found,
        ROAD_MOST.name: after_hottest,
        ROAD_LEAST.name: after_coldest,
        ROAD.name: after_coldest - after_hottest,
    }


KIND = Kind(
    name="faithfulness",
    question="whether maps are true to the network",
    needs=Need.NETWORK,
    measures=MEASURES,
    of_scan=faithfulness,
)
