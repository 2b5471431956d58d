"""Operations of torch in files: TorchScript and exported programs."""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.networks.files.builder import Builder, known, make_convolution
from stratacam.networks.files.graph import GraphNetwork, Shape, Step, Value, Weight
from stratacam.networks.files.probabilities import CLAMP, SAME, SIGMOID, SOFTMAX, End

CONVOLUTIONS = {
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "convolution", "_convolution", "_convolution_mode",
}  # fmt: skip
POOL_ARGUMENTS = {
    "max_pool": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "adaptive_avg_pool": ("output_size",),
    "adaptive_max_pool": ("output_size",),
}
POOL_MODULES = {
    "max_pool": "MaxPool",
    "avg_pool": "AvgPool",
    "adaptive_avg_pool": "AdaptiveAvgPool",
    "adaptive_max_pool": "AdaptiveMaxPool",
}
SIZED = {"view", "reshape", "_unsafe_view", "expand"}
"""Operations that are given the sizes of their result, which a file may hold as constants."""

REFUSED = {"from_file", "save", "set_", "set_data"}
"""Operations that no classifier needs, and that read or write elsewhere."""

PLAIN: dict[str, Callable[..., Any]] = {
    "__getitem__": operator.getitem, "getitem": operator.getitem, "len": len, "Int": int, "Float": float, "Bool": bool,
    "ScalarImplicit": lambda one: one.item(), "IntImplicit": int, "FloatImplicit": float,
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv,
    "truediv": operator.truediv, "div": operator.truediv, "neg": operator.neg, "remainder": operator.mod,
    "mod": operator.mod, "pow": operator.pow, "floor": math.floor, "ceil": math.ceil,
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "__is__": operator.is_, "__isnot__": operator.is_not, "__not__": operator.not_,
    "size": lambda tensor, dim=None: list(tensor.shape) if dim is None else tensor.shape[dim],
    "sym_size": lambda tensor, dim: tensor.shape[dim], "dim": lambda tensor: tensor.ndim,
    "numel": lambda tensor: tensor.numel(), "sym_numel": lambda tensor: tensor.numel(),
    "slice": lambda values, start, end, step: values[start:end:step],
}  # fmt: skip
"""Operations on numbers and lists, which are Python's; those that tensors have too are theirs where there is one."""

SOFTMAXES, SIGMOIDS = {"softmax", "log_softmax"}, {"sigmoid", "hardsigmoid"}
CLAMPS = {"clamp", "clamp_min", "clamp_max", "clip"}
SAME_VALUES = {
    "view", "view_as", "reshape", "reshape_as", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze",
    "contiguous", "clone", "alias", "detach", "to", "_to_copy", "type_as", "dropout",
}  # fmt: skip
"""Operations that change the shape or the type of numbers alone."""


def find_operation(name: str, overload: str) -> Any:
    """An operation of torch by name, such as "conv2d" and "default"; None if there is none that may be run."""
    if name in REFUSED:
        return None
    return getattr(getattr(torch.ops.aten, name, None), overload or "default", None)


def add_operation(builder: Builder, operation: Any, step: Step) -> None:
    """Append an operation of torch: as a module if it is a convolution or a pool with known arguments."""
    name = operation._schema.name.partition("::")[2]
    bound = _bound(operation, step)
    training = bound.get("training") is True or bound.get("train") is True
    if training and builder.is_of_images(step.arguments[0]):  # weights may be standardised so
        raise InputError(
            f"{builder.path}: found {name} in training mode; expected a network in evaluation mode: call "
            "model.eval() before it is saved."
        )
    if name in CONVOLUTIONS:
        _add_convolution(builder, name, bound, step)
    elif pool := _pool_of(name, bound, step):
        builder.add_module(
            (step.home, "pool", repr(pool)) if step.home else object(),
            step.home or name,
            pool,
            replace(step, arguments=step.arguments[:1], named={}, results=step.results[:1]),
        )
    elif name in SIZED and step.arguments[1:]:
        tensor, sizes, *rest = step.arguments
        shape = Shape(tuple(sizes)) if isinstance(sizes, list | tuple) else sizes
        builder.add(replace(step, arguments=(tensor, shape, *rest)))
    else:
        builder.add(step)


