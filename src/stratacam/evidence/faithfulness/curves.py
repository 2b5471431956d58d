"""ROAD, deletion and insertion of every layer's map, of its controls and of strangers, in batches through the network.

Faithfulness is not correctness: a network may use what is not the disease, and a suppressor, which only removes noise
from others, is rewarded as what tells the classes apart is (S. Haufe et al., arXiv 2409.14590, 2024).
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.draws import generator
from stratacam.evidence.faithfulness.control import cells_of, control_maps, with_values_of
from stratacam.evidence.faithfulness.pictures import RemovedPixels
from stratacam.evidence.faithfulness.ranking import coldest, hottest, ranks
from stratacam.evidence.faithfulness.volume import road_of_volume
from stratacam.evidence.measures import (
    SHARE,
    SIGNED,
    Column,
    Criterion,
    ExplainedScan,
    Kind,
    Measure,
    Need,
    Panel,
)
from stratacam.evidence.values import Value, mean_of
from stratacam.maps.heat import Heat, heat_of

Mask = NDArray[np.bool_]

NOISE = 0.01
"""Standard deviation of the noise of ROAD's imputation, in units of the picture, [0, 1]."""

FRACTIONS = (0.2,)

CONTROL, OTHERS = "control", "others"
ABOVE, ABOVE_OTHERS = f"above {CONTROL}", f"above {OTHERS}"

measure = partial(Measure, held_against="random maps of the same blur and area", limits=SHARE)

ROAD = measure(
    "road",
    "ROAD",
    "`road_least` less `road_most`; against `control` random maps, against `others` maps of other subjects laid on the "
    "slices, with the same values (mean over them); `above` them, how much more faithful the map is",
    better="higher",
    panel=Panel(
        (ABOVE,),
        level=0.0,
        note="“Above control”: how much more faithful a map is than a random map of the same blur and area; above 0 "
        "is good. Faithful is not correct: a network may use what is not the disease, and what only removes noise from "
        "other pixels (a suppressor) is rewarded too (Haufe et al. 2024).",
    ),
    column=Column(ABOVE, interval=True),
    criteria=(
        Criterion(
            "above",
            0.0,
            "lower bound",
            against=(ABOVE,),
            rule="its maps are more faithful to the network than random maps of the same blur and area",
            quantity="difference in ROAD",
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
            rule="its maps are more faithful to the network than other subjects' maps",
            quantity="difference in ROAD",
            fault="no more faithful than other subjects' maps",
            unshown="was not shown to be more faithful than other subjects' maps",
            unmeasured="faithfulness in comparison with other subjects' maps",
            decimals=3,
        ),
    ),
    limits=SIGNED,
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
    """Every measure of every layer's map, of its random controls, and how much more faithful the map is than these.

    Shares of the brain's pixels are removed; what is measured is the probability of the class explained. A slice whose
    map of a layer is blank is left out for that layer: it ranks nothing. Maps, controls and strangers of a slice share
    the order among equal pixels and the noise of the imputation.
    """
    scan, maps, settings = explained.sampled, explained.sampled_maps, explained.settings
    if not settings.fractions:
        return []
    if scan.together:
        return _of_volume(explained)
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for index in range(len(scan)):
        beside = {
            layer: _maps_beside(explained, layer, index)
            for layer in maps.layers
            if (heat_of(maps.raw[layer][index, None], scan.shape)[0] * scan.brain[index]).any()
        }
        if not beside:
            continue
        scores = scores_of_slice(
            explained.model,
            scan.images[index],
            scan.brain[index],
            np.concatenate([heat_of(raw, scan.shape) for raw in beside.values()]),
            maps.target,
            fractions=settings.fractions,
            areas=settings.deletion,
            batch_size=settings.batch_size,
            random=generator(explained.seed, "removal", scan.name, scan.geometry.slices[index]),
        )
        ends = np.cumsum([len(raw) for raw in beside.values()])[:-1]
        for measure, numbers in scores.items():
            for layer, of_layer in zip(beside, np.split(numbers, ends), strict=True):
                own, controls, strangers = np.split(of_layer, [1, 1 + settings.controls])
                rows = found.setdefault((layer, measure), {})
                for against, number in _compared(measure, float(own[0]), controls, strangers).items():
                    rows.setdefault(against, []).append(number)
    return [
        value
        for (layer, measure), rows in found.items()
        for against, numbers in rows.items()
        for value in mean_of(maps.method, layer, measure, numbers, against)
    ]


def _of_volume(explained: ExplainedScan) -> list[Value]:
    """As `faithfulness`, by ROAD alone, of maps of a network that sees all slices together."""
    rows = []
    for layer in explained.maps.layers:
        after = road_of_volume(explained, layer, NOISE)
        if not after:
            continue
        scores = {
            ROAD_MOST: after["hottest"],
            ROAD_LEAST: after["coldest"],
            ROAD: after["coldest"] - after["hottest"],
        }
        for measure, numbers in scores.items():
            own, controls, strangers = np.split(numbers, [1, 1 + explained.settings.controls])
            compared = _compared(measure.name, float(own[0]), controls, strangers)
            rows += [
                row
                for against, number in compared.items()
                for row in mean_of(explained.maps.method, layer, measure.name, [number], against)
            ]
    return rows


def _maps_beside(explained: ExplainedScan, layer: str, index: int) -> Heat:
    """Raw maps (1 + controls + strangers, h, w): of a layer and slice, its controls, and those of other subjects.

    A stranger's map comes from the same layer, so it is as blurred; it is given the map's values by rank, so that it
    has the same area and share of zeros.
    """
    scan, raw = explained.sampled, explained.sampled_maps.raw[layer][index]
    brain = scan.brain[index]
    random = generator(explained.seed, "controls", scan.name, scan.geometry.slices[index], layer)
    cells = cells_of(brain, raw.shape)
    others = [maps.raw[layer][index] for maps in explained.strangers]
    patterns = np.stack([raw, *(one for one in others if np.ptp(one[cells]) > 0)])
    return np.concatenate(
        [
            raw[None],
            control_maps(raw, brain, explained.settings.controls, random),
            with_values_of(raw, patterns[1:], cells, random),
        ]
    )


def _compared(
    measure: str, own: float, controls: NDArray[np.float64], strangers: NDArray[np.float64]
) -> dict[str, float]:
    """By what a row is against, the score of a map, of what it is held against, and how much better it is."""
    held = {CONTROL: controls, OTHERS: strangers if measure == ROAD.name else strangers[:0]}
    found = {"": own}
    for name, numbers in held.items():
        if len(numbers):
            found[name] = float(numbers.mean())
            found[f"above {name}"] = SIGN[measure] * (own - found[name])
    return found


def scores_of_slice(
    model: nn.Module,
    image: Heat,
    brain: Mask,
    heat: Heat,
    target: int,
    *,
    random: np.random.Generator,
    fractions: Sequence[float] = FRACTIONS,
    areas: bool = False,
    noise: float = NOISE,
    batch_size: int = 32,
) -> dict[str, NDArray[np.float64]]:
    """Every measure of maps of one picture.

    Args:
        model: in evaluation mode, on its device.
        image: (3, rows, columns).
        brain: (rows, columns).
        heat: (m, rows, columns).
        target: position of the class.
        random: of the order among equals and the noise of the imputation, which all maps share.
        fractions: shares of the brain's pixels.
        areas: measure deletion and insertion too, not only ROAD.
        noise: standard deviation of the imputation's noise.
        batch_size: pictures at once.

    Returns:
        By measure, (m,).
    """
    order = ranks(heat, brain, random)
    pictures = RemovedPixels(image, brain, noise, random)
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
