"""Maps of one scan by one network to disk, batch by batch: see `stratacam.maps.store`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from stratacam.cam import Explanation
from stratacam.maps.fused import fuse, fused_blank, is_fused, parts_of
from stratacam.maps.heat import Heat
from stratacam.maps.store import ScanMaps
from stratacam.maps.store.arrays import CLASS, HEIGHT, SLICE, WIDTH, write_maps_array
from stratacam.maps.store.group import Explained, Filled, write_group
from stratacam.maps.store.scratch import Scratch


def write_maps(
    path: Path,
    explained: Explained,
    batches: Iterable[Explanation],
    brain: NDArray[np.bool_],
    *,
    fused: Sequence[str] = (),
) -> ScanMaps:
    """Write maps to `path`, whole or not at all; return them as `read_maps` does.

    Batches wait on disk, so that memory is needed for one layer, or for the parts of one fused map.

    Args:
        path: the store.
        explained: what is known before maps are made.
        batches: maps of one network.
        brain: (n, rows, columns), in the pictures, by which the parts of fused maps are scaled.
        fused: names of maps over layers, whose parts are among the layers.
    """

    def fill(group: zarr.Group, scratch: Scratch) -> Filled:
        blank: dict[str, list[list[str]]] = {}
        logits = []
        for batch in batches:
            logits.append(batch.logits.numpy())
            for maps in batch:
                scratch.append(maps.name, maps.raw.transpose(0, 1).numpy())  # (C, B, rows, columns)
                of_classes = blank.setdefault(maps.name, [[] for _ in range(maps.raw.shape[1])])
                for column, causes in enumerate(of_classes):
                    causes.extend(row[column] for row in maps.blank)
        for layer in (*scratch.layers, *fused):
            raw = _fused(scratch, layer, brain) if is_fused(layer) else scratch.read(layer)
            write_maps_array(group, f"layers/{layer}", raw, (CLASS, SLICE, HEIGHT, WIDTH), explained.dtype)
            if is_fused(layer):
                blank[layer] = [
                    list(fused_blank({part: blank[part][column] for part in parts_of(layer)}, layer, one))
                    for column, one in enumerate(raw)
                ]
        return Filled(blank, np.concatenate(logits))

    return write_group(path, explained, fill)


def _fused(scratch: Scratch, layer: str, brain: NDArray[np.bool_]) -> Heat:
    """Maps over layers of which every part is there, (C, n, rows, columns)."""
    parts = {part: scratch.read(part) for part in parts_of(layer)}
    classes = range(len(parts[parts_of(layer)[0]]))
    return np.stack(
        [fuse({part: raw[column] for part, raw in parts.items()}, layer, brain) for column in classes]
    )
