"""Maps of slices by one network, or by several as one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam import cam
from stratacam.maps.fused import fuse, fused_blank, wanted
from stratacam.maps.heat import Heat, heat_of
from stratacam.maps.volumes import explain_methods
from stratacam.networks import inputs_of


@dataclass(frozen=True, eq=False)
class SliceMaps:
    """Maps of every layer for one class, slice by slice.

    Attributes:
        method: that made the maps.
        target: position of the class explained.
        logits: (n, K) of the slices.
        raw: by layer, shallow to deep, (n, h, w) signed, at the layer's own resolution.
        blank: by layer, for each slice "" or why its map shows nothing.
    """

    method: str
    target: int
    logits: NDArray[np.float32]
    raw: dict[str, Heat]
    blank: dict[str, tuple[str, ...]]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names, shallow to deep."""
        return tuple(self.raw)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, K), softmax of the logits."""
        shifted = np.exp(self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    def some(self, chosen: Sequence[int]) -> Self:
        """The maps of some of the slices, by their positions."""
        return replace(
            self,
            logits=self.logits[list(chosen)],
            raw={layer: raw[list(chosen)] for layer, raw in self.raw.items()},
            blank={layer: tuple(found[index] for index in chosen) for layer, found in self.blank.items()},
        )

    def heat(self, layer: str, shape: tuple[int, int]) -> Heat:
        """Heat of one layer, (n, *shape): see `heat_of`."""
        return heat_of(self.raw[layer], shape)

    def signed(self, layer: str, shape: tuple[int, int]) -> Heat:
        """The signed map of one layer, linearly upsampled, (n, *shape)."""
        raw = torch.from_numpy(self.raw[layer])[:, None]
        return np.asarray(cam.view(raw, size=shape, relu=False, normalise="none")[:, 0].numpy())


@runtime_checkable
class MakesOwnMaps(Protocol):
    """A network that brings its maps with it, such as the consensus of several."""

    def own_maps(
        self,
        images: NDArray[np.float32],
        brain: NDArray[np.bool_],
        target: int,
        methods: Sequence[str],
        *,
        layers: str | tuple[str, ...],
        batch_size: int,
    ) -> dict[str, SliceMaps]:
        """Maps of the chosen layers for one class, by method; arguments as for `explain_slices_by`."""
        ...


def explain_slices(
    model: nn.Module,
    images: NDArray[np.float32],
    brain: NDArray[np.bool_],
    target: int,
    method: str,
    *,
    layers: str | tuple[str, ...] = "all",
    batch_size: int = 8,
) -> SliceMaps:
    """Maps of the chosen layers for one class by one method; arguments as for `explain_slices_by`."""
    found = explain_slices_by(model, images, brain, target, [method], layers=layers, batch_size=batch_size)
    return found[method]


def explain_slices_by(
    model: nn.Module,
    images: NDArray[np.float32],
    brain: NDArray[np.bool_],
    target: int,
    methods: Sequence[str],
    *,
    layers: str | tuple[str, ...] = "all",
    batch_size: int = 8,
) -> dict[str, SliceMaps]:
    """Maps of the chosen layers for one class, by method; methods by gradients share their runs of the network.

    Args:
        model: on the device where it is to run; one that makes its own maps is asked for them.
        images: (n, channels, rows, columns).
        brain: (n, rows, columns), where the brain is, for models that take it.
        target: position of the class.
        methods: see `stratacam.cam.METHODS`.
        layers: see `stratacam.cam.match_layers`; names of fused maps too, which come last.
        batch_size: slices at once.
    """
    if isinstance(model, MakesOwnMaps):
        return model.own_maps(images, brain, target, methods, layers=layers, batch_size=batch_size)
    asked = wanted(model, layers)
    found = explain_methods(
        model,
        inputs_of(model, torch.from_numpy(images), torch.from_numpy(brain)),
        methods,
        layers=asked.explained,
        classes=target,
        batch_size=batch_size,
    )

    def of_method(method: str, explanation: cam.Explanation) -> SliceMaps:
        raw = {maps.name: maps.raw[:, 0].numpy() for maps in explanation}
        blank = {maps.name: tuple(row[0] for row in maps.blank) for maps in explanation}
        fused = {name: fuse(raw, name, brain) for name in asked.fused}
        kept = [name for name in raw if asked.keeps(model, name)]
        return SliceMaps(
            method=method,
            target=target,
            logits=explanation.logits.numpy(),
            raw={name: raw[name] for name in kept} | fused,
            blank={name: blank[name] for name in kept}
            | {name: fused_blank(blank, name, heat) for name, heat in fused.items()},
        )

    return {method: of_method(method, explanation) for method, explanation in found.items()}
