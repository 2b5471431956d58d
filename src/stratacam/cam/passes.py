"""From a batch to raw maps: by gradients, by activations alone, or by forwards alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from stratacam.cam.capture import Captured
from stratacam.cam.scores import Target
from stratacam.cam.tap import Activation, Tap
from stratacam.cam.task import RawMaps, Run, Task

FEW = 128
"""Channels up to which a card multiplies two rows of weights, that are the same, in less time than one."""

MapFunction = Callable[[Tensor, Tensor], Tensor]
"""Activation and gradient (B, channels, *spatial) to raw maps (B, *spatial)."""


class Reading(Protocol):
    """What a method by gradients makes of a layer."""

    def of_class(self, layer: Activation, gradient: Tensor) -> Tensor:
        """Of the gradient of one class's score (B, channels, *spatial): values (B, ...)."""
        ...

    def conclude(self, layer: Activation, values: Tensor) -> Tensor:
        """Of the values of all classes (B, C, ...): raw maps (B, C, *spatial)."""
        ...

    def map(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of activation and gradient (B, channels, *spatial): raw maps (B, *spatial)."""
        ...


@dataclass(frozen=True)
class ByPosition:
    """Maps that are a function of a layer's activation and of the score's gradient at it."""

    map: MapFunction

    def of_class(self, layer: Activation, gradient: Tensor) -> Tensor:
        """The map of the class, (B, *spatial)."""
        found = self.map(layer(), gradient)
        expected = (len(gradient), *gradient.shape[2:])
        if not isinstance(found, Tensor) or found.shape != expected:
            given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(f"the method gives {given} for {layer.name}; expected {expected}.")
        return found.float()

    def conclude(self, layer: Activation, values: Tensor) -> Tensor:  # noqa: ARG002
        """The maps as they are."""
        return values


@dataclass(frozen=True)
class ByChannel:
    """Maps that are the sum of a layer's channels with weights (B, channels) that its gradient alone gives.

    The maps of all classes are made together with the last, so that an activation is gone through once.
    """

    weigh: Callable[[Tensor], Tensor]

    def of_class(self, layer: Activation, gradient: Tensor) -> Tensor:  # noqa: ARG002
        """The weights, (B, channels)."""
        return self.weigh(gradient)

    def conclude(self, layer: Activation, values: Tensor) -> Tensor:
        """The sums of channels."""
        return sum_of_channels(values, layer()).float()

    def map(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """The sum of channels for one class."""
        return sum_of_channels(self.weigh(gradient)[:, None], activation)[:, 0]


@dataclass
class _Made:
    """What one method has made so far: of each layer, values by class, where no gradient came, and maps."""

    reading: Reading
    values: dict[str, list[Tensor | None]] = field(default_factory=dict)
    zero: dict[str, list[Tensor | None]] = field(default_factory=dict)
    raw: dict[str, Tensor] = field(default_factory=dict)
    without: dict[str, Tensor] = field(default_factory=dict)

    def receive(self, layer: Activation, column: int, gradient: Tensor, classes: int) -> None:
        found = self.reading.of_class(layer, gradient)
        blank = _without(gradient, (found <= 0).flatten(1).all(dim=1))
        self.values.setdefault(layer.name, [None] * classes)[column] = found
        self.zero.setdefault(layer.name, [None] * classes)[column] = blank

    def finish(self, layer: Activation) -> None:
        self.raw[layer.name] = self.reading.conclude(layer, _columns(self.values.pop(layer.name), 0))
        self.without[layer.name] = _columns(self.zero.pop(layer.name), 1)


def gradient_pass(task: Task, readings: Mapping[str, Reading]) -> dict[str, RawMaps]:
    """Maps by gradients, of all methods in one forward, and one backward for each class.

    Each gradient is used where the backward meets it, and an activation is let go with the last class, so that
    neither the gradients nor the activations of all layers are held at once.

    Args:
        task: the batch.
        readings: by method.

    Raises:
        LayerError: if a layer that was named is not on the path to the score.
    """
    run = Run(task)
    every = {name: _Made(reading) for name, reading in readings.items()}
    waiting: set[str] = set()  # layers of which some class's gradient came, and not yet the last's

    def receive(tap: Tap, column: int, gradient: Tensor) -> None:
        layer = Activation(tap)
        waiting.add(tap.name)
        for made in every.values():
            made.receive(layer, column, gradient, run.classes)
        if column + 1 == run.classes:
            finish(tap, layer)

    def finish(tap: Tap, layer: Activation) -> None:
        waiting.remove(tap.name)
        for made in every.values():
            made.finish(layer)
        tap.release()

    run.backward(receive)
    for tap in run.captured.unique_taps:
        if tap.name in waiting:  # the last class does not depend on this layer
            finish(tap, Activation(tap))
    return {name: run.maps(made.raw, made.without) for name, made in every.items()}


def _columns(found: list[Tensor | None], absent: int) -> Tensor:
    """Values of all classes (B, C, ...); those of a class whose score does not depend on the layer are `absent`."""
    if len(found) == 1 and found[0] is not None:
        return found[0][:, None]
    known = next(one for one in found if one is not None)
    return torch.stack([torch.full_like(known, absent) if one is None else one for one in found], dim=1)


def activation_pass(task: Task, function: Callable[[Tensor], Tensor]) -> RawMaps:
    """Maps that are a function of a layer's activation alone: the same for every class, without a backward."""
    with torch.no_grad():
        captured = task.capture()
    target = task.target(captured)
    classes = target.classes.shape[1]
    raw = {}
    for tap in captured.unique_taps:
        found = function(tap.activation()).float()
        raw[tap.name] = found[:, None].expand(-1, classes, *found.shape[1:])
        tap.release()
    return _without_gradient(target, raw, captured)


def forward_maps(task: Task, one_image: Callable[[Tap, Tensor, int, Target], Tensor]) -> RawMaps:
    """Maps by forwards alone, image by image.

    Args:
        task: the batch.
        one_image: the layer's tap, its activation (channels, *spatial) for one image, the image's index and
            the target, to maps (C, *spatial).

    Raises:
        ValueError: if the images are a bag, which has no score for one of them.
    """
    with torch.no_grad():
        captured = replace(task, inputs=task.inputs.copied(None)).capture()  # the model may change its inputs
        target = task.target(captured)
        if target.bag:
            raise ValueError(
                "the model gives one score for all images together, and this method scores changed images one by one; "
                "choose a method by gradients."
            )
        raw = {}
        for tap in captured.unique_taps:
            activation = tap.activation()
            tap.release()
            raw[tap.name] = torch.stack(
                [one_image(tap, features, index, target) for index, features in enumerate(activation)]
            )
    return _without_gradient(target, raw, captured)


def _without_gradient(target: Target, raw: dict[str, Tensor], captured: Captured) -> RawMaps:
    zero = {name: torch.zeros_like(target.classes, dtype=torch.bool) for name in raw}
    return RawMaps(target, captured.by_name(raw), captured.by_name(zero), captured.refused)


def sum_of_channels(weights: Tensor, activation: Tensor) -> Tensor:
    """sum_k w_k A_k as a matrix product, which needs no array of the activation's size.

    Args:
        weights: (B, C, channels).
        activation: (B, channels, *spatial).

    Returns:
        (B, C, *spatial).
    """
    shape = (*weights.shape[:2], *activation.shape[2:])
    with exactly(weights):
        if activation.is_cuda and activation.dtype == torch.bfloat16 and weights.dtype == torch.float32:
            return _sum_of_short(weights, activation.flatten(2)).reshape(shape)
        features = activation.to(weights.dtype).flatten(2)
        if activation.is_cuda and weights.shape[1] == 1 and weights.shape[2] <= FEW:
            return torch.bmm(weights.expand(-1, 2, -1), features)[:, :1].reshape(shape)
        return torch.bmm(weights, features).reshape(shape)


def _sum_of_short(weights: Tensor, features: Tensor) -> Tensor:
    """The product (B, C, positions) with bfloat16 features (B, channels, positions), which are not copied for it.

    Each weight is the sum of two bfloat16 numbers, which together have 16 of its 24 bits.
    """
    high = weights.bfloat16()
    low = (weights - high.float()).bfloat16()
    found = torch.bmm(torch.cat([high, low], dim=1), features, out_dtype=torch.float32)
    return found[:, : weights.shape[1]] + found[:, weights.shape[1] :]


def exactly(values: Tensor) -> torch.autocast:
    """While it lasts, products are in the precision of their factors, also under the caller's autocast."""
    return torch.autocast(values.device.type, enabled=False)


def _without(gradient: Tensor, candidates: Tensor) -> Tensor:
    """Which images (B,) have no gradient; on a CPU only the candidates are looked at."""
    if gradient.is_cuda:  # reading it all is quicker than to wait for which images are candidates
        return candidates & ~gradient.any(dim=tuple(range(1, gradient.ndim)))
    for index in candidates.nonzero().flatten().tolist():
        candidates[index] = not bool(gradient[index].any())
    return candidates
