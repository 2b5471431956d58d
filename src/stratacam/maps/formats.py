"""Formats in which maps are written beside their store.

To add a format, write a module with a function like `write_prepared` and add its entry to `FORMATS`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.maps.nifti import FileName, entity, label_of, write_delivered, write_prepared
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import ScanMaps

WriteMap = Callable[[FileName, ScanMaps, str, NDArray[np.float32], ExplainSettings], set[Path]]
"""Writes the map of a layer, given what makes a path of an entity of space and an ending, the maps of a class, the
layer, its map as a prepared volume and the settings; returns the files."""

FORMATS: Mapping[str, WriteMap] = {
    "NIfTI on the prepared grid": write_prepared,
    "NIfTI on the scans as delivered": write_delivered,
}


def write_formats(
    folder: Path, maps: ScanMaps, layer: str, volume: NDArray[np.float32], settings: ExplainSettings
) -> set[Path]:
    """Write the map of a layer in every format; return the files.

    Names of files are made here, with scan, class, layer and method, so that no map overwrites another's file.
    """

    def name(space: str, ending: str) -> Path:
        return (
            folder / f"{maps.name}_{space}{label_of(maps)}_desc-{entity(layer)}_{entity(maps.method)}{ending}"
        )

    return set().union(*(write(name, maps, layer, volume, settings) for write in FORMATS.values()))
