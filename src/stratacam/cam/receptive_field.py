"""Receptive fields of any network, followed from operation to operation through one forward.

A convolution or pool widens the field by (kernel - 1) x dilation x the jump before it, and multiplies the jump by
its stride (A. Araujo et al., "Computing receptive fields of convolutional neural networks", Distill 2019). Where
branches meet, the widest counts. What averages over all positions sees the whole image, and so does all after it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from stratacam.cam.axes import PLAIN, UPSAMPLINGS
from stratacam.cam.memory import tensors
from stratacam.cam.origin import FRESH

aten = torch.ops.aten

POOLS = {
    aten.max_pool2d_with_indices, aten.max_pool3d_with_indices, aten.max_pool1d, aten.max_pool2d, aten.max_pool3d,
    aten.avg_pool1d, aten.avg_pool2d, aten.avg_pool3d,
}  # fmt: skip
LOCAL = PLAIN | {
    aten.native_batch_norm, aten.cudnn_batch_norm, aten.cat, aten.split, aten.constant_pad_nd, aten.copy_
}  # fmt: skip
OVER_ALL = {
    aten._adaptive_avg_pool2d, aten._adaptive_avg_pool3d, aten.mean, aten.sum, aten.amax, aten.native_group_norm,
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """What one position of a tensor depends on, per axis of the image."""

    size: tuple[float, ...]  # pixels from the first to the last that matter
    jump: tuple[float, ...]  # pixels between the fields of neighbouring positions


class FieldTracker(TorchDispatchMode):
    """Follows the receptive field of everything that is computed from an image (B, channels, *spatial)."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.axes = image.ndim - 2
        self.whole = Field(tuple(float(length) for length in image.shape[2:]), (math.inf,) * self.axes)
        self.fields: Any = WeakTensorKeyDictionary()
        self.fields[image] = Field((1.0,) * self.axes, (1.0,) * self.axes)

    def field_of(self, tensor: Tensor) -> Field | None:
        """The field of a tensor; None if it is not known."""
        return self.fields.get(tensor)  # type: ignore[no-any-return]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        inputs = [value for value in tensors([*args, *kwargs.values()]) if value in self.fields]
        if inputs and func.overloadpacket not in FRESH:
            for output in tensors([result]):
                self.fields[output] = self._follow(func, args, inputs, output)
        return result

    def _follow(self, func: Any, args: tuple[Any, ...], inputs: list[Tensor], output: Tensor) -> Field | None:
        given = [self.fields[value] for value in inputs]
        if any(field is self.whole for field in given):
            return self.whole
        if any(field is None for field in given):
            return None
        operation = func.overloadpacket
        if operation in OVER_ALL:
            return self.whole if operation is aten.native_group_norm or _is_global(output) else None
        if torch.Tag.pointwise in func.tags or operation in LOCAL or _takes_channels(operation, args):
            return self._meet(given, inputs, output)
        return self._widen(operation, args, inputs[0], output)

    def _widen(self, operation: Any, args: tuple[Any, ...], given: Tensor, output: Tensor) -> Field | None:
        """The field after a convolution, pool or upsampling; None after anything else."""
        field = self.fields[given]
        if operation is aten.convolution and given.ndim == len(field.size) + 2:
            return _slide(field, args[1].shape[2:], args[3], args[5], transposed=args[6])
        if operation in POOLS:
            stride = args[2] if len(args) > 2 and args[2] else args[1]
            dilation = args[4] if len(args) > 4 and "max" in str(operation) else 1
            return _slide(field, args[1], stride, dilation)
        if operation in UPSAMPLINGS:
            scale = [new / old for new, old in zip(output.shape[2:], given.shape[2:], strict=True)]
            return _field(
                (size + UPSAMPLINGS[operation] * jump, jump / by)
                for size, jump, by in zip(field.size, field.jump, scale, strict=True)
            )
        if operation in {aten.squeeze, aten.unsqueeze}:  # a pool along one axis is made of one along two
            return _reshape(field, args, output)
        return None

    def _meet(self, given: list[Field | None], inputs: list[Tensor], output: Tensor) -> Field | None:
        full = [
            f for f, value in zip(given, inputs, strict=True) if value.ndim == output.ndim and f is not None
        ]
        if len(full) < len(given) or output.ndim != len(full[0].size) + 2:
            return None
        return Field(tuple(map(max, zip(*(f.size for f in full), strict=True))), full[0].jump)


def _slide(field: Field, kernel: Any, stride: Any, dilation: Any, *, transposed: bool = False) -> Field:
    """The field after a window has slid over the positions; `transposed`: over those between them."""
    kernels, strides, dilations = (_per_axis(value, field) for value in (kernel, stride, dilation))
    windows = zip(field.size, field.jump, kernels, strides, dilations, strict=True)
    if transposed:
        between = ((size, jump, math.ceil(((k - 1) * d + 1) / s) - 1, s) for size, jump, k, s, d in windows)
        return _field((size + further * jump, jump / s) for size, jump, further, s in between)
    return _field((size + (k - 1) * d * jump, jump * s) for size, jump, k, s, d in windows)


def _reshape(field: Field, args: tuple[Any, ...], output: Tensor) -> Field | None:
    """The field with an axis of one position more or less."""
    wider = output.ndim > len(field.size) + 2
    axis = args[1] % (output.ndim if wider else output.ndim + 1) - 2 if len(args) > 1 else -1
    if axis < 0:
        return None
    pairs = list(zip(field.size, field.jump, strict=True))
    return _field([*pairs[:axis], *([(1.0, 1.0)] if wider else []), *pairs[axis + (not wider) :]])


def _field(axes: Iterable[tuple[float, float]]) -> Field:
    """A field of (size, jump) for each axis."""
    sizes, jumps = zip(*axes, strict=True)
    return Field(sizes, jumps)


def _is_global(output: Tensor) -> bool:
    return output.ndim == 2 or all(length == 1 for length in output.shape[2:])


def _takes_channels(operation: Any, args: tuple[Any, ...]) -> bool:
    """Whether an indexing operation leaves the positions alone."""
    return operation in {aten.index_select, aten.slice} and len(args) > 1 and args[1] == 1


def _per_axis(value: Any, field: Field) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * len(field.size) if len(values) == 1 else values
