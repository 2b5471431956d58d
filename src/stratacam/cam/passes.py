"""From a batch to raw maps by gradients: one forward, and one backward for each class."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from stratacam.cam.capture import Captured, LayerError, Tap, TokensToGrid, capture
from stratacam.cam.inputs import Inputs
from stratacam.cam.layers import split_call
from stratacam.cam.scores import Target

MapFunction = Callable[[Tensor, Tensor], Tensor]
"""Activation and gradient (B, channels, *spatial) to raw maps (B, *spatial)."""


@dataclass(frozen=True)
class Task:
    """What is to be explained: one batch.

    Attributes:
        model: in evaluation mode and frozen.
        inputs: the batch.
        layers: names, and whether each was named or only matched by a pattern.
        target: what finds the classes to explain in the first forward.
        tokens_to_grid: for layers of token models.
        batch_size: images that may go through the network at once.
    """

    model: nn.Module
    inputs: Inputs
    layers: Mapping[str, bool]
    target: Callable[[Captured], Target]
    tokens_to_grid: TokensToGrid | None
    batch_size: int

    def named(self, name: str) -> bool:
        """Whether a layer, or the module of which it is one call, was named."""
        return self.layers.get(name, self.layers.get(split_call(name)[0], False))

    def capture(self) -> Captured:
        """One forward that keeps what the layers give."""
        return capture(self.model, self.inputs, self.layers, self.tokens_to_grid)


@dataclass
class RawMaps:
    """Raw maps of one batch.

    Attributes:
        target: the classes explained.
        raw: by layer, (B, C, *spatial).
        zero_gradient: by layer, (B, C), where a map is blank because no gradient arrives.
        refused: layers matched by a pattern that have no map, and why.
    """

    target: Target
    raw: dict[str, Tensor]
    zero_gradient: dict[str, Tensor]
    refused: dict[str, str]


def gradient_pass(task: Task, function: MapFunction) -> RawMaps:
    """Maps that are a function of a layer's activation and the score's gradient at it.

    Each gradient is turned into a map where the backward meets it, and an activation is let go with the map
    of its last class, so that neither the gradients nor the activations of all layers are held at once.

    Raises:
        LayerError: if a layer that was named is not on the path to the score.
    """
    captured = task.capture()
    target = task.target(captured)
    scores = target.score(captured, target.classes)
    classes = scores.shape[1]
    raw: dict[str, Tensor] = {}
    zero: dict[str, Tensor] = {}

    def receive(tap: Tap, column: int, gradient: Tensor) -> None:
        gradient = tap.as_grid(gradient)
        found = function(tap.activation(), gradient).float()
        expected = (len(gradient), *gradient.shape[2:])
        if found.shape != expected:
            raise ValueError(f"the method gives {tuple(found.shape)} for {tap.name}; expected {expected}.")
        if tap.name not in raw:  # a class whose score does not depend on the layer leaves its map zero
            raw[tap.name] = found.new_zeros(len(found), classes, *found.shape[1:])
            zero[tap.name] = torch.ones_like(raw[tap.name].flatten(2)[..., 0], dtype=torch.bool)
        raw[tap.name][:, column] = found
        zero[tap.name][:, column] = _zero_gradient(found, gradient)
        if column + 1 == classes:
            tap.release()

    for column in range(classes):
        try:
            for tap in captured.taps.values():
                tap.receive = partial(receive, tap, column)
            _backward(scores[:, column], captured.anchor, keep_graph=column + 1 < classes)
        finally:
            for tap in captured.taps.values():
                tap.receive = None  # it holds the tap, and the tap it
    for name in captured.taps.keys() - raw.keys():
        reason = "is not on the path to the score: nothing that the score depends on comes from it."
        if task.named(name):
            raise LayerError(name, reason)
        captured.refused[name] = reason
    return RawMaps(target, {name: raw[name] for name in captured.taps if name in raw}, zero, captured.refused)


def activation_pass(task: Task, function: Callable[[Tensor], Tensor]) -> RawMaps:
    """Maps that are a function of a layer's activation alone: the same for every class, without a backward."""
    with torch.no_grad():
        captured = task.capture()
    target = task.target(captured)
    classes = target.classes.shape[1]
    raw = {}
    for name, tap in captured.taps.items():
        found = function(tap.activation()).float()
        raw[name] = found[:, None].expand(-1, classes, *found.shape[1:])
        tap.release()
    return _without_gradient(target, raw, captured)


def _backward(scores: Tensor, anchor: Tensor, *, keep_graph: bool) -> None:
    if not scores.requires_grad:
        raise ValueError(
            "the score does not depend on any of the layers through a gradient: the model detaches it, or runs "
            "inside torch.no_grad."
        )
    torch.autograd.grad(scores.sum(), anchor, retain_graph=keep_graph, allow_unused=True)


def _zero_gradient(raw: Tensor, gradient: Tensor) -> Tensor:
    """Where a map (B, *spatial) is blank because its gradient is zero: only blank ones are looked at."""
    flat = raw.flatten(1)
    zero = (flat.amax(dim=1) <= 0) | (flat.amax(dim=1) == flat.amin(dim=1))
    for index in zero.nonzero().flatten().tolist():
        zero[index] = not bool(gradient[index].any())
    return zero


def forward_maps(task: Task, one_image: Callable[[str, Tensor, int, Target], Tensor]) -> RawMaps:
    """Maps by forwards alone, image by image.

    Args:
        task: the batch.
        one_image: the layer's name, its activation (channels, *spatial) for one image, the image's index and
            the target, to maps (C, *spatial).
    """
    with torch.no_grad():
        captured = task.capture()
        target = task.target(captured)
        raw = {}
        for name, tap in captured.taps.items():
            activation = tap.activation()
            tap.release()
            raw[name] = torch.stack(
                [one_image(name, features, index, target) for index, features in enumerate(activation)]
            )
    return _without_gradient(target, raw, captured)


def weighted_channels(weights: Tensor, activation: Tensor) -> Tensor:
    """Sum of channels (channels, *spatial) by weights (channels, C): (C, *spatial), float32."""
    return torch.einsum("kc,k...->c...", weights, activation.to(weights.dtype))


def _without_gradient(target: Target, raw: dict[str, Tensor], captured: Captured) -> RawMaps:
    zero = {name: torch.zeros_like(target.classes, dtype=torch.bool) for name in raw}
    return RawMaps(target, raw, zero, captured.refused)
