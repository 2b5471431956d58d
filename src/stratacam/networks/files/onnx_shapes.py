"""Operators of ONNX that move, cut, pad and resize, as functions of torch; see `onnx_operators`."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def numbers(values: Tensor | Sequence[int] | None) -> list[int] | None:
    """Whole numbers that an operator is given as a tensor, as an attribute, or not at all."""
    return values.tolist() if isinstance(values, Tensor) else None if values is None else list(values)


def reshape(given: Tensor, shape: Tensor | Sequence[int], *, allowzero: int = 0) -> Tensor:
    """Reshape; a size of 0 is that of the input."""
    sizes = numbers(shape) or []
    if not allowzero:
        sizes = [given.shape[place] if size == 0 else size for place, size in enumerate(sizes)]
    return given.reshape(sizes)


def flatten(given: Tensor, *, axis: int = 1) -> Tensor:
    """To two axes."""
    axis = axis % given.ndim if axis < 0 else axis
    rows = math.prod(given.shape[:axis])
    return given.reshape(rows, -1) if axis != 1 else given.flatten(1)


def squeeze(given: Tensor, axes: Tensor | None = None, **attributes: Sequence[int]) -> Tensor:
    """Drop axes of length 1."""
    chosen = numbers(axes if axes is not None else attributes.get("axes"))
    return given.squeeze() if chosen is None else given.squeeze(tuple(chosen))


def unsqueeze(given: Tensor, axes: Tensor | None = None, **attributes: Sequence[int]) -> Tensor:
    """Add axes of length 1."""
    chosen = numbers(axes if axes is not None else attributes["axes"]) or []
    total = given.ndim + len(chosen)
    for axis in sorted(one % total for one in chosen):
        given = given.unsqueeze(axis)
    return given


def split(
    given: Tensor,
    sizes: Tensor | None = None,
    *,
    axis: int = 0,
    num_outputs: int | None = None,
    outputs: int = 1,
    **attributes: Sequence[int],
) -> Sequence[Tensor]:
    """Cut along an axis."""
    chosen = numbers(sizes if sizes is not None else attributes.get("split"))
    if chosen is None:
        return torch.split(given, -(-given.shape[axis] // (num_outputs or outputs)), dim=axis)
    return torch.split(given, chosen, dim=axis)


def slice_(
    given: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
    **attributes: Sequence[int],
) -> Tensor:
    """Part of a tensor."""
    first, last = (
        numbers(one if one is not None else attributes[name]) or []
        for one, name in ((starts, "starts"), (ends, "ends"))
    )
    along = numbers(axes if axes is not None else attributes.get("axes")) or list(range(len(first)))
    by = numbers(steps) or [1] * len(first)
    for start, stop, axis, step in zip(first, last, along, by, strict=True):
        if step > 0:
            parts = [slice(None)] * given.ndim
            parts[axis] = slice(start, stop, step)
            given = given[tuple(parts)]
        else:
            places = torch.arange(given.shape[axis], device=given.device).tolist()[
                slice(start, None if stop < -given.shape[axis] else stop, step)
            ]
            given = given.index_select(axis, torch.tensor(places, device=given.device, dtype=torch.int64))
    return given


def gather(given: Tensor, places: Tensor, *, axis: int = 0) -> Tensor:
    """Entries of an axis."""
    places = torch.where(places < 0, places + given.shape[axis], places)
    chosen = given.index_select(axis, places.flatten())
    axis %= given.ndim
    return chosen.reshape((*given.shape[:axis], *places.shape, *given.shape[axis + 1 :]))


def expand(given: Tensor, shape: Tensor | Sequence[int]) -> Tensor:
    """Repeat along axes of length 1; a size of 1 leaves an axis as it is."""
    sizes = [1] * (given.ndim - len(shape)) + (numbers(shape) or [])
    own = (1,) * (len(sizes) - given.ndim) + tuple(given.shape)
    return given.expand([max(size, length) for size, length in zip(sizes, own, strict=True)])


def pad(
    given: Tensor,
    pads: Tensor | None = None,
    value: Tensor | None = None,
    axes: Tensor | None = None,
    *,
    mode: str = "constant",
    **attributes: Any,
) -> Tensor:
    """Pad at both ends of axes."""
    amounts = numbers(pads if pads is not None else attributes.get("pads", attributes.get("paddings"))) or []
    along = numbers(axes) or list(range(given.ndim))
    count = len(amounts) // 2
    of_axis = {
        axis % given.ndim: (amounts[place], amounts[place + count]) for place, axis in enumerate(along)
    }
    flat = [amount for axis in reversed(range(given.ndim)) for amount in of_axis.get(axis, (0, 0))]
    if mode == "constant":
        return F.pad(given, flat, value=attributes.get("value", 0.0) if value is None else value.item())
    while len(flat) > 2 * (given.ndim - 2):
        if flat[-2:] != [0, 0]:
            raise ValueError(f"padding of mode {mode} along the batch or the channels")
        flat = flat[:-2]
    return F.pad(given, flat, mode={"edge": "replicate", "reflect": "reflect", "wrap": "circular"}[mode])


NEAREST = {("asymmetric", "floor")}
NEAREST_WHOLE = NEAREST | {("half_pixel", "round_prefer_floor"), ("half_pixel", "round_prefer_ceil")}
"""Ways of finding the nearest pixel that are torch's, always and for whole factors."""


