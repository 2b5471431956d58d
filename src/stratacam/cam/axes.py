"""Which axis of the image each axis of a tensor lies on, followed through one forward.

Convolutions also run over channels, tokens or flattened positions, in shapes like those of an image; and what a network
gives for one image may depend on the others of its batch. Axes are followed only through operations that treat each
image by itself, so that where the batch is known to be an axis, every entry of it is made of one image.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Axes = tuple[int | None, ...]
"""For each axis of a tensor the axis of the image (0, 1 ...), `BATCH`, `FLAT`, `SPLIT` or None for any other."""

BATCH, FLAT, SPLIT = -1, -2, -3
"""The batch; several axes in one; and a part of such a one, which may be any of them."""

Data = Sequence[tuple[Tensor, Axes]]
"""The tensors that an operation was given and that depend on images, with their axes."""

aten = torch.ops.aten

PLAIN = {
    aten.reflection_pad1d, aten.reflection_pad2d, aten.reflection_pad3d,
    aten.replication_pad1d, aten.replication_pad2d, aten.replication_pad3d, aten.clone, aten.detach, aten.alias,
    aten._to_copy, aten.native_dropout, aten._native_batch_norm_legit_no_training,
}  # fmt: skip
"""Operations whose values lie where they did: of each position by itself, or copied to the edge."""

IN_PLACE = PLAIN | {
    aten.native_group_norm,
    aten._adaptive_avg_pool2d, aten._adaptive_avg_pool3d, aten.adaptive_max_pool2d, aten.adaptive_max_pool3d,
    aten.max_pool2d_with_indices, aten.max_pool3d_with_indices, aten.avg_pool2d, aten.avg_pool3d,
    aten.hardtanh, aten.hardtanh_,
    aten.hardswish, aten.hardswish_, aten.threshold_, aten._prelu_kernel,
    aten.as_strided_,  # torch's own, for a pool to one position: what a model's code asks for, `Inquiries` see
}  # fmt: skip
"""Operations after which every axis is where it was."""


def image_axes(image: Tensor) -> Axes:
    """The axes of the image itself, (B, channels, *spatial)."""
    return (BATCH, None, *range(image.ndim - 2))


def off_image(lying: Axes | None, output: Tensor) -> bool:
    """Whether positions of a feature map (B, channels, *spatial) are known not to be positions of the image."""
    if lying is None:
        return False
    pairs = enumerate(zip(lying[2:], output.shape[2:], strict=True))
    return any(
        axis not in {place, SPLIT} and (axis is not None or length > 1) for place, (axis, length) in pairs
    )


def follow(func: Any, args: Sequence[Any], data: Data, output: Tensor) -> Axes | None:
    """The axes of an operation's output; None if they are unknown, or images may have been mixed.

    Args:
        func: the operation, an overload.
        args: its arguments.
        data: what it was given of images.
        output: what it gives.
    """
    operation = func.overloadpacket
    if torch.Tag.pointwise in func.tags or operation is aten.copy_:
        found = _pointwise(data, output)
    elif operation is aten.cat:
        found = _joined(args, data)
    elif len(data) != 1:
        found = None  # such as attention, where images of two tensors may meet
    else:
        (given, axes), *_ = data
        rule = RULES.get(operation)
        if BATCH in axes[1:] and operation not in MOVING:
            found = None  # images are channels, positions or rows of it
        else:
            found = axes if operation in IN_PLACE else rule(args, axes, given, output) if rule else None
    return found if found and len(found) == output.ndim else None


def _pointwise(data: Data, output: Tensor) -> Axes | None:
    """The axes of the operand with most known axes; a gate (B, channels, 1, 1) has fewer than its feature map."""
    if any(len(axes) != output.ndim or axes[0] != BATCH for _, axes in data) and len(data) > 1:
        return None
    return max((axes for _, axes in data), key=lambda axes: sum(axis is not None for axis in axes))


def _joined(args: Sequence[Any], data: Data) -> Axes | None:
    along = args[1] if len(args) > 1 else 0
    known = [axes for _, axes in data]
    if any(len(axes) != len(known[0]) or axes[0] != BATCH for axes in known) or along % len(known[0]) == 0:
        return None
    return tuple(here[0] if len(set(here)) == 1 else _together(here) for here in zip(*known, strict=True))


def _upsampled(_args: Sequence[Any], axes: Axes, given: Tensor, _output: Tensor) -> Axes | None:
    return tuple(
        SPLIT if axis is None and place > 1 and given.shape[place] == 1 else axis
        for place, axis in enumerate(axes)
    )


def _slice(args: Sequence[Any], axes: Axes, given: Tensor, output: Tensor) -> Axes | None:
    along = args[1] if len(args) > 1 else 0
    return None if axes[along] == BATCH and output.shape != given.shape else axes


def _split(args: Sequence[Any], axes: Axes, _given: Tensor, _output: Tensor) -> Axes | None:
    return None if axes[args[2] if len(args) > 2 else 0] == BATCH else axes


def _selected(args: Sequence[Any], axes: Axes, _given: Tensor, _output: Tensor) -> Axes | None:
    place = args[1] % len(axes)
    return None if axes[place] == BATCH else (*axes[:place], *axes[place + 1 :])


def _unsqueezed(args: Sequence[Any], axes: Axes, _given: Tensor, output: Tensor) -> Axes | None:
    place = args[1] % output.ndim
    return (*axes[:place], None, *axes[place:])


def _transposed(args: Sequence[Any], axes: Axes, _given: Tensor, _output: Tensor) -> Axes | None:
    one, other = args[1:3] if len(args) > 2 else (0, 1)
    moved = list(axes)
    moved[one], moved[other] = moved[other], moved[one]
    return tuple(moved)


def _squeezed(args: Sequence[Any], axes: Axes, given: Tensor, _output: Tensor) -> Axes | None:
    chosen = _numbers(args[1], len(axes)) if len(args) > 1 else set(range(len(axes)))
    return tuple(axis for place, axis in enumerate(axes) if place not in chosen or given.shape[place] != 1)


def _expanded(_args: Sequence[Any], axes: Axes, given: Tensor, output: Tensor) -> Axes | None:
    new = output.ndim - len(axes)
    grown = (
        SPLIT if axis is None and length == 1 and after > 1 else axis
        for axis, length, after in zip(axes, given.shape, output.shape[new:], strict=True)
    )
    return (*[None] * new, *grown)


def _reduced(args: Sequence[Any], axes: Axes, _given: Tensor, output: Tensor) -> Axes | None:
    if len(args) < 2 or isinstance(args[1], Tensor):
        return None
    dropped = _numbers(args[1], len(axes))
    if not dropped or any(axes[place] == BATCH for place in dropped):
        return None
    if output.ndim == len(axes):
        return tuple(None if place in dropped else axis for place, axis in enumerate(axes))
    return tuple(axis for place, axis in enumerate(axes) if place not in dropped)


def _viewed(_args: Sequence[Any], axes: Axes, given: Tensor, output: Tensor) -> Axes | None:
    """Split axes lie where they did with their coarsest part; joined ones are `FLAT`, and parts of these `SPLIT`."""
    before, after = given.shape, output.shape
    found: list[int | None] = []
    old = new = 0
    while old < len(before) or new < len(after):
        first, start = old, new
        old, new = old + 1, new + 1
        while math.prod(before[first:old]) != math.prod(after[start:new]):
            if math.prod(before[first:old]) < math.prod(after[start:new]):
                old += 1
            else:
                new += 1
            if old > len(before) or new > len(after):
                return None
        parts = [axes[place] for place in range(first, min(old, len(before)))]
        joined = [axis for axis, length in zip(parts, before[first:old], strict=True) if length != 1] or parts
        found.extend(_regrouped(joined, min(new, len(after)) - start))
    return tuple(found)


def _regrouped(axes: Sequence[int | None], count: int) -> list[int | None]:
    """What `count` axes are that were made of these together."""
    one = axes[0] if len(axes) == 1 else _together(axes)
    if one in {FLAT, SPLIT} and count > 1:
        return [SPLIT] * count
    return [one, *[None] * (count - 1)][:count]


def _together(axes: Sequence[int | None]) -> int | None:
    """What axes are in one: `FLAT` if they are several of the image's, and unknown if one is a part of it."""
    known = {axis for axis in axes if axis is not None}
    if len(known - {SPLIT}) > 1 or FLAT in known or BATCH in known:
        return FLAT
    return SPLIT if known else None


