"""Panels that show a slice of a scan, with a map over it or without, and their rows of numbers."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from stratacam.cam.methods import REGISTRY
from stratacam.maps import ScanMaps
from stratacam.maps.fused import fused_title
from stratacam.report.captions import place_of
from stratacam.report.overlay import draw_slice
from stratacam.report.shown import Box, ShownScan

HEAT_UNIT = "heat: share of the map's maximum in the scan"

WHY_BLANK = "why_blank"
"""Column of the reason why a panel shows no heat."""

NO_SLICE = "slice not explained"


def draw_anatomy(
    panel: Axes, scan: ShownScan, sequence: str, index: int, *, box: Box, outline: bool = True
) -> Mapping[str, object]:
    """Draw a slice without a map, with the patient's sides; return its numbers."""
    draw_slice(panel, scan, sequence, index, box=box, outline=outline)
    return {**numbers_of_slice(scan, index), "shown": sequence}


def draw_heat(
    panel: Axes, scan: ShownScan, sequence: str, layer: str, index: int, *, box: Box
) -> Mapping[str, object]:
    """Draw heat over a slice, pale where networks do not agree; return its numbers.

    The map of a branch of late fusion lies on the sequence that the branch sees, all others on `sequence`.

    A blank map, and a slice that was not explained, show the anatomy and say why.
    """
    maps, indices, sequence = scan.explained, np.array([index]), scan.under(layer, sequence)
    about = {**numbers_of_slice(scan, index), **numbers_of_map(maps, layer), "shown": "heat"}
    if index not in maps.slices:
        draw_slice(panel, scan, sequence, index, blank=NO_SLICE, box=box, letters=False)
        return {**about, WHY_BLANK: NO_SLICE}
    heat, agreement = scan.heat(layer, indices)[0], scan.agreement(layer, indices)
    blank = maps.blank[layer][int(np.searchsorted(maps.slices, index))]
    draw_slice(
        panel, scan, sequence, index, heat=heat, agreement=None if agreement is None else agreement[0],
        blank=blank, box=box, letters=False,
    )  # fmt: skip
    return {**about, "peak": 0.0 if blank else float(heat.max()), WHY_BLANK: blank}


def numbers_of_slice(scan: ShownScan, index: int) -> dict[str, object]:
    """The scan, what the network gives it, and the place of a slice."""
    found: dict[str, object] = {"scan": scan.name, "group": scan.group or ""}
    if scan.maps is not None:
        found |= {"predicted": scan.maps.predicted, "probability": probability_of(scan.maps)}
    return {**found, "slice": index, "position_mm": float(scan.position_mm[index])}


def numbers_of_map(maps: ScanMaps, layer: str) -> dict[str, object]:
    """What a map is of, and its maximum over all explained slices of the scan."""
    return {
        "explained": maps.explained,
        "method": maps.method,
        "networks": max(len(maps.members), 1),
        "layer": layer,
        "maximum": max(float(maps.raw(layer).max()), 0.0),
        "unit": unit_of(maps),
    }


def unit_of(maps: ScanMaps) -> str:
    """The unit of raw maps; those of several networks are each divided by its scale."""
    if maps.members:
        return "scale units"
    unit = REGISTRY[maps.method].unit if maps.method in REGISTRY else "arbitrary"
    return {"logit": "logits", "arbitrary": "arbitrary units"}.get(unit, unit)


def probability_of(maps: ScanMaps) -> float:
    """That of the predicted class."""
    return float(maps.scan_probabilities[maps.predicted])


def name_layer(maps: ScanMaps, layer: str) -> str:
    """A layer, its resolution and maximum, and on how many slices its map is blank, if on any."""
    raw = maps.raw(layer)
    rows, columns = raw.shape[1:]
    blank = sum(map(bool, maps.blank[layer]))
    words = (
        f"{fused_title(layer)}\n{rows} x {columns}\nmaximum {max(float(raw.max()), 0):.2g} {unit_of(maps)}"
    )
    return f"{words}\nblank on {blank} of {len(raw)} slices" if blank else words


def name_scan(scan: ShownScan, index: int) -> str:
    """Group, scan, place of the slice, and what the network gives."""
    maps = scan.explained
    return (
        f"{scan.group or 'group not known'}\n{scan.name}\n{place_of(scan, index)}\n"
        f"predicted {maps.predicted}, p = {probability_of(maps):.2f}"
    )
