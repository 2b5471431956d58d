"""Convolutions and pools of ONNX as torch's modules, with the padding that torch has not as a step before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

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
    window = _window(attributes, tuple(kernel.shape[2:]))
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
    window = _window(attributes, size)
    ceil = bool(attributes.get("ceil_mode", 0))
    step = replace(step, results=step.results[:1])
    most = [length // 2 for length in size]
    torchs = window.is_torchs(most)
    images, padding = step.arguments[0], window.before if torchs else (0,) * len(size)
    if kind == "MaxPool":
        if not torchs:
            images, padding = _padded(
                builder, replace(window, ceil=ceil), step, images, value=float("-inf"), most=most
            )
        pool: nn.Module = getattr(nn, f"MaxPool{len(size)}d")(
            size, window.stride, padding, window.dilation, ceil_mode=ceil and torchs
        )
    else:
        average = getattr(nn, f"AvgPool{len(size)}d")
        if not torchs or set(window.dilation) != {1}:
            average = partial(AVERAGES[len(size)], replace(window, ceil=ceil))
        pool = average(
            size,
            window.stride,
            padding,
            ceil_mode=ceil,
            count_include_pad=bool(attributes.get("count_include_pad", 0)),
        )
    builder.add_module(object(), name, pool, replace(step, arguments=(images,)))


@dataclass(frozen=True)
class _Window:
    """Stride, dilation and padding of a convolution or pool, whose padding may depend on the image.

    Attributes:
        ceil: windows that begin in the image or the padding before it may end behind the padding.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    automatic: bool
    upper: bool
    ceil: bool = False

    def is_torchs(self, most: Sequence[int]) -> bool:
        """Whether torch's modules pad so, up to some amounts."""
        small = all(amount <= limit for amount, limit in zip(self.before, most, strict=True))
        return not self.automatic and self.before == self.after and small

    def pads(self, images: Tensor) -> list[int]:
        """Padding for `torch.nn.functional.pad`: of the last axis first, before and after."""
        found: list[int] = []
        for axis in reversed(range(len(self.kernel))):
            before, after = self.before[axis], self.after[axis]
            length, stride = images.shape[2 + axis], self.stride[axis]
            reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1
            if self.automatic:
                total = max((-(-length // stride) - 1) * stride + reach - length, 0)
                small = total // 2
                before, after = (small, total - small) if self.upper else (total - small, small)
            elif self.ceil:
                last = -(-(length + before + after - reach) // stride)
                last -= last * stride >= length + before
                after = last * stride + reach - length - before
            found += [before, after]
        return found


def _window(attributes: Mapping[str, Any], kernel: Sequence[int]) -> _Window:
    axes, mode = len(kernel), attributes.get("auto_pad", "NOTSET")
    pads = tuple(attributes.get("pads") or (0,) * 2 * axes) if mode == "NOTSET" else (0,) * 2 * axes
    return _Window(
        tuple(kernel),
        tuple(attributes.get("strides") or (1,) * axes),
        tuple(attributes.get("dilations") or (1,) * axes),
        pads[:axes],
        pads[axes:],
        automatic=mode in {"SAME_UPPER", "SAME_LOWER"},
        upper=mode != "SAME_LOWER",
    )


class _Average:
    """An average pool with padding or dilation that torch's has not."""

    def __init__(self, window: _Window, *arguments: Any, **options: Any) -> None:
        cast("Any", super()).__init__(*arguments, **options)
        self.window = window

    def forward(self, images: Tensor) -> Tensor:
        """Mean over the positions of each window, of the image and of padding if it counts: (B, channels, *spatial)."""
        window = self.window
        padded = F.pad(images, window.pads(images))
        inside, pads = images.new_ones(1, 1, *images.shape[2:]), window.pads(images)
        if cast("Any", self).count_include_pad:
            inside = F.pad(inside, replace(window, ceil=False).pads(images), value=1.0)
            lacking = [whole - own for whole, own in zip(padded.shape[2:], inside.shape[2:], strict=True)]
            pads = [amount for one in reversed(lacking) for amount in (0, one)]
        total, share = (self._sum(one) for one in (padded, F.pad(inside, pads)))
        return total / share

    def _sum(self, values: Tensor) -> Tensor:
        window = self.window
        convolve = getattr(F, f"conv{len(window.kernel)}d")
        channels = values.shape[1]
        ones = values.new_ones(channels, 1, *window.kernel)
        found: Tensor = convolve(
            values, ones, stride=window.stride, dilation=window.dilation, groups=channels
        )
        return found


class AvgPool1d(_Average, nn.AvgPool1d):
    """Over one axis."""


class AvgPool2d(_Average, nn.AvgPool2d):
    """Over two axes."""


class AvgPool3d(_Average, nn.AvgPool3d):
    """Over three axes."""


AVERAGES = {1: AvgPool1d, 2: AvgPool2d, 3: AvgPool3d}
"""By the number of axes."""


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
    if window.is_torchs(most or window.before):
        return images, window.before
    result = f"{step.results[0]} padded"
    builder.add(Step(partial(_pad, window, value), (images,), {}, (result,), step.home))
    return Value(result), (0,) * len(window.kernel)


def _pad(window: _Window, value: float, images: Tensor) -> Tensor:
    return F.pad(images, window.pads(images), value=value)