def _numbers(value: Any, count: int) -> set[int]:
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return {axis % count for axis in values}


UPSAMPLINGS = {
    aten.upsample_nearest1d: 0, aten.upsample_nearest2d: 0, aten.upsample_nearest3d: 0,
    aten.upsample_linear1d: 1, aten.upsample_bilinear2d: 1, aten.upsample_trilinear3d: 1,
}  # fmt: skip
"""With how many further positions each position is made of, per axis."""
REDUCTIONS = (aten.mean, aten.sum, aten.amax, aten.amin, aten.max, aten.min, aten.std, aten.var)

Rule = Callable[[Sequence[Any], Axes, Tensor, Tensor], Axes | None]
"""The operation's arguments, the axes of the one tensor of images among them, that tensor, and the output."""

RULES: dict[Any, Rule] = {
    # Each position is made of a window of positions, in all channels.
    aten.convolution: lambda _, axes, *__: (axes[0], None, *axes[2:]),
    aten.mm: lambda args, axes, given, _: (axes[0], None) if args[0] is given else None,
    aten.addmm: lambda args, axes, given, _: (axes[0], None) if args[1] is given else None,
    aten.constant_pad_nd: lambda args, axes, *_: axes if len(args[1]) < 2 * len(axes) else None,
    # Statistics: of this batch (args[5]), or over the batch's axis, images meet.
    aten.native_batch_norm: lambda args, axes, *_: None if args[5] else axes,
    aten._native_batch_norm_legit: lambda args, axes, *_: None if args[5] else axes,
    aten.cudnn_batch_norm: lambda args, axes, *_: None if args[5] else axes,
    aten.native_layer_norm: lambda args, axes, *_: axes if len(args[1]) < len(axes) else None,
    aten._softmax: lambda args, axes, *_: None if axes[args[1]] == BATCH else axes,
    aten._log_softmax: lambda args, axes, *_: None if axes[args[1]] == BATCH else axes,
    # Parts of a tensor.
    aten.slice: _slice,
    aten.split: _split,
    aten.split_with_sizes: _split,
    aten.index_select: lambda args, axes, *_: axes if axes[args[1]] is None else None,
    aten.select: _selected,
    # The same values in another shape.
    aten.permute: lambda args, axes, *_: tuple(axes[axis] for axis in args[1]),
    aten.transpose: _transposed,
    aten.t: _transposed,
    aten.unsqueeze: _unsqueezed,
    aten.squeeze: _squeezed,
    aten.expand: _expanded,
    **dict.fromkeys((aten.view, aten._unsafe_view, aten.reshape), _viewed),
    # Axes that grow or vanish.
    **dict.fromkeys(UPSAMPLINGS, _upsampled),
    **dict.fromkeys(REDUCTIONS, _reduced),
}

MOVING = {
    aten.permute, aten.transpose, aten.t, aten.unsqueeze, aten.squeeze, aten.expand, aten.view, aten.clone, aten.detach,
    aten.alias, aten._to_copy, aten.slice, aten.select,
}  # fmt: skip
"""Operations that leave every value as it is, wherever the batch lies."""
