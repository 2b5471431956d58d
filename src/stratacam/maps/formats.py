"""Formats in which maps are written beside their store.

To add a format, write a module with a function like `write_prepared` and add its entry to `FORMATS`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.maps.nifti import write_delivered, write_prepared
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import ScanMaps

WriteMap = Callable[[Path, ScanMaps, str, NDArray[np.float32], ExplainSettings], set[Path]]
"""Writes the map of a layer, given the stem of the files' path, the maps of a class, the layer, its map as a prepared
volume and the settings; returns the files."""

FORMATS: Mapping[str, WriteMap] = {
    "NIfTI on the prepared grid": write_prepared,
    "NIfTI on the scans as delivered": write_delivered,
}