def _bound(operation: Any, step: Step) -> dict[str, Any]:
    """Arguments by the names of the operation's schema, with its defaults."""
    bound: dict[str, Any] = {}
    for number, argument in enumerate(operation._schema.arguments):
        if number < len(step.arguments):
            bound[argument.name] = step.arguments[number]
        else:
            bound[argument.name] = step.named.get(
                argument.name, argument.default_value if argument.has_default_value() else None
            )
    return bound


def _add_convolution(builder: Builder, name: str, bound: Mapping[str, Any], step: Step) -> None:
    weight, bias = bound["weight"], bound["bias"]
    transposed = bool(bound.get("transposed", "transpose" in name))
    keys = ("stride", "padding", "dilation", "groups", *(("output_padding",) if transposed else ()))
    settings = {key: bound[key] for key in keys}
    if (
        not isinstance(weight, Weight)
        or not (bias is None or isinstance(bias, Weight))
        or not known([*settings.values()])
    ):
        builder.add_layer(name, step)
        return
    axes = builder.state[weight.name].ndim - 2
    options = {key: _per_axis(value, axes) for key, value in settings.items()}
    home, parent = step.home, weight.name.rpartition(".")[0]
    if parent.startswith(f"{home}.") or not home:
        home = parent or home or name
    module = make_convolution(
        builder.state[weight.name],
        builder.state[bias.name] if bias else None,
        transposed=transposed,
        **options,
    )
    builder.add_module(
        (home, weight, bias, repr(options)),
        home,
        module,
        replace(step, arguments=(bound["input"],), named={}),
    )


def _per_axis(value: Any, axes: int) -> Any:
    if isinstance(value, list | tuple):
        return tuple(value) if len(value) == axes else tuple(value) * axes
    return value


def _pool_of(name: str, bound: Mapping[str, Any], step: Step) -> nn.Module | None:
    """A pool of torch's; None if the operation is none, or more than the pool's output is used."""
    base = name.removeprefix("_").removesuffix("_with_indices")
    kind, axes = base[:-2], base[-2:-1]
    if kind not in POOL_ARGUMENTS or not isinstance(step.arguments[0], Value):
        return None
    options = {key: bound[key] for key in POOL_ARGUMENTS[kind] if key in bound}
    if not known([*options.values()]) or bound.get("divisor_override") is not None:
        return None
    options = {key: _per_axis(value, int(axes)) if value != [] else None for key, value in options.items()}
    pool: nn.Module = getattr(nn, f"{POOL_MODULES[kind]}{axes}d")(**options)
    return pool


def end_of(step: Step) -> End | None:
    """What an operation at the end of a network does, see `End`."""
    schema = getattr(step.call, "_schema", None)
    if schema is None:
        return None
    name, bound = schema.name.partition("::")[2], _bound(step.call, step)
    title = name.strip("_")
    if title in SOFTMAXES:
        return End(SOFTMAX, title, axis=bound["dim"])
    if title in SIGMOIDS:
        return End(SIGMOID, title)
    if name in CLAMPS:
        limits = bound.get("min"), bound.get("max")
        return End(CLAMP, limits=limits) if known([*limits]) else None
    kind = bound.get("dtype")
    same = name in SAME_VALUES and (not isinstance(kind, torch.dtype) or kind.is_floating_point)
    return End(SAME) if same else None


def check_precision(path: Path, network: GraphNetwork) -> None:
    """Refuse weights of another precision than the images have, unless the network changes the type of numbers itself.

    Raises:
        InputError: there are such weights.
    """
    kinds = {one.dtype for one in network.parameters() if one.ndim > 1} - {torch.float32}
    names = {getattr(getattr(step.call, "_schema", None), "name", "") for step in network.steps}
    if kinds and not names & {f"aten::{name}" for name in ("to", "_to_copy", "type_as")}:
        raise InputError(
            f"{path}: found weights of the type {min(map(str, kinds))}; expected single precision, as images have it: "
            "save model.float()."
        )
