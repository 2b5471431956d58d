"""One call of a captured layer: its activation, held or to be computed again, and the gradient there."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stratacam.cam.feature_map import TokensToGrid
from stratacam.cam.repeated import HeldTensor, Repeat


class LayerError(ValueError):
    """A layer that has no map, and why."""

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"layer {layer} {reason}")
        self.layer = layer
        self.reason = reason


@dataclass
class Tap:
    """One call of a captured layer."""

    name: str
    held: HeldTensor | None  # its output, or the input of `again`
    again: Repeat | None  # computes its output again from `held`, if that is held instead
    tokens_to_grid: TokensToGrid | None  # makes a feature map of its output
    receive: Callable[[Tensor], None] | None = field(
        default=None, repr=False
    )  # given each backward's gradient

    def activation(self) -> Tensor:
        """The layer's output as a feature map (B, channels, *spatial)."""
        if self.held is None:
            raise RuntimeError(f"{self.name}: its activation has been released.")
        with torch.no_grad():
            return self.as_grid(self.again(self.held.tensor) if self.again else self.held.tensor)

    def as_grid(self, values: Tensor) -> Tensor:
        """Values at the layer's output, such as its gradient, as a feature map."""
        return self.tokens_to_grid(values) if self.tokens_to_grid else values

    def pass_on(self, gradient: Tensor | None) -> None:
        """Hand a gradient on; None comes where the score does not depend on this layer."""
        if self.receive and gradient is not None:
            self.receive(gradient)

    def release(self) -> None:
        """Let go of the activation."""
        self.held = self.again = None


class Activation:
    """A layer's output as a feature map (B, channels, *spatial), computed when it is first called for."""

    def __init__(self, tap: Tap) -> None:
        self.name = tap.name
        self._tap = tap
        self._found: Tensor | None = None

    def __call__(self) -> Tensor:
        """The output, the same for all who call."""
        if self._found is None:
            self._found = self._tap.activation()
        return self._found
