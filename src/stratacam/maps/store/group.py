"""A store is written: arrays into a folder beside it, then the root file, and then it takes its place."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stratacam.cam.methods import REGISTRY
from stratacam.files import whole_folder
from stratacam.maps.store.arrays import CLASS, SLICE, write_array
from stratacam.maps.store.root import write_root
from stratacam.maps.store.scan_maps import ScanMaps, highest, read_maps
from stratacam.maps.store.scratch import Scratch
from stratacam.maps.store.stored_type import StoredType
from stratacam.scans.geometry import Geometry

SCRATCH = "scratch"
"""Folder of what is needed on the way; removed before the store is finished."""


@dataclass(frozen=True)
class Explained:
    """What is known of a scan's maps before they are made; attributes as in `ScanMaps`, and how they are stored.

    Attributes:
        smooth: noisy copies of each slice, see `stratacam.explain`.
        dtype: type of the stored numbers.
        arithmetic: with which they are made, "exact" or "fast".
        largest_map_error: of a layer by that, see `stratacam.maps.precision`.
    """

    name: str
    method: str
    smooth: int
    classes: tuple[str, ...]
    scan_probabilities: Mapping[str, float]
    every_explained: tuple[str, ...]
    geometry: Geometry
    model: Mapping[str, Any] = field(default_factory=dict)
    in_training: str = "unknown"
    dtype: StoredType = "float32"
    arithmetic: str = "exact"
    largest_map_error: float = 0.0


@dataclass(frozen=True)
class Filled:
    """What belongs to the arrays of a store.

    Attributes:
        blank: as `ScanMaps.blank_of`.
        logits: (n, K).
        attributes: of the group, beside or in place of those of every store.
    """

    blank: Mapping[str, Sequence[Sequence[str]]]
    logits: NDArray[np.float32]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def write_group(path: Path, explained: Explained, fill: Callable[[zarr.Group, Scratch], Filled]) -> ScanMaps:
    """Write what `fill` puts into a group to `path`, whole or not at all; return it as `read_maps` does.

    Raises:
        InputError: it cannot be written.
    """
    with whole_folder(path) as folder:
        scratch = folder / SCRATCH
        scratch.mkdir()
        group = zarr.open_group(folder, mode="a")
        filled = fill(group, Scratch(scratch))
        write_array(group, "logits", filled.logits, (SLICE, CLASS))
        shutil.rmtree(scratch)
        write_root(folder, _attributes(explained, filled))
    return read_maps(path)


def _attributes(explained: Explained, filled: Filled) -> dict[str, Any]:
    networks = filled.attributes.get("members") or [explained.model]
    return {
        "name": explained.name,
        "method": explained.method,
        "smooth": explained.smooth,
        "view": "raw: signed, at each layer's own resolution",
        "unit": REGISTRY[explained.method].unit,
        "model": dict(explained.model),
        "in_training": explained.in_training,
        "arithmetic": explained.arithmetic,
        "largest_map_error": explained.largest_map_error,
        "classes": list(explained.classes),
        "predicted": highest(explained.scan_probabilities),
        "scan_probabilities": dict(explained.scan_probabilities),
        "calibration": {
            "scan_probabilities": "as the network gives them, not scaled by a temperature",
            "temperatures": [one.get("temperature") for one in networks],
        },
        "explained": list(explained.every_explained),
        "layers": list(filled.blank),
        "blank": {layer: _causes_by_slice(causes) for layer, causes in filled.blank.items()},
        "geometry": explained.geometry.as_json(),
        **filled.attributes,
    }


def _causes_by_slice(causes: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """By class, why maps show nothing, of those slices whose maps do."""
    return [{str(place): cause for place, cause in enumerate(of_class) if cause} for of_class in causes]
