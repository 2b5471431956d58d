"""Change of the logit when the hottest region of each layer's map is filled, and when a sham of it is."""

from itertools import chain

import numpy as np

from stratacam.evidence.counterfactual.fall import SliceToFill, VolumeToFill
from stratacam.evidence.counterfactual.shams import HOTTEST, above_sham, sham_of, sham_regions
from stratacam.evidence.counterfactual.structures import LOGIT_CHANGE
from stratacam.evidence.draws import generator
from stratacam.evidence.faithfulness.ranking import hottest, ranks
from stratacam.evidence.measures import ExplainedScan
from stratacam.evidence.values import Value

AREA = 0.05
"""Of the brain: the hottest region of every layer's map is as large, whatever the map."""


def hottest_rows(explained: ExplainedScan) -> list[Value]:
    """Falls of the hottest region of each layer's map, of one sham, and the difference, in every other slice.

    A slice whose map of a layer is blank is left out for that layer: it has no hottest region.
    """
    if explained.scan.together:
        return _rows_of_volume(explained)
    scan, maps, settings = explained.sampled, explained.sampled_maps, explained.settings
    found: dict[tuple[str, str], list[float]] = {}
    for index in range(0, len(scan), 2):
        one = SliceToFill(scan, index, settings.filling, explained.seed)
        heat = {layer: maps.heat(layer, scan.shape)[index] for layer in maps.layers}
        heat = {layer: values for layer, values in heat.items() if values[one.brain].any()}
        if not heat:
            continue
        order = ranks(
            np.stack(list(heat.values())),
            one.brain,
            generator(explained.seed, HOTTEST, scan.name, index),
        )
        pairs = []
        for layer, rank in zip(heat, order, strict=True):
            region = hottest(rank, one.brain, AREA)
            shams = sham_regions(one, region, one.plain & ~region, f"{HOTTEST} {layer}", count=1)
            if shams:
                pairs.append((layer, region, shams[0]))
        regions = list(chain.from_iterable((region, sham) for _, region, sham in pairs))
        falls = one.falls(explained.model, maps.target, regions, settings.batch_size).reshape(-1, 2)
        for (layer, _, _), (of_region, of_sham) in zip(pairs, falls, strict=True):
            for against, fall in (
                (HOTTEST, of_region),
                (sham_of(HOTTEST), of_sham),
                (above_sham(HOTTEST), of_region - of_sham),
            ):
                found.setdefault((layer, against), []).append(float(fall))
    return [
        row
        for (layer, against), numbers in found.items()
        for row in LOGIT_CHANGE.rows(maps.method, layer, numbers, against)
    ]


def _rows_of_volume(explained: ExplainedScan) -> list[Value]:
    """As `hottest_rows`, of the hottest region of the whole brain, which is filled in all slices together."""
    scan, maps = explained.scan, explained.maps
    whole = VolumeToFill(scan, explained.settings.filling, explained.seed)
    rows = []
    for layer in maps.layers:
        heat = maps.heat(layer, scan.shape)
        if not heat[scan.brain].any():
            continue
        order = ranks(heat[None], scan.brain, generator(explained.seed, HOTTEST, scan.name))[0]
        region = hottest(order, scan.brain, AREA)
        parts = {index: region[index] for index in range(len(scan)) if region[index].any()}
        shams = {}
        for index, part in parts.items():
            one = whole.slices[index]
            for sham in sham_regions(one, part, one.plain & ~part, f"{HOTTEST} {layer}", count=1):
                shams[index] = sham
        if not shams:
            continue
        # a slice without room for a sham is left as it is in both
        of_region, of_sham = whole.falls(
            explained.model, maps.target, [{index: parts[index] for index in shams}, shams]
        )
        for against, fall in (
            (HOTTEST, of_region),
            (sham_of(HOTTEST), of_sham),
            (above_sham(HOTTEST), of_region - of_sham),
        ):
            rows += LOGIT_CHANGE.rows(maps.method, layer, [float(fall)], against)
    return rows
