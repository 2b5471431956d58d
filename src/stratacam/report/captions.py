"""What a figure says of the scan, slice, layer and map that it shows."""

from collections.abc import Sequence

import numpy as np

from stratacam.cam.colours import COLOURS
from stratacam.cam.drawing import STRONG
from stratacam.maps import ScanMaps
from stratacam.maps.member_maps import AGREES
from stratacam.report.names import method_title
from stratacam.report.numbers import listed
from stratacam.report.overlay import AGREED, WHITE
from stratacam.report.shown import ShownScan
from stratacam.scans.planes import AXES


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
    networks = f" of {len(maps.members)} networks" if maps.members else ""
    return (
        f"{scan.name}{group} · predicted {maps.predicted}, p = {maps.scan_probabilities[maps.predicted]:.2f}"
        f" · maps of {maps.explained} ({method_title(maps.method)}{networks}, ReLU, normalised per volume)"
    )


def describe_slice(scan: ShownScan, index: int) -> str:
    """The place of a slice in the scan, and the class that the network gives to this slice."""
    maps = scan.explained
    probabilities = maps.probabilities[int(np.searchsorted(maps.slices, index))]
    best = int(probabilities.argmax())
    return f"{place_of(scan, index)}\n{maps.classes[best]}, p = {probabilities[best]:.2f}"


def how_drawn(*scans: ShownScan) -> str:
    """View, colours and outline of the maps of open scans, of one method or several."""
    methods = list(dict.fromkeys(method_title(scan.explained.method) for scan in scans))
    several = next((scan.explained for scan in scans if scan.explained.members), scans[0].explained)
    return (
        f"{'Methods' if len(methods) > 1 else 'Method'} {listed(methods)}, after ReLU, upsampled linearly, normalised "
        "per volume: each layer is divided by its maximum over all explained slices of the scan. Slices can be "
        f"compared, layers cannot. Colours: {COLOURS}; opacity grows with heat up to {STRONG:g}; the bar shows the "
        f"colours over middle grey. Grey: the scan as the network sees it, 0 black to {WHITE:g} white. Heat outside "
        "the brain is not hidden; the margin is 1 cm. A blank map shows the anatomy only and says why. "
        f"{_outlined(scans)}{how_agreed(several)}"
    )


def _outlined(scans: Sequence[ShownScan]) -> str:
    """Whether true lesions are outlined."""
    known = [scan.lesions for scan in scans if scan.lesions is not None]
    one = len({scan.name for scan in scans}) == 1
    if not known:
        return f"The true lesions of {'this scan' if one else 'these scans'} are not known."
    if any(lesions.any() for lesions in known):
        return f"Thin line: outline of the true lesions{'' if one else ', where they are known'}."
    return "This scan has no lesions." if one else "These scans have no known lesions."


def how_agreed(maps: ScanMaps) -> str:
    """What is drawn of a consensus; "" for maps of one network."""
    if not maps.members:
        return ""
    return (
        f" Maps are the mean of {len(maps.members)} networks, each in units of its scale; where fewer than "
        f"{100 * AGREED:.0f} % of them agree (heat of at least {AGREES:g} of their scale), heat is pale."
    )
