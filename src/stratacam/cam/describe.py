"""What layers a network has: shape, stride, receptive field, parameters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.cam.inputs import read_inputs
from stratacam.cam.layers import CONVOLUTIONS, POOLS, candidate_layers
from stratacam.cam.receptive_field import Field, FieldTracker
from stratacam.cam.running import device_of, explainable
from stratacam.cam.twin import twin_of


@dataclass(frozen=True)
class Layer:
    """One convolution, pool or composite layer.

    Attributes:
        name: its path in the model, such as `layer4_block1`.
        kind: "convolution", "pooling" or "composite".
        shape: of its output for one image, (channels, *spatial).
        stride: input pixels between neighbouring positions of its output, per axis.
        receptive_field: input pixels that one position of its output can depend on, per axis; None where that
            cannot be followed (such as through attention).
        parameters: number of its weights and biases.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    parameters: int


def list_layers(
    model: nn.Module,
    example: Tensor | Sequence[Any],
    *,
    kwargs: Mapping[str, Any] | None = None,
    spatial_input: int | str | None = None,
) -> list[Layer]:
    """Describe every convolution, pool and composite layer that `model` runs on `example`.

    Args:
        model: any network.
        example: one batch of input as `explain` takes it.
        kwargs: the model's arguments by name.
        spatial_input: position or name of the image; the first if absent.

    Returns:
        The layers in the order in which the model runs them; `name#1`, `name#2` where one is run more than once.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Conv2d(2, 4, 3))
        >>> [layer.receptive_field for layer in list_layers(model, torch.rand(1, 1, 12, 12))]
        [(3, 3), (4, 4), (8, 8)]
    """
    model = explainable(model)
    described: list[Layer] = []

    def describe(module: nn.Module, _inputs: tuple[Tensor, ...], output: Any) -> None:  # noqa: ANN401
        if isinstance(output, Tensor):
            described.append(_describe(names[module], module, output, tracker.field_of(output), image))

    inputs = read_inputs(example, kwargs, spatial_input)
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        twin_of(model, channels_last=False, private=True) as made,
    ):
        twin = made.model
        names = {module: name for name, module in candidate_layers(twin).items()}
        inputs = inputs.take([0]).copied(device_of(twin))
        image = inputs.image
        tracker = FieldTracker(image)
        for module in names:
            module.register_forward_hook(describe)
        with tracker:
            inputs.run(twin)
    return _number_calls(described)


def _describe(name: str, module: nn.Module, output: Tensor, field: Field | None, image: Tensor) -> Layer:
    jump = field.jump if field else (math.inf,)
    if all(map(math.isfinite, jump)):
        stride = tuple(max(1, round(step)) for step in jump)
    else:
        stride = tuple(
            round(before / after) for before, after in zip(image.shape[2:], output.shape[2:], strict=False)
        )
    return Layer(
        name=name,
        kind=_kind(module),
        shape=tuple(output.shape[1:]),
        stride=stride,
        receptive_field=tuple(math.ceil(size) for size in field.size) if field else None,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
    )


def _kind(module: nn.Module) -> str:
    if isinstance(module, CONVOLUTIONS):
        return "convolution"
    return "pooling" if isinstance(module, POOLS) else "composite"


def _number_calls(layers: list[Layer]) -> list[Layer]:
    calls = [layer.name for layer in layers]
    return [
        replace(layer, name=f"{layer.name}#{calls[: position + 1].count(layer.name)}")
        if calls.count(layer.name) > 1
        else layer
        for position, layer in enumerate(layers)
    ]
