"""Maps of one scan to disk, batch by batch: see `stratacam.maps.store`."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stratacam.cam import Explanation
from stratacam.cam.methods import REGISTRY
from stratacam.files import put_folder, temporary_name
from stratacam.maps.fused import fuse, fused_blank, parts_of
from stratacam.maps.store import ScanMaps, highest, read_maps
from stratacam.scans.geometry import Geometry

SLICES_PER_CHUNK = 16


@dataclass(frozen=True)
class Explained:
    """What is known of a scan's maps before they are made; attributes as in `ScanMaps`."""

    name: str
    method: str
    smooth: int
    classes: tuple[str, ...]
    scan_probabilities: Mapping[str, float]
    every_explained: tuple[str, ...]
    geometry: Geometry
    model: Mapping[str, Any] = field(default_factory=dict)
    in_training: str = "unknown"


@dataclass(frozen=True)
class Filled:
    """What belongs to the arrays of a store.

    Attributes:
        blank: as `ScanMaps.blank_of`.
        logits: (n, K).
        attributes: of the group, beside or in place of those of every store.
    """

    blank: Mapping[str, list[list[str]]]
    logits: NDArray[np.float32]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def write_maps(
    path: Path,
    explained: Explained,
    batches: Iterable[Explanation],
    brain: NDArray[np.bool_],
    *,
    fused: Sequence[str] = (),
) -> ScanMaps:
    """Write maps to `path` as they come, batch by batch, whole or not at all; return them as `read_maps` does.

    Args:
        path: the store.
        explained: what is known before maps are made.
        batches: maps of one network.
        brain: (n, rows, columns), in the pictures, by which the parts of fused maps are scaled.
        fused: names of maps over layers, whose parts are among the layers.
    """

    def fill(group: zarr.Group) -> Filled:
        filled = _write_batches(group, len(explained.geometry.slices), batches)
        return Filled({**filled.blank, **_write_fused(group, filled.blank, brain, fused)}, filled.logits)

    return write_group(path, explained, fill)


def _write_fused(
    group: zarr.Group,
    blank: Mapping[str, list[list[str]]],
    brain: NDArray[np.bool_],
    fused: Sequence[str],
) -> dict[str, list[list[str]]]:
    """Write maps over layers of which every part is written; return why maps show nothing, as `Filled.blank`."""
    found = {}
    for layer in fused:
        parts = {part: np.asarray(group[f"layers/{part}"]) for part in parts_of(layer)}
        heat = [
            fuse({part: raw[column] for part, raw in parts.items()}, layer, brain)
            for column in range(len(blank[parts_of(layer)[0]]))
        ]
        new_array(group, f"layers/{layer}", np.shape(heat))[:] = np.stack(heat)
        found[layer] = [
            list(fused_blank({part: blank[part][column] for part in parts}, layer, one))
            for column, one in enumerate(heat)
        ]
    return found


def write_group(path: Path, explained: Explained, fill: Callable[[zarr.Group], Filled]) -> ScanMaps:
    """Write what `fill` puts into a group to `path`, whole or not at all; return it as `read_maps` does."""
    temporary = temporary_name(path)
    shutil.rmtree(temporary, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        group = zarr.open_group(temporary, mode="w")
        filled = fill(group)
        group.create_array("logits", data=filled.logits)
        group.attrs.update(
            {
                "name": explained.name,
                "method": explained.method,
                "smooth": explained.smooth,
                "view": "raw: signed, at each layer's own resolution",
                "unit": REGISTRY[explained.method].unit,
                "model": dict(explained.model),
                "in_training": explained.in_training,
                "classes": list(explained.classes),
                "predicted": highest(explained.scan_probabilities),
                "scan_probabilities": dict(explained.scan_probabilities),
                "explained": list(explained.every_explained),
                "layers": list(filled.blank),
                "blank": filled.blank,
                "geometry": explained.geometry.as_json(),
                **filled.attributes,
            }
        )
        put_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return read_maps(path)


def new_array(group: zarr.Group, name: str, shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - zarr's own type
    """An array of maps (..., n, rows, columns) in the group, in chunks of a few slices."""
    chunks = (*(1 for _ in shape[:-3]), min(shape[-3], SLICES_PER_CHUNK), *shape[-2:])
    return group.create_array(name, shape=shape, chunks=chunks, dtype="float32")


def _write_batches(group: zarr.Group, slices: int, batches: Iterable[Explanation]) -> Filled:
    """Write the raw maps of each batch in its place."""
    arrays: dict[str, Any] = {}
    blank: dict[str, list[list[str]]] = {}
    logits: list[NDArray[np.float32]] = []
    start = 0
    for batch in batches:
        stop = start + len(batch.logits)
        logits.append(batch.logits.numpy())
        for maps in batch:
            raw = maps.raw.transpose(0, 1).numpy()  # (C, B, rows, columns)
            if maps.name not in arrays:
                arrays[maps.name] = new_array(
                    group, f"layers/{maps.name}", (len(raw), slices, *raw.shape[2:])
                )
                blank[maps.name] = [[] for _ in raw]
            arrays[maps.name][:, start:stop] = raw
            for column, causes in enumerate(blank[maps.name]):
                causes.extend(row[column] for row in maps.blank)
        start = stop
    return Filled(blank, np.concatenate(logits))
