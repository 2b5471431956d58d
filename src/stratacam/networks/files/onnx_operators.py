"""Operators of ONNX as functions of torch, for all versions of the standard set that have them.

Each function is given the node's inputs in their order (None for one that is left out) and its attributes by name.
What was an attribute in an older version and is an input in a newer one may be given either way.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stratacam.networks.files.onnx_shapes import (
    constant_of_shape,
    depth_to_space,
    expand,
    flatten,
    gather,
    numbers,
    pad,
    reshape,
    resize,
    shape_of,
    slice_,
    split,
    squeeze,
    unsqueeze,
    upsample,
)

Operator = Callable[..., Any]

TYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float32, 11: torch.float64, 16: torch.float32,
}  # fmt: skip
"""Numbers of ONNX's types; half precision is computed in single precision."""


def _softmax(function: Operator) -> Operator:
    def apply(given: Tensor, *, axis: int | None = None, opset: int = 13) -> Tensor:
        first = axis if axis is not None else -1 if opset >= 13 else 1
        if opset >= 13 or first in {-1, given.ndim - 1}:
            made: Tensor = function(given, dim=first)
            return made
        flat: Tensor = function(flatten(given, axis=first), dim=1)
        return flat.reshape(given.shape)

    return apply


def gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float = 1, beta: float = 1, **transposed: int
) -> Tensor:
    """Alpha A B + beta C; `transA` and `transB` transpose."""
    a = a.T if transposed.get("transA") else a
    b = b if not transposed.get("transB") else b.T
    if alpha == 1 and beta == 1:
        return F.linear(a, b.T, c) if c is not None and c.ndim == 1 else a @ b + (0 if c is None else c)
    return alpha * (a @ b) + (0 if c is None else beta * c)


def clip(given: Tensor, low: Tensor | None = None, high: Tensor | None = None, **attributes: float) -> Tensor:
    """Limit values."""
    lower, upper = (
        attributes.get(name) if one is None else one.item() for one, name in ((low, "min"), (high, "max"))
    )
    return given if lower is None and upper is None else given.clamp(lower, upper)


def divide(a: Tensor, b: Tensor) -> Tensor:
    """Divide; whole numbers are cut."""
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def apply(
        given: Tensor,
        axes: Tensor | None = None,
        *,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
        **attributes: Sequence[int],
    ) -> Tensor:
        chosen = numbers(axes if axes is not None else attributes.get("axes"))
        if not chosen and noop_with_empty_axes:
            return given
        return function(given, chosen or list(range(given.ndim)), bool(keepdims))

    return apply


