"""Views of raw maps, chosen by name: rectified, upsampled, normalised, fused; and why a map is blank."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Normalisation = Literal["none", "map", "volume", "layer"]
Fusion = Literal["mean", "maximum", "product"]

ZERO_GRADIENT, ALL_NEGATIVE, CONSTANT, NOT_FINITE = "zero gradient", "all negative", "constant", "not finite"
CAUSES = (NOT_FINITE, ZERO_GRADIENT, CONSTANT, ALL_NEGATIVE, "")
"""In this order: the first that holds is the cause."""

NOT_RUN = "not run"

ROUNDING = 1e-5
"""Differences within a map, as a share of its largest value, that are those of single precision."""


def view(
    raw: Tensor,
    *,
    size: int | Sequence[int] | None = None,
    relu: bool = True,
    normalise: Normalisation = "map",
) -> Tensor:
    """Rectify, upsample and normalise raw maps, in this order.

    Args:
        raw: (B, C, *spatial).
        size: spatial size to upsample to, one length for all axes or one for each, (bi-, tri-)linear with
            `align_corners=False`; None: the layer's.
        relu: drop negative values.
        normalise: "none"; "map", each by its own maximum; "volume", all images of one class column by one
            maximum; "layer", everything by one maximum. The maximum is of the absolute value. A map that is
            constant, which shows no place, is zero in every view, and so is one that is not finite.

    Returns:
        (B, C, *size), float32.

    Example:
        >>> view(torch.tensor([[[[-4.0, 2.0, 1.0]]]]))
        tensor([[[[0.0000, 1.0000, 0.5000]]]])
    """
    axes = {"map": range(2, raw.ndim), "volume": (0, *range(2, raw.ndim)), "layer": range(raw.ndim)}
    if normalise != "none" and normalise not in axes:
        raise ValueError(f"normalise: found {normalise!r}; expected none, {', '.join(axes)}.")
    blank = ~raw.flatten(2).isfinite().all(dim=2) | _is_constant(raw)
    maps = raw.float()
    if bool(blank.any()):
        maps = maps.masked_fill(blank.reshape(*raw.shape[:2], *[1] * (raw.ndim - 2)), 0)
    if relu:
        maps = maps.clamp_min(0)
    if size is not None:
        maps = upsample(maps, [size] * (maps.ndim - 2) if isinstance(size, int) else size)
    if normalise == "none":
        return maps
    maximum = maps.abs().amax(dim=tuple(axes[normalise]), keepdim=True)
    return maps / maximum.masked_fill(maximum == 0, 1)


def upsample(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps (B, C, *spatial) at another size, (bi-, tri-)linear with `align_corners=False`.

    Raises:
        ValueError: if `size` has not one length per axis.
    """
    if len(size) != maps.ndim - 2:
        raise ValueError(f"size={tuple(size)} is for {len(size)} axes; the maps have {maps.ndim - 2}.")
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    return F.interpolate(maps, tuple(size), mode=mode, align_corners=False)


def fuse(maps: Sequence[Tensor], how: Fusion = "mean") -> Tensor:
    """One map from the normalised maps of several layers, all of one size.

    Args:
        maps: (B, C, *size) each, from `view`, in [0, 1].
        how: "mean", "maximum" or "product"; a layer that is blank makes the product blank.

    Returns:
        (B, C, *size).
    """
    stacked = torch.stack(list(maps))
    if how == "mean":
        return stacked.mean(dim=0)
    if how == "maximum":
        return stacked.amax(dim=0)
    if how == "product":
        return stacked.prod(dim=0)
    raise ValueError(f"how: found {how!r}; expected mean, maximum or product.")


def blank_cause(raw: Tensor, zero_gradient: Tensor) -> tuple[tuple[str, ...], ...]:
    """Why each map shows nothing; "" where it shows something.

    Args:
        raw: (B, C, *spatial).
        zero_gradient: (B, C), whether no gradient arrived where the map is blank.
    """
    return named_causes(find_causes(raw, zero_gradient))


def find_causes(raw: Tensor, zero_gradient: Tensor) -> Tensor:
    """`blank_cause` as a tensor (B, C) of places in `CAUSES`, found where the maps lie."""
    return causes_of([raw], [zero_gradient])[0]


def causes_of(raw: Sequence[Tensor], zero_gradient: Sequence[Tensor]) -> Tensor:
    """`find_causes` of several layers, (layers, B, C): all of them at once, as each has few values."""
    ends = torch.stack([torch.stack(torch.aminmax(maps.flatten(2), dim=2)) for maps in raw])
    lowest, highest = ends[:, 0], ends[:, 1]  # not finite if a value is not
    zero = torch.stack(list(zero_gradient)).to(ends.device)
    holds = (
        ~(lowest.isfinite() & highest.isfinite()),
        zero,
        _is_one_value(lowest, highest),
        highest <= 0,
        torch.ones_like(zero),
    )
    return torch.stack(holds).byte().argmax(dim=0)


def named_causes(causes: Tensor) -> tuple[tuple[str, ...], ...]:
    """The causes that `find_causes` found, by their names."""
    return tuple(tuple(CAUSES[place] for place in row) for row in causes.tolist())


def _is_constant(raw: Tensor) -> Tensor:
    """Which maps (B, C) have one value everywhere, up to rounding."""
    lowest, highest = torch.aminmax(raw.flatten(2), dim=2)
    return _is_one_value(lowest, highest)


def _is_one_value(lowest: Tensor, highest: Tensor) -> Tensor:
    return highest - lowest <= ROUNDING * torch.maximum(highest.abs(), lowest.abs())
