"""Who is measured: the floor that no method can go under, and stratacam."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

import stratacam as sc

CLASSES = 3
CLASS = 0
"""The class that everybody explains."""

Form = Literal["rectified", "stretched", "averaged"]
"""What a contestant does to Grad-CAM's signed map: drop negative values; stretch each map from 0 to 1 as well;
average the stretched maps of all layers."""


@dataclass(frozen=True)
class Contestant:
    """One way to explain a batch.

    Attributes:
        name: in the table.
        run: from model, images (B, 3, H, W) and names of layers to maps, (B, H, W) per layer, or to anything
            where `form` is None.
        form: what the maps are.
        frozen: the model is handed over with frozen parameters.
        memory_format: "contiguous" or "channels_last", of model and images; None for whichever is faster
            in a trial. Ours gets them as `stratacam.build` makes them, contiguous.
        pass_per_layer: each layer costs a forward and a backward.
    """

    name: str
    run: Callable[[nn.Module, Tensor, Sequence[str]], object]
    form: Form | None = None
    frozen: bool = False
    memory_format: str | None = None
    pass_per_layer: bool = False


def bare_forward(model: nn.Module, images: Tensor, _layers: Sequence[str]) -> Tensor:
    """The logits and nothing else."""
    with torch.inference_mode():
        logits: Tensor = model(images)
        return logits


def floor(model: nn.Module, images: Tensor, layers: Sequence[str]) -> None:
    """One forward, and one backward to the shallowest layer; nothing else is held."""
    logits, (shallowest,) = _forward(model, images, layers[:1])
    torch.autograd.grad(logits[:, CLASS].sum(), shallowest)


def floor_of_three_classes(model: nn.Module, images: Tensor, layers: Sequence[str]) -> None:
    """One forward, and a backward per class to the shallowest layer."""
    logits, (shallowest,) = _forward(model, images, layers[:1])
    for column in range(CLASSES):
        torch.autograd.grad(logits[:, column].sum(), shallowest, retain_graph=column + 1 < CLASSES)


def every_gradient_held(model: nn.Module, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, ...]:
    """The floor that keeps the gradient at every layer until the end."""
    logits, activations = _forward(model, images, layers)
    return torch.autograd.grad(logits[:, CLASS].sum(), activations)


def _forward(model: nn.Module, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, list[Tensor]]:
    """Logits and the activations of `layers`, with a graph that starts at the first of them."""
    activations: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        activations.append(output if output.requires_grad else output.detach().requires_grad_())
        return activations[-1]

    hooks = [model.get_submodule(name).register_forward_hook(keep) for name in layers]
    logits = model(images)
    for hook in hooks:
        hook.remove()
    return logits, activations


def ours(model: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
    """A map of every layer, for one class, at the size of the images."""
    return _explain(model, images, layers, CLASS)


def ours_of_three_classes(model: nn.Module, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
    """A map of every layer and class, at the size of the images."""
    return _explain(model, images, layers, "all")


def ours_of_last_layer(model: nn.Module, images: Tensor, _layers: Sequence[str]) -> list[Tensor]:
    """A map of the last convolution, for one class, at the size of the images."""
    return _explain(model, images, "last", CLASS)


def _explain(
    model: nn.Module, images: Tensor, layers: str | Sequence[str], classes: int | str
) -> list[Tensor]:
    result = sc.explain(model, images, layers=layers, classes=classes, batch_size=len(images))
    return [result[name].heatmap(size=images.shape[2:]) for name in result.layers]


FLOOR = Contestant("floor: one forward, one backward", floor, frozen=True, memory_format="channels_last")
FLOOR_OF_THREE = Contestant(
    "floor: one forward, three backwards", floor_of_three_classes, frozen=True, memory_format="channels_last"
)
BARE = Contestant("bare forward, no graph", bare_forward, frozen=True, memory_format="channels_last")
HELD = Contestant(
    "floor that holds every gradient", every_gradient_held, frozen=True, memory_format="channels_last"
)
OURS = Contestant("stratacam, all layers", ours, memory_format="contiguous")
OURS_OF_THREE = Contestant(
    "stratacam, all layers, three classes", ours_of_three_classes, memory_format="contiguous"
)
OURS_OF_LAST = Contestant("stratacam, last layer", ours_of_last_layer, memory_format="contiguous")
