"""The layers of a network: what there is to explain, and which of them a name or pattern means."""

import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stratacam.cam.capture import evaluating

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
POOLS = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d
)  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """One convolution or pooling layer.

    Attributes:
        name: its path in the model, such as `block5_conv3`.
        kind: "convolution" or "pooling".
        shape: of its output for one image, (channels, *spatial).
        stride: input pixels between neighbouring positions of its output, per axis.
        receptive_field: input pixels that one position of its output depends on, per axis; None where the
            model is not a plain chain of layers.
        parameters: number of its weights and biases.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    parameters: int


def candidate_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Convolution and pooling modules of `model` by name, in the order in which they are registered."""
    return {
        name: module for name, module in model.named_modules() if isinstance(module, CONVOLUTIONS + POOLS)
    }


def match_layers(model: nn.Module, layers: str | Sequence[str] = "all") -> tuple[str, ...]:
    """Names of the layers meant by `layers`, in the order asked, each once.

    Args:
        model: any network.
        layers: "all" (every convolution and pooling layer), "last" (the last convolution), a name, a glob
            such as `block5_*`, or a sequence of names and globs. A name may be that of any module; globs
            match convolutions and pools.

    Raises:
        ValueError: if a name or pattern matches nothing; close names and the candidates are listed.
    """
    candidates = candidate_layers(model)
    modules = dict(model.named_modules())
    asked = [layers] if isinstance(layers, str) else list(layers)
    chosen: list[str] = []
    for pattern in asked:
        if pattern == "all":
            found = list(candidates)
        elif pattern == "last":
            found = [name for name, module in candidates.items() if isinstance(module, CONVOLUTIONS)][-1:]
        elif pattern in modules and pattern:
            found = [pattern]
        else:
            found = fnmatch.filter(candidates, pattern)
        if not found:
            close = difflib.get_close_matches(pattern, list(modules), n=3)
            hint = f"did you mean {' or '.join(close)}? " if close else ""
            raise ValueError(f"no layer matches {pattern!r}; {hint}The layers are: {', '.join(candidates)}.")
        chosen.extend(found)
    return tuple(dict.fromkeys(chosen))


def list_layers(model: nn.Module, example: Tensor) -> list[Layer]:
    """Describe every convolution and pooling layer that `model` runs on `example`.

    Args:
        model: any network.
        example: one batch of input, (B, channels, *spatial).

    Returns:
        The layers in the order in which the model runs them.
    """
    candidates = candidate_layers(model)
    names = {module: name for name, module in candidates.items()}
    described: list[Layer] = []
    chain = _Chain(len(example.shape) - 2) if isinstance(model, nn.Sequential) else None

    def describe(module: nn.Module, _input: tuple[Tensor, ...], output: Tensor) -> None:
        if chain:
            chain.follow(module)
        spatial = tuple(output.shape[2:])
        described.append(
            Layer(
                name=names[module],
                kind="convolution" if isinstance(module, CONVOLUTIONS) else "pooling",
                shape=tuple(output.shape[1:]),
                stride=tuple(
                    round(before / after) for before, after in zip(example.shape[2:], spatial, strict=True)
                ),
                receptive_field=tuple(chain.field) if chain else None,
                parameters=sum(parameter.numel() for parameter in module.parameters()),
            )
        )

    hooks = [module.register_forward_hook(describe) for module in candidates.values()]
    try:
        with evaluating(model), torch.no_grad():
            model(example[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return described


class _Chain:
    """Receptive field along a chain of layers: each adds (kernel - 1) x dilation x the stride before it."""

    def __init__(self, axes: int) -> None:
        self.field = [1] * axes
        self.jump = [1] * axes

    def follow(self, module: nn.Module) -> None:
        for axis in range(len(self.field)):
            kernel, stride, dilation = (
                _along(getattr(module, key, 1), axis) for key in ("kernel_size", "stride", "dilation")
            )
            self.field[axis] += (kernel - 1) * dilation * self.jump[axis]
            self.jump[axis] *= stride


def _along(value: int | tuple[int, ...], axis: int) -> int:
    return value if isinstance(value, int) else value[axis]
