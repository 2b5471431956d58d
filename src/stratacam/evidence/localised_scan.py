"""Localisation of one scan: its maps, and what they are held against, on the truth of its class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.draws import generator
from stratacam.evidence.faithfulness.control import control_maps
from stratacam.evidence.faithfulness.curves import ABOVE_OTHERS
from stratacam.evidence.localisation import (
    ABOVE_NOISE,
    AVERAGE_PRECISION,
    SCORES,
    Mask,
    chance,
    chance_of_average_precision,
    scores_of,
)
from stratacam.evidence.map_scores import average_precision
from stratacam.evidence.measures import ExplainedScan, Kind, Need
from stratacam.evidence.references import CEILING, CHANCE, mask_at_layer
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.values import Value, mean_of
from stratacam.maps.heat import Heat, heat_of
from stratacam.maps.slice_maps import SliceMaps

NOISE_MAPS = 64
"""Moved copies of each layer's maps of a scan, at least, that these are compared with."""


@dataclass(frozen=True)
class _Part:
    """A structure of the truth by itself; pixels of the others count neither way.

    Attributes:
        name: of the structure.
        truth: (n, rows, columns).
        brain: (n, rows, columns), without the other structures.
        slices: of the scored ones, those that show it.
    """

    name: str
    truth: Mask
    brain: Mask
    slices: list[int]


def localisation(explained: ExplainedScan) -> list[Value]:
    """Every score of every layer, and of what maps are held against, on the slices that `scored_slices` names.

    Blank maps count as what they are. The method of a reference's rows is its name; they name layers for "truth at
    layer" only. There are none without reference maps. Of a truth of several structures, the average precision is also
    given for each, as rows against its name.
    """
    maps, scan = explained.maps, explained.scan
    chosen = scored_slices(maps, scan, explained.true_class)
    truth = scan.truth
    if truth is None or not chosen:
        return []
    parts = list(_parts(scan, truth, chosen))

    def rows(method: str, layer: str, heat: Heat) -> list[Value]:
        found = [
            scores_of(heat[index][None], truth[index], scan.brain[index], scan.pixel_mm) for index in chosen
        ]
        values = [
            row
            for score in SCORES
            for row in score.rows(method, layer, [one[score.name][0] for one in found])
        ]
        for part in parts:
            numbers = [_precision(heat[i][None], part.truth[i], part.brain[i])[0] for i in part.slices]
            values += AVERAGE_PRECISION.rows(method, layer, numbers, part.name)
        return values

    values = [row for layer in maps.layers for row in rows(maps.method, layer, maps.heat(layer, scan.shape))]
    values += _above_others(explained)
    values += _above_noise(explained, truth, chosen)
    if explained.references is None:
        return values
    for name, heat in explained.references.items():
        values += rows(name, "", heat)
    values += _chances(explained, truth, chosen, parts)
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


def _parts(scan: ScanSlices, truth: Mask, chosen: Sequence[int]) -> Iterator[_Part]:
    """The structures of the truth one by one, where there are several."""
    for name in scan.true_structures if len(scan.true_structures) > 1 else ():
        part = scan.structures[name]
        brain = scan.brain & (part | ~truth)
        yield _Part(name, part, brain, [index for index in chosen if (part & brain)[index].any()])


def _above_others(explained: ExplainedScan) -> list[Value]:
    """Average precision of the scan's maps less that of other subjects' maps, on the truth of the scan."""
    maps, scan = explained.sampled_maps, explained.sampled
    chosen = scored_slices(maps, scan, explained.true_class)
    if scan.truth is None or not chosen or not explained.strangers:
        return []
    truth, values = scan.truth, []

    for layer in maps.layers:
        own, *others = (one.heat(layer, scan.shape) for one in (maps, *explained.strangers))
        every = np.stack([own, *others], axis=1)
        found = [_precision(every[index], truth[index], scan.brain[index]) for index in chosen]
        values += AVERAGE_PRECISION.rows(maps.method, layer, map(_above_rest, found), ABOVE_OTHERS)
    return values


def _above_noise(explained: ExplainedScan, truth: Mask, chosen: Sequence[int]) -> list[Value]:
    """Average precision of maps less that of the same maps moved in the brain: noise of their resolution and blur."""
    maps, scan = explained.maps, explained.scan
    count = max(1, round(NOISE_MAPS / len(chosen)))
    values = []
    for layer, raw in maps.raw.items():
        heat, differences = maps.heat(layer, scan.shape), []
        for index in chosen:
            random = generator(explained.seed, "noise", scan.name, index, maps.method, layer)
            moved = control_maps(raw[index], scan.brain[index], count, random, seamless=False)
            noise = heat_of(moved, scan.shape)
            found = _precision(np.stack([heat[index], *noise]), truth[index], scan.brain[index])
            differences.append(_above_rest(found))
        values += AVERAGE_PRECISION.rows(maps.method, layer, differences, ABOVE_NOISE)
    return values


def _precision(heat: Heat, truth: Mask, brain: Mask) -> NDArray[np.float64]:
    """Average precision of maps (m, rows, columns) of one picture, (m,)."""
    return average_precision(heat[:, brain], truth[brain])


def _above_rest(scores: NDArray[np.float64]) -> float:
    """The first score less the mean of the others."""
    return float(scores[0] - scores[1:].mean())


def _chances(
    explained: ExplainedScan, truth: Mask, chosen: Sequence[int], parts: Sequence[_Part]
) -> list[Value]:
    """What random numbers score on average, as rows of "chance"."""
    scan = explained.scan
    found: list[Mapping[str, float]] = [
        chance(
            truth[index],
            scan.brain[index],
            scan.pixel_mm,
            generator(explained.seed, "chance", scan.name, index),
        )
        for index in chosen
    ]
    values = [row for score in SCORES for row in score.rows(CHANCE, "", [one[score.name] for one in found])]
    for part in parts:
        numbers = [
            chance_of_average_precision(int(part.brain[i].sum()), int((part.truth & part.brain)[i].sum()))
            for i in part.slices
        ]
        values += mean_of(CHANCE, "", AVERAGE_PRECISION.name, numbers, part.name)
    return values


KIND = Kind(
    name="localisation",
    question="whether heat finds the truth",
    needs=Need.TRUTH,
    measures=SCORES,
    of_scan=localisation,
)
