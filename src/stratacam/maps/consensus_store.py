"""The consensus of several networks on disk: mean, spread and agreement, and if wanted every member's maps."""

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
from stratacam.maps.store.arrays import CLASS, HEIGHT, MODEL, SLICE, STATISTIC, WIDTH, write_maps_array
from stratacam.maps.store.group import Explained, Filled, write_group
from stratacam.maps.store.scan_maps import LAYERS, MEMBERS, STATISTICS
from stratacam.maps.store.scratch import Scratch

UNIT = f"scale of a network: the {HEAT_SCALE} quantile of its absolute value over the brain"


def write_consensus(
    path: Path,
    explained: Explained,
    batches: Iterable[MemberMaps],
    brain: NDArray[np.bool_],
    members: Sequence[Mapping[str, Any]],
    *,
    fused: Sequence[str] = (),
    keep_members: bool = False,
) -> ScanMaps:
    """Write the consensus of maps to `path`, whole or not at all; return it as `read_maps` does.

    The maps of all members wait on disk, so that memory is needed for one layer, or for the parts of one fused map.

    Args:
        path: the store.
        explained: what is known before maps are made.
        batches: maps of the members.
        brain: (n, rows, columns), in the pictures.
        members: which networks they are.
        fused: names of maps over layers, whose parts are among the layers.
        keep_members: store the members' own maps, too, but for fused ones.
    """

    def fill(group: zarr.Group, scratch: Scratch) -> Filled:
        logits, unreached = _wait(scratch, batches)
        blank: dict[str, list[list[str]]] = {}
        scales: dict[str, list[list[float]]] = {}
        reliabilities: dict[str, list[float | None]] = {}
        for layer in (*scratch.layers, *fused):
            raw, never = _members_of(scratch, unreached, layer, brain)
            found = [LayerConsensus.of(of_class, brain) for of_class in raw.swapaxes(0, 1)]
            statistics = np.stack([[getattr(one, name) for one in found] for name in STATISTICS])
            write_maps_array(
                group,
                f"{LAYERS}/{layer}",
                statistics,
                (STATISTIC, CLASS, SLICE, HEIGHT, WIDTH),
                explained.dtype,
            )
            if keep_members and not is_fused(layer):
                dimensions = (MODEL, CLASS, SLICE, HEIGHT, WIDTH)
                write_maps_array(group, f"{MEMBERS}/{layer}", raw, dimensions, explained.dtype)
            reliabilities[layer] = [
                _known(reliability(in_units(raw[:, column], one.scales), brain))
                for column, one in enumerate(found)
            ]
            scales[layer] = [list(one.scales) for one in found]
            blank[layer] = [list(why_blank(one.mean, never[:, column])) for column, one in enumerate(found)]
        attributes = {
            "statistics": list(STATISTICS),
            "members": [dict(one) for one in members],
            "scales": scales,
            "reliability": reliabilities,
            "unit": UNIT,
            "view": "mean over networks of raw maps, each divided by its scale: signed, at each layer's own resolution",
        }
        return Filled(blank, logits, attributes)

    return write_group(path, explained, fill)


def _wait(
    scratch: Scratch, batches: Iterable[MemberMaps]
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.bool_]]]:
    """Write every member's maps to the scratch; return mean logits (n, K), and by layer `unreached` (M, C, n)."""
    unreached: dict[str, list[NDArray[np.bool_]]] = {}
    logits = []
    for batch in batches:
        logits.append(batch.logits.mean(axis=0))
        for layer, raw in batch.raw.items():
            scratch.append(layer, raw)
            unreached.setdefault(layer, []).append(batch.unreached[layer])
    return np.concatenate(logits), {layer: np.concatenate(one, axis=2) for layer, one in unreached.items()}


def _members_of(
    scratch: Scratch, unreached: Mapping[str, NDArray[np.bool_]], layer: str, brain: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Maps of the members in one layer or fused, (M, C, n, h, w), and where no gradient arrived, (M, C, n)."""
    if not is_fused(layer):
        return scratch.read(layer), unreached[layer]
    parts = {part: scratch.read(part) for part in parts_of(layer)}
    return fuse_members(parts, unreached, layer, brain)


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number
