"""The maps of several networks side by side, and what they show together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from stratacam.cam.views import blank_cause
from stratacam.maps.fused import fuse, parts_of
from stratacam.maps.heat import Heat, scale_of_signed

AGREES = 0.5
"""A network agrees where its heat is at least this share of its scale."""


@dataclass(frozen=True, eq=False)
class LayerConsensus:
    """What M networks show in one layer, for one class of one scan.

    Attributes:
        mean: (n, h, w), the mean of their raw maps, each divided by its scale; signed.
        spread: (n, h, w), their standard deviation (of a sample: M - 1).
        agreement: (n, h, w), the share of networks whose heat is at least `AGREES` of their scale.
        scales: of each network, see `scale_of_signed`; the map of one that is 0 in the brain counts as 0.
    """

    mean: Heat
    spread: Heat
    agreement: Heat
    scales: tuple[float, ...]

    @classmethod
    def of(cls, raw: NDArray[np.float32], brain: NDArray[np.bool_]) -> Self:
        """Consensus of raw maps.

        Args:
            raw: (M, n, h, w).
            brain: (n, rows, columns).
        """
        scales = [scale_of_signed(one, brain) for one in raw]
        scaled = in_units(raw, scales)
        return cls(
            scaled.mean(axis=0, dtype=np.float32),
            scaled.std(axis=0, ddof=1, dtype=np.float32),
            (scaled >= AGREES).mean(axis=0, dtype=np.float32),
            tuple(scales),
        )


def in_units(raw: NDArray[np.float32], scales: Sequence[float]) -> NDArray[np.float32]:
    """Raw maps (M, n, h, w), each divided by its scale; 0 where that is 0."""
    factors = np.array([1 / scale if scale > 0 else 0.0 for scale in scales], dtype=np.float32)
    return raw * factors[:, None, None, None]


@dataclass(frozen=True)
class MemberMaps:
    """Maps of M networks for one batch of B slices and C classes.

    Attributes:
        logits: (M, B, K).
        raw: by layer, (M, C, B, h, w), signed.
        unreached: by layer, (M, C, B), where no gradient arrived, so that the map is blank.
    """

    logits: NDArray[np.float32]
    raw: Mapping[str, NDArray[np.float32]]
    unreached: Mapping[str, NDArray[np.bool_]]


def fuse_members(
    raw: Mapping[str, NDArray[np.float32]],
    unreached: Mapping[str, NDArray[np.bool_]],
    layer: str,
    brain: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The fused maps (M, C, n, h, w) of every member, and where no gradient arrived at any part, (M, C, n).

    Args:
        raw: by part, (M, C, n, h, w).
        unreached: by part, (M, C, n).
        layer: name of the fused map.
        brain: (n, rows, columns).
    """
    parts = parts_of(layer)
    members, classes = raw[parts[0]].shape[:2]
    fused = [
        [fuse({part: raw[part][member, column] for part in parts}, layer, brain) for column in range(classes)]
        for member in range(members)
    ]
    return np.array(fused), np.logical_and.reduce([unreached[part] for part in parts])


def why_blank(raw: Heat, unreached: NDArray[np.bool_]) -> tuple[str, ...]:
    """For each slice "" or why a consensus (n, h, w) shows nothing; `unreached` as in `MemberMaps`, (M, n)."""
    nowhere = torch.from_numpy(unreached.all(axis=0))
    return tuple(cause for (cause,) in blank_cause(torch.from_numpy(raw)[:, None], nowhere[:, None]))
