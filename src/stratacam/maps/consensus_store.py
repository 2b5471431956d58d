"""The consensus of several networks on disk: `layers/<name>`, their mean, `spread/<name>` and `agreement/<name>`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stratacam.maps.fused import is_fused, parts_of
from stratacam.maps.heat import HEAT_SCALE
from stratacam.maps.member_maps import LayerConsensus, MemberMaps, fuse_members, in_units, why_blank
from stratacam.maps.reliability import reliability
from stratacam.maps.store import ScanMaps
from stratacam.maps.writing import Explained, Filled, new_array, write_group

MEMBERS = "members"
"""Where the maps of the members are until those of all slices are there."""

UNIT = f"scale of a network: the {HEAT_SCALE} quantile of its absolute value over the brain"


def write_consensus(
    path: Path,
    explained: Explained,
    batches: Iterable[MemberMaps],
    brain: NDArray[np.bool_],
    members: Sequence[Mapping[str, Any]],
    *,
    fused: Sequence[str] = (),
) -> ScanMaps:
    """Write the consensus of maps to `path`, whole or not at all; return it as `read_maps` does.

    The maps of all members are held on disk, so that memory is needed for one layer.

    Args:
        path: the store.
        explained: what is known before maps are made.
        batches: maps of the members.
        brain: (n, rows, columns), in the pictures.
        members: which networks they are.
        fused: names of maps over layers, whose parts are among the layers.
    """

    def fill(group: zarr.Group) -> Filled:
        logits, unreached = _write_members(group, len(brain), batches)
        blank: dict[str, list[list[str]]] = {}
        scales: dict[str, list[list[float]]] = {}
        reliabilities: dict[str, list[float | None]] = {}
        for layer in (*unreached, *fused):
            raw, never = _members_of(group, unreached, layer, brain)
            found = [LayerConsensus.of(of_class, brain) for of_class in raw.swapaxes(0, 1)]
            for part, name in (("layers", "mean"), ("spread", "spread"), ("agreement", "agreement")):
                values = np.stack([getattr(one, name) for one in found])
                new_array(group, f"{part}/{layer}", values.shape)[:] = values
            reliabilities[layer] = [
                _known(reliability(in_units(raw[:, column], one.scales), brain))
                for column, one in enumerate(found)
            ]
            scales[layer] = [list(one.scales) for one in found]
            blank[layer] = [list(why_blank(one.mean, never[:, column])) for column, one in enumerate(found)]
        del group[MEMBERS]
        attributes = {
            "members": [dict(one) for one in members],
            "scales": scales,
            "reliability": reliabilities,
            "unit": UNIT,
            "view": "mean over networks of raw maps, each divided by its scale: signed, at each layer's own resolution",
        }
        return Filled(blank, logits, attributes)

    return write_group(path, explained, fill)


def _write_members(
    group: zarr.Group, slices: int, batches: Iterable[MemberMaps]
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.bool_]]]:
    """Write every member's maps in their place; return mean logits (n, K), and by layer `unreached` (M, C, n)."""
    arrays: dict[str, Any] = {}
    unreached: dict[str, NDArray[np.bool_]] = {}
    logits = []
    start = 0
    for batch in batches:
        stop = start + batch.logits.shape[1]
        logits.append(batch.logits.mean(axis=0))
        for layer, raw in batch.raw.items():
            if layer not in arrays:
                shape = (*raw.shape[:2], slices, *raw.shape[3:])
                arrays[layer] = new_array(group, f"{MEMBERS}/{layer}", shape)
                unreached[layer] = np.ones(shape[:3], dtype=bool)
            arrays[layer][:, :, start:stop] = raw
            unreached[layer][:, :, start:stop] = batch.unreached[layer]
        start = stop
    return np.concatenate(logits), unreached


def _members_of(
    group: zarr.Group, unreached: Mapping[str, NDArray[np.bool_]], layer: str, brain: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Maps of the members in one layer or fused, (M, C, n, h, w), and where no gradient arrived, (M, C, n)."""
    if not is_fused(layer):
        return np.asarray(group[f"{MEMBERS}/{layer}"]), unreached[layer]
    parts = {part: np.asarray(group[f"{MEMBERS}/{part}"]) for part in parts_of(layer)}
    return fuse_members(parts, unreached, layer, brain)


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number
