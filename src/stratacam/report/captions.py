"""What a figure says of the scan, slice, layer and map that it shows."""

import numpy as np

from stratacam.cam.drawing import COLOURS, STRONG
from stratacam.maps import ScanMaps
from stratacam.report.overlay import WHITE
from stratacam.report.shown import ShownScan
from stratacam.scans.planes import AXES

UNIT = "heat: share of the layer's maximum in this scan"


def place_of(scan: ShownScan, index: int) -> str:
    """The position of a slice: among the kept slices, in the volume, and in the world."""
    kept = scan.volume.kept
    number = int(np.searchsorted(kept, index)) + 1
    axis = "xyz"[AXES[scan.volume.plane][0]]
    return f"slice {number} of {len(kept)}\nindex {index}, {axis} = {scan.position_mm[index]:+.0f} mm"


def describe_scan(scan: ShownScan) -> str:
    """The scan, its predicted class, the class and method of the maps, and the view drawn."""
    maps = scan.explained
    group = f", group {scan.group}" if scan.group else ""
    return (
        f"{scan.name}{group} · predicted {maps.predicted}, p = {maps.scan_probabilities[maps.predicted]:.2f}"
        f" · maps of {maps.explained} ({maps.method}, ReLU, normalised per volume)"
    )


def describe_slice(scan: ShownScan, index: int) -> str:
    """The place of a slice in the scan, and the class that the network gives to this slice."""
    maps = scan.explained
    probabilities = maps.probabilities[int(np.searchsorted(maps.slices, index))]
    best = int(probabilities.argmax())
    return f"{place_of(scan, index)}\n{maps.classes[best]}, p = {probabilities[best]:.2f}"


def describe_layer(maps: ScanMaps, layer: str) -> str:
    """Name, resolution, maximum, and on how many slices the map is blank."""
    raw = maps.raw(layer)
    blank = sum(bool(cause) for cause in maps.blank[layer])
    return (
        f"{layer}\n{raw.shape[1]} x {raw.shape[2]}\nmax {max(float(raw.max()), 0):.2g}\n"
        f"blank on {blank} of {len(raw)}"
    )


def how_drawn(scan: ShownScan) -> str:
    """View, colours and outline of the maps."""
    truth = (
        "The true lesions of this scan are not known."
        if scan.lesions is None
        else "Thin line: outline of the true lesions."
        if scan.lesions.any()
        else "This scan has no lesions."
    )
    return (
        f"Method {scan.explained.method}, after ReLU, upsampled linearly, normalised per volume: each layer is divided "
        "by its maximum over all explained slices of the scan. Slices can be compared, layers cannot. Colours: "
        f"{COLOURS}; opacity grows with heat up to {STRONG:g}; the bar shows the colours over middle grey. "
        f"Grey: the scan as the network sees it, 0 black to {WHITE:g} white. Heat outside the brain is not "
        f"hidden; the margin is 1 cm. A blank map shows the anatomy only and says why. {truth}"
    )
