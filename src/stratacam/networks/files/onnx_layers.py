"""Convolutions and pools of ONNX as torch's modules, with the padding that torch has not as a step before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from stratacam.networks.files.builder import Builder, make_convolution
from stratacam.networks.files.graph import Step, Value, Weight

LAYERS = {"Conv", "ConvTranspose", "MaxPool", "AveragePool"}


def add_layer(builder: Builder, kind: str, name: str, attributes: Mapping[str, Any], step: Step) -> None:
    """Append a convolution or pool.

    Raises:
        ValueError: it is of a kind that torch has not.
    """
    if kind in {"Conv", "ConvTranspose"}:
        _add_convolution(builder, kind, name, attributes, step)
    else:
        _add_pool(builder, kind, name, attributes, step)


def _add_convolution(
    builder: Builder, kind: str, name: str, attributes: Mapping[str, Any], step: Step
) -> None:
    images, weight, *rest = step.arguments
    bias = rest[0] if rest else None
    if not isinstance(weight, Weight) or not isinstance(bias, Weight | None):
        raise ValueError("a kernel that is computed from the image")  # noqa: TRY004 - of a file, not of a caller
    kernel = builder.state[weight.name]
    axes = kernel.ndim - 2
    window = _Window(attributes, tuple(kernel.shape[2:]), axes)
    options: dict[str, Any] = {
        "stride": window.stride,
        "dilation": window.dilation,
        "groups": attributes.get("group", 1),
    }
    transposed = kind == "ConvTranspose"
    if transposed:
        if window.automatic or attributes.get("output_shape") or window.before != window.after:
            raise ValueError("a transposed convolution with padding of its output")
        options |= {
            "padding": window.before,
            "output_padding": tuple(attributes.get("output_padding", (0,) * axes)),
        }
    else:
        images, options["padding"] = _padded(builder, window, step, images, value=0.0)
    module = make_convolution(
        kernel, builder.state[bias.name] if bias else None, transposed=transposed, **options
    )
    builder.add_module(
        (step.home, weight, bias, repr(options)), name, module, replace(step, arguments=(images,))
    )


def _add_pool(builder: Builder, kind: str, name: str, attributes: Mapping[str, Any], step: Step) -> None:
    size = tuple(attributes["kernel_shape"])
    window = _Window(attributes, size, len(size))
    ceil = bool(attributes.get("ceil_mode", 0))
    step = replace(step, results=step.results[:1])
    if kind == "MaxPool":
        images, padding = _padded(
            builder,
            window,
            step,
            step.arguments[0],
            value=float("-inf"),
            most=[length // 2 for length in size],
        )
        pool: nn.Module = getattr(nn, f"MaxPool{len(size)}d")(
            size, window.stride, padding, window.dilation, ceil_mode=ceil
        )
    else:
        counted = bool(attributes.get("count_include_pad", 0))
        uneven = (
            window.automatic
            or window.before != window.after
            or any(amount > length // 2 for amount, length in zip(window.before, size, strict=True))
        )
        if uneven and not counted:
            average = partial(_average, window, ceil)
            builder.add_layer(name, replace(step, call=average, arguments=step.arguments[:1]))
            return
        images, padding = _padded(
            builder, window, step, step.arguments[0], value=0.0, most=[length // 2 for length in size]
        )
        if set(window.dilation) != {1}:
            raise ValueError("an average pool with dilation")
        pool = getattr(nn, f"AvgPool{len(size)}d")(
            size, window.stride, padding, ceil_mode=ceil, count_include_pad=counted
        )
    builder.add_module(object(), name, pool, replace(step, arguments=(images,)))


class _Window:
    """Stride, dilation and padding of a convolution or pool, whose padding may depend on the image."""

    def __init__(self, attributes: Mapping[str, Any], kernel: Sequence[int], axes: int) -> None:
        self.kernel = tuple(kernel)
        self.stride = tuple(attributes.get("strides") or (1,) * axes)
        self.dilation = tuple(attributes.get("dilations") or (1,) * axes)
        mode = attributes.get("auto_pad", "NOTSET")
        pads = tuple(attributes.get("pads") or (0,) * 2 * axes) if mode == "NOTSET" else (0,) * 2 * axes
        self.before, self.after = pads[:axes], pads[axes:]
        self.automatic = mode in {"SAME_UPPER", "SAME_LOWER"}
        self.upper = mode != "SAME_LOWER"

    def pads(self, images: Tensor) -> list[int]:
        """Padding for `torch.nn.functional.pad`: of the last axis first, before and after."""
        found: list[int] = []
        for axis in reversed(range(len(self.kernel))):
            before, after = self.before[axis], self.after[axis]
            if self.automatic:
                length, stride = images.shape[2 + axis], self.stride[axis]
                reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1
                total = max((-(-length // stride) - 1) * stride + reach - length, 0)
                small = total // 2
                before, after = (small, total - small) if self.upper else (total - small, small)
            found += [before, after]
        return found


def _padded(
    builder: Builder,
    window: _Window,
    step: Step,
    images: Any,
    *,
    value: float,
    most: Sequence[int] | None = None,
) -> tuple[Any, tuple[int, ...]]:
    """The images, padded where torch's module cannot, and the padding of the module."""
    torchs = not window.automatic and window.before == window.after
    if torchs and (
        most is None or all(amount <= limit for amount, limit in zip(window.before, most, strict=True))
    ):
        return images, window.before
    result = f"{step.results[0]} padded"
    builder.add(Step(partial(_pad, window, value), (images,), {}, (result,), step.home))
    return Value(result), (0,) * len(window.kernel)


def _pad(window: _Window, value: float, images: Tensor) -> Tensor:
    return F.pad(images, window.pads(images), value=value)


def _average(window: _Window, ceil: bool, images: Tensor) -> Tensor:
    """Mean over the positions of the image in each window, without the padding."""
    pool = getattr(F, f"avg_pool{len(window.kernel)}d")
    padded, inside = (
        F.pad(one, window.pads(images)) for one in (images, images.new_ones(1, 1, *images.shape[2:]))
    )
    total: Tensor = pool(padded, window.kernel, window.stride, ceil_mode=ceil)
    share: Tensor = pool(inside, window.kernel, window.stride, ceil_mode=ceil)
    return total / share
