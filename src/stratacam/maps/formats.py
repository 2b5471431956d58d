"""Formats in which maps are written beside their store.

To add a format, write a module with a function like `write_prepared` and add its entry to `FORMATS`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from stratacam.maps.consensus_store import UNIT
from stratacam.maps.nifti import Drawn, FileName, entity, label_of, write_delivered, write_prepared
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import ScanMaps

WriteMap = Callable[[FileName, ScanMaps, str, Drawn, ExplainSettings], set[Path]]
"""Writes the map of a layer, given what makes a path of an entity of space and an ending, the maps of a class, the
layer, what is drawn of it on the prepared grid and the settings; returns the files."""

FORMATS: Mapping[str, WriteMap] = {
    "NIfTI on the prepared grid": write_prepared,
    "NIfTI on the scans as delivered": write_delivered,
}

ONE_NETWORK = ("", "Class activation map, signed", None)
CONSENSUS = ("", "Consensus of class activation maps of several networks, signed: the mean", UNIT)
AGREEMENT = ("Agreement", "Share of networks whose heat is at least half of their scale", "1")
"""What is written: entity, description and unit; None is the method's."""


def write_formats(folder: Path, maps: ScanMaps, layer: str, settings: ExplainSettings) -> set[Path]:
    """Write the map of a layer in every format, and the agreement where it is of several networks; return the files.

    Names of files are made here, with scan, class, layer and method, so that no map overwrites another's file.
    """
    to_volume = maps.geometry.to_volume
    drawn = [Drawn(to_volume(maps.raw(layer)), *(CONSENSUS if maps.members else ONE_NETWORK))]
    agreement = maps.agreement(layer)
    if agreement is not None:
        drawn.append(Drawn(to_volume(agreement), *AGREEMENT))
    written: set[Path] = set()
    for one in drawn:

        def name(space: str, ending: str, what: str = one.entity) -> Path:
            described = f"desc-{entity(layer)}{what}_{entity(maps.method)}{ending}"
            return folder / f"{maps.name}_{space}{label_of(maps)}_{described}"

        for write in FORMATS.values():
            written |= write(name, maps, layer, one, settings)
    return written