def resize(
    given: Tensor,
    _region: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    **others: Any,
) -> Tensor:
    """Resize as torch does.

    Raises:
        ValueError: it is another way of resizing.
    """
    before, factors = list(given.shape), list[float]()
    if sizes is not None and sizes.numel():
        after = numbers(sizes) or []
    else:
        factors = [1.0] * given.ndim if scales is None else scales.tolist()
        after = [math.floor(length * factor) for length, factor in zip(before, factors, strict=False)]
    strange = {"axes", "antialias", "exclude_outside", "keep_aspect_ratio_policy"} & {
        name for name, value in others.items() if value not in (0, "stretch")
    } or others.get("cubic_coeff_a", -0.75) != -0.75  # fmt: skip
    if strange or len(after) != given.ndim or after[:2] != before[:2]:
        raise ValueError("resizing of the batch or the channels, or in a way that torch has not")
    exact = not factors or all(
        length == old * factor for length, old, factor in zip(after, before, factors, strict=True)
    )
    way = coordinate_transformation_mode
    if mode == "nearest":
        whole = all(length % old == 0 for length, old in zip(after, before, strict=True))
        if not exact or (way, nearest_mode) not in (NEAREST_WHOLE if whole else NEAREST):
            raise ValueError(f"nearest resizing by {way} and {nearest_mode}")
        return F.interpolate(given, after[2:], mode="nearest")
    halves = way == "half_pixel" or (way == "pytorch_half_pixel" and 1 not in after[2:])
    if not (halves or (way == "align_corners" and exact)):
        raise ValueError(
            f"{mode} resizing by {way}" + ("" if exact else " and factors that give parts of pixels")
        )
    kind = "bicubic" if mode == "cubic" else ("linear", "bilinear", "trilinear")[given.ndim - 3]
    if exact:
        return F.interpolate(given, after[2:], mode=kind, align_corners=not halves)
    return F.interpolate(given, scale_factor=factors[2:], mode=kind, recompute_scale_factor=False)


def upsample(
    given: Tensor, scales: Tensor | None = None, *, mode: str = "nearest", **attributes: Sequence[float]
) -> Tensor:
    """Resize of older versions."""
    factors = scales if scales is not None else torch.tensor(attributes["scales"])
    return resize(
        given,
        None,
        factors,
        None,
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def shape_of(given: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    """Sizes, as whole numbers."""
    return torch.tensor(list(given.shape)[start:end], dtype=torch.int64, device=given.device)


def constant_of_shape(shape: Tensor, *, value: Tensor | None = None) -> Tensor:
    """The same number everywhere."""
    filled = torch.zeros(1) if value is None else value
    return torch.full(numbers(shape) or [], filled.item(), dtype=filled.dtype, device=shape.device)


def depth_to_space(given: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """Channels to positions."""
    if mode != "CRD":
        count, channels, *size = given.shape
        given = given.reshape(count, blocksize**2, -1, *size).transpose(1, 2).reshape(count, channels, *size)
    return F.pixel_shuffle(given, blocksize)
