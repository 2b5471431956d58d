"""Maps as results: raw and signed, with views of them chosen by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Normalisation = Literal["none", "map", "volume", "layer"]

ZERO_GRADIENT, ALL_NEGATIVE, CONSTANT = "zero gradient", "all negative", "constant"


@dataclass(frozen=True)
class LayerMaps:
    """Maps of one layer.

    Attributes:
        name: the layer.
        raw: (B, C, *spatial), signed float32, at the layer's own resolution, in the unit of the logit.
        blank: for each image and class "" or why its map shows nothing: "zero gradient", "all negative" or
            "constant".
    """

    name: str
    raw: Tensor
    blank: tuple[tuple[str, ...], ...]

    def heatmap(
        self, *, size: Sequence[int] | None = None, relu: bool = True, normalise: Normalisation = "map"
    ) -> Tensor:
        """A view of the raw maps, see `view`: (B, C, *size)."""
        return view(self.raw, size=size, relu=relu, normalise=normalise)


@dataclass(frozen=True)
class Explanation:
    """Maps of several layers for one batch.

    Attributes:
        logits: (B, K).
        classes: (B, C) indices of the classes explained.
        maps: by layer name, in the order asked.
    """

    logits: Tensor
    classes: Tensor
    maps: Mapping[str, LayerMaps]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order asked."""
        return tuple(self.maps)

    def __getitem__(self, layer: str) -> LayerMaps:
        return self.maps[layer]


def view(
    raw: Tensor,
    *,
    size: Sequence[int] | None = None,
    relu: bool = True,
    normalise: Normalisation = "map",
) -> Tensor:
    """Rectify, upsample and normalise raw maps, in this order.

    Args:
        raw: (B, C, *spatial).
        size: spatial size to upsample to, (bi-, tri-)linear with `align_corners=False`; None: the layer's.
        relu: drop negative values.
        normalise: "none"; "map", each by its own maximum; "volume", all images of one class column by one
            maximum; "layer", everything by one maximum. The maximum is of the absolute value. A map that is
            zero stays zero.

    Returns:
        (B, C, *size), float32.
    """
    maps = raw.float()
    if relu:
        maps = maps.clamp_min(0)
    if size is not None:
        mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[maps.ndim - 2]
        maps = F.interpolate(maps, tuple(size), mode=mode, align_corners=False)
    if normalise == "none":
        return maps
    axes = {"map": range(2, maps.ndim), "volume": (0, *range(2, maps.ndim)), "layer": range(maps.ndim)}
    if normalise not in axes:
        raise ValueError(f"normalise={normalise!r} is not known; choose none, {', '.join(axes)}.")
    maximum = maps.abs().amax(dim=tuple(axes[normalise]), keepdim=True)
    return torch.where(maximum > 0, maps / maximum.clamp_min(torch.finfo(maps.dtype).tiny), maps)


def blank_cause(raw: Tensor, gradient: Tensor) -> list[str]:
    """Why each map of a batch shows nothing; "" where it shows something.

    Args:
        raw: (B, *spatial).
        gradient: (B, channels, *spatial), at the layer.
    """
    values = raw.flatten(1)
    zero = gradient.flatten(1).abs().amax(dim=1) == 0
    constant = values.amax(dim=1) == values.amin(dim=1)
    negative = values.amax(dim=1) <= 0
    return [
        ZERO_GRADIENT if is_zero else CONSTANT if is_constant else ALL_NEGATIVE if is_negative else ""
        for is_zero, is_constant, is_negative in zip(
            zero.tolist(), constant.tolist(), negative.tolist(), strict=True
        )
    ]
