"""ROAD of maps of a network that sees all slices of a scan together: voxels are ranked, and removed, in all of them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.draws import generator
from stratacam.evidence.faithfulness.control import cells_of, control_maps, with_values_of
from stratacam.evidence.faithfulness.imputation import impute
from stratacam.evidence.faithfulness.ranking import coldest, hottest, ranks
from stratacam.evidence.measures import ExplainedScan
from stratacam.evidence.scan import ScanSlices
from stratacam.maps.heat import Heat, heat_of
from stratacam.maps.volumes import logits_of

Mask = NDArray[np.bool_]


def road_of_volume(explained: ExplainedScan, layer: str, noise: float) -> dict[str, NDArray[np.float64]]:
    """The probability of the class after the hottest, and after the coldest voxels are filled in.

    Args:
        explained: a scan whose slices the network sees together.
        layer: of the maps.
        noise: standard deviation of the imputation's.

    Returns:
        "hottest" and "coldest", each (1 + controls + strangers,), a mean over the settings' fractions; empty if the map
        is blank.
    """
    scan, fractions = explained.scan, explained.settings.fractions
    random = generator(explained.seed, "removal", scan.name)
    drawn = random.normal(scale=noise, size=scan.images.shape).astype(np.float32)
    found: dict[str, list[float]] = {"hottest": [], "coldest": []}
    for heat in _maps_beside(explained, layer):
        if not found["hottest"] and not heat[scan.brain].any():
            return {}
        order = ranks(heat[None], scan.brain, generator(explained.seed, "equals", scan.name))[0]
        for end, taken in (("hottest", hottest), ("coldest", coldest)):
            removed = [taken(order, scan.brain, fraction) for fraction in fractions]
            found[end].append(float(np.mean([_probability(explained, one, drawn) for one in removed])))
    return {end: np.array(numbers) for end, numbers in found.items()}


def _maps_beside(explained: ExplainedScan, layer: str) -> Iterator[Heat]:
    """Heat (n, rows, columns) of a layer, of its controls, and of other subjects' maps with the same values.

    Controls are moved, and values given, slice by slice; in a slice whose map is blank all of them are.
    """
    scan, raw, settings = explained.scan, explained.maps.raw[layer], explained.settings
    count = 1 + settings.controls + len(explained.strangers)
    beside = np.zeros((count, *raw.shape), dtype=np.float32)
    for index, own in enumerate(raw):
        brain = scan.brain[index]
        random = generator(explained.seed, "controls", scan.name, scan.geometry.slices[index], layer)
        cells = cells_of(brain, own.shape)
        if not own[cells].any():
            continue
        strangers = [maps.raw[layer][index] for maps in explained.strangers]
        beside[0, index] = own
        beside[1 : 1 + settings.controls, index] = control_maps(own, brain, settings.controls, random)
        if strangers:
            beside[1 + settings.controls :, index] = with_values_of(own, np.stack(strangers), cells, random)
    for one in beside:
        yield heat_of(one, scan.shape)


def _probability(explained: ExplainedScan, removed: Mask, noise: Heat) -> float:
    """Of the class, with voxels (n, rows, columns) filled in slice by slice."""
    scan = explained.scan
    images = _filled(scan, removed, noise)
    logits = logits_of(explained.model, images, scan.brain, len(images))[:1]
    return float(logits.softmax(dim=1)[0, explained.maps.target])


def _filled(scan: ScanSlices, removed: Mask, noise: Heat) -> Heat:
    images = scan.images.copy()
    for image, gone, its_noise in zip(images, removed, noise, strict=True):
        image[:] = np.where(gone, impute(image, gone) + its_noise, image)
    return images
