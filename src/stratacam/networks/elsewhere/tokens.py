"""Blocks whose output is tokens: layers with maps, since their network says how tokens lie on the image."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Blocks = Mapping[str, "Tokens | FeaturesLast"]
"""How the output of blocks becomes a feature map, by the name of the block."""


@dataclass(frozen=True)
class Tokens:
    """Tokens (B, T, D) to a feature map (B, D, rows, columns).

    Attributes:
        patch: rows and columns of the picture that one token stands for.
        before: tokens of the class and registers, which some blocks have before those of the patches.
    """

    patch: tuple[int, int]
    before: int

    def __call__(self, tokens: Tensor, shape: Sequence[int]) -> Tensor:
        """Lay the patches' tokens on the grid of a picture of this shape.

        Raises:
            ValueError: there are more or fewer tokens.
        """
        grid = tuple(length // step for length, step in zip(shape, self.patch, strict=True))
        patches = math.prod(grid)
        if tokens.ndim != 3 or tokens.shape[1] not in {patches, patches + self.before}:
            raise ValueError(
                f"expected {' x '.join(map(str, grid))} tokens (B, T, D), after {self.before} others or none."
            )
        return tokens[:, tokens.shape[1] - patches :].mT.reshape(len(tokens), -1, *grid)


@dataclass(frozen=True)
class FeaturesLast:
    """Features on the last axis, (B, rows, columns, D), to a feature map (B, D, rows, columns)."""

    def __call__(self, features: Tensor, shape: Sequence[int]) -> Tensor:
        """Move the last axis.

        Raises:
            ValueError: there are not as many axes as the picture has, of this shape, and two.
        """
        if features.ndim != len(shape) + 2:
            raise ValueError("expected (B, rows, columns, D).")
        return features.movedim(-1, 1)


def mark_layers(network: nn.Module, blocks: Blocks) -> None:
    """Make blocks layers, as `stratacam.cam` reads it, but those that hold convolutions, which are layers."""
    for name, to_grid in blocks.items():
        block: Any = network.get_submodule(name)
        if not any(isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d) for part in block.modules()):
            block.is_layer, block.to_grid = True, to_grid


def repeated(network: nn.Module, *lists: str) -> Iterator[str]:
    """Names of modules that lie, with others of their class, in a list whose own name is one of these."""
    for name, module in network.named_modules():
        if name.rpartition(".")[2] in lists and len({type(part) for part in module.children()}) == 1:
            yield from (f"{name}.{part}" for part, _ in module.named_children())