def _product(given: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((one % given.ndim for one in axes), reverse=True):
        given = given.prod(dim=axis, keepdim=keep)
    return given


def batch_norm(
    given: Tensor,
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    epsilon: float = 1e-5,
    **_: Any,
) -> Tensor:
    """By stored statistics."""
    return F.batch_norm(given, mean, variance, scale, shift, eps=epsilon)


def instance_norm(given: Tensor, scale: Tensor, shift: Tensor, *, epsilon: float = 1e-5, **_: Any) -> Tensor:
    """Over the positions of each channel."""
    if given.shape[2:].numel() == 1:
        return shift.view(1, -1, *[1] * (given.ndim - 2)).expand_as(given)
    return F.instance_norm(given, weight=scale, bias=shift, eps=epsilon)


def group_norm(
    given: Tensor, scale: Tensor, shift: Tensor, *, num_groups: int, epsilon: float = 1e-5, **_: Any
) -> Tensor:
    """Over groups of channels; before version 21 with a scale for each group."""
    if len(scale) != given.shape[1]:
        times = given.shape[1] // num_groups
        scale, shift = scale.repeat_interleave(times), shift.repeat_interleave(times)
    return F.group_norm(given, num_groups, scale, shift, epsilon)


def layer_norm(
    given: Tensor,
    scale: Tensor,
    shift: Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    **_: Any,
) -> Tensor:
    """Over the last axes."""
    shape = list(given.shape[axis % given.ndim :])
    return F.layer_norm(
        given, shape, scale.expand(shape), None if shift is None else shift.expand(shape), epsilon
    )


def local_response_norm(
    given: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Tensor:
    """Over neighbouring channels: of an even number, one more after than before, which torch has the other way."""
    if size % 2:
        return F.local_response_norm(given, size, alpha, beta, bias)
    return F.local_response_norm(given.flip(1), size, alpha, beta, bias).flip(1)


def dropout(given: Tensor, _ratio: Tensor | None = None, training: Tensor | None = None, **_: Any) -> Tensor:
    """The values themselves."""
    if training is not None and bool(training):
        raise ValueError("dropout in training mode")
    return given


def cast(given: Tensor, *, to: int, **_: Any) -> Tensor:
    """To another type of number."""
    if to not in TYPES:
        raise ValueError(f"a cast to the type {to} of ONNX, which torch does not compute with")
    return given.to(TYPES[to])


def split_number(given: Tensor, other: Tensor, *, fmod: int = 0) -> Tensor:
    """Remainder."""
    return torch.fmod(given, other) if fmod else torch.remainder(given, other)


def gelu(given: Tensor, *, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit."""
    return F.gelu(given, approximate=approximate)


def prelu(given: Tensor, slope: Tensor) -> Tensor:
    """A slope below zero, which is broadcast."""
    return torch.where(given < 0, slope * given, given)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    scale: float | None = None,
    is_causal: int = 0,
    qk_matmul_output_mode: int = 0,  # noqa: ARG001 - of an output that is not made here
    softcap: float = 0,
) -> Tensor:
    """Scaled dot-product attention of heads (B, heads, tokens, features)."""
    if query.ndim != 4 or softcap:
        raise ValueError("attention of tensors that are not split into heads, or with a cap")
    return F.scaled_dot_product_attention(query, key, value, mask, is_causal=bool(is_causal), scale=scale)


def _folded(function: Operator) -> Operator:
    def apply(*given: Tensor) -> Tensor:
        total = given[0]
        for one in given[1:]:
            total = function(total, one)
        return total

    return apply


def selu(given: Tensor, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Tensor:
    """Scaled exponential linear unit."""
    return gamma * torch.where(given > 0, given, alpha * torch.expm1(given))


def global_pool(function: Callable[..., Tensor]) -> Operator:
    """Over all positions."""

    def apply(given: Tensor) -> Tensor:
        return function(given, tuple(range(2, given.ndim)), keepdim=True)

    return apply


OPERATORS: dict[str, Operator] = {
    "Abs": torch.abs, "Add": torch.add, "And": torch.logical_and, "Attention": attention,
    "BatchNormalization": batch_norm, "Cast": cast,
    "Ceil": torch.ceil, "Celu": lambda x, alpha=1.0: F.celu(x, alpha), "Clip": clip,
    "Concat": lambda *given, axis=1: torch.cat(given, dim=axis), "ConstantOfShape": constant_of_shape, "Cos": torch.cos,
    "DepthToSpace": depth_to_space, "Div": divide, "Dropout": dropout,
    "Einsum": lambda *given, equation: torch.einsum(equation, *given),
    "Elu": lambda x, alpha=1.0: F.elu(x, alpha), "Equal": torch.eq, "Erf": torch.erf, "Exp": torch.exp,
    "Expand": expand,
    "Flatten": flatten, "Floor": torch.floor, "Gather": gather, "Gelu": gelu, "Gemm": gemm,
    "GlobalAveragePool": global_pool(torch.mean), "GlobalMaxPool": global_pool(torch.amax),
    "Greater": torch.gt, "GreaterOrEqual": torch.ge, "GroupNormalization": group_norm,
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: (alpha * x + beta).clamp(0, 1), "HardSwish": F.hardswish,
    "Identity": lambda x: x, "InstanceNormalization": instance_norm, "LRN": local_response_norm,
    "LayerNormalization": layer_norm, "LeakyRelu": lambda x, alpha=0.01: F.leaky_relu(x, alpha), "Less": torch.lt,
    "LessOrEqual": torch.le, "Log": torch.log, "LogSoftmax": _softmax(F.log_softmax), "MatMul": torch.matmul,
    "Max": _folded(torch.maximum), "Mean": lambda *given: sum(given) / len(given), "Min": _folded(torch.minimum),
    "Mish": F.mish, "Mod": split_number, "Mul": torch.mul, "Neg": torch.neg, "Not": torch.logical_not,
    "Or": torch.logical_or, "PRelu": prelu, "Pad": pad, "Pow": lambda x, power: torch.pow(x, power.to(x.dtype)),
    "Range": lambda start, stop, step: torch.arange(start.item(), stop.item(), step.item(), device=start.device),
    "Reciprocal": torch.reciprocal,
    "ReduceL1": _reduction(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    "ReduceL2": _reduction(lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt()),
    "ReduceLogSumExp": _reduction(lambda x, axes, keep: x.logsumexp(axes, keepdim=keep)),
    "ReduceMax": _reduction(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    "ReduceMean": _reduction(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceMin": _reduction(lambda x, axes, keep: x.amin(axes, keepdim=keep)),
    "ReduceProd": _reduction(_product),
    "ReduceSum": _reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "ReduceSumSquare": _reduction(lambda x, axes, keep: x.square().sum(axes, keepdim=keep)),
    "Relu": F.relu, "Reshape": reshape, "Resize": resize, "Round": torch.round, "Selu": selu, "Shape": shape_of,
    "Sigmoid": torch.sigmoid, "Sign": torch.sign, "Sin": torch.sin, "Slice": slice_, "Softmax": _softmax(F.softmax),
    "Softplus": F.softplus, "Softsign": F.softsign, "Split": split, "Sqrt": torch.sqrt, "Squeeze": squeeze,
    "Sub": torch.sub, "Sum": _folded(torch.add), "Swish": lambda x, alpha=1.0: x * torch.sigmoid(alpha * x),
    "Tanh": torch.tanh, "ThresholdedRelu": lambda x, alpha=1.0: torch.where(x > alpha, x, 0),
    "Tile": lambda x, times: x.repeat(times.tolist()),
    "Transpose": lambda x, perm=None: x.permute(*(perm or range(x.ndim - 1, -1, -1))), "Unsqueeze": unsqueeze,
    "Upsample": upsample, "Where": torch.where,
}  # fmt: skip
"""By name; convolutions and pools are modules of torch's, see `onnx_layers`."""

WITH_OPSET = {"Softmax", "LogSoftmax"}
"""Operators whose defaults changed."""
