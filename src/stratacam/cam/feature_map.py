"""What is a feature map: which outputs of a layer have maps, and how tokens become a grid."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from stratacam.cam.axes import Axes, off_image
from stratacam.cam.layers import CONVOLUTIONS, POOLS, spatial_axes

TokensToGrid = Callable[[Tensor], Tensor]
"""What a layer gives, such as tokens (B, T, D), to a feature map (B, channels, *spatial)."""

FEATURES_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm)
"""Modules whose features lie on the last axis, whatever the number of axes."""


def grid_maker(tokens_to_grid: Sequence[int] | TokensToGrid | None) -> TokensToGrid | None:
    """The function from tokens to a feature map: the caller's, or one made for the caller's grid.

    Raises:
        ValueError: if it is neither a function nor a grid of positive whole numbers.
    """
    if tokens_to_grid is None or callable(tokens_to_grid):
        return tokens_to_grid
    grid = tuple(tokens_to_grid) if isinstance(tokens_to_grid, Sequence) else ()
    if not grid or not all(isinstance(length, int) and length > 0 for length in grid):
        raise ValueError(
            f"tokens_to_grid: found {tokens_to_grid!r}; expected the grid of the tokens, such as (14, 14), or a "
            "function from tokens (B, T, D) to a feature map (B, D, *spatial)."
        )
    count = math.prod(grid)

    def last_tokens(tokens: Tensor) -> Tensor:
        if tokens.ndim != 3:
            raise ValueError(f"expected tokens (B, T, D); found {tuple(tokens.shape)}.")
        others = tokens.shape[1] - count
        if others not in {0, 1}:
            remedy = (
                f" If others come first, give lambda tokens: tokens[:, {others}:].mT.unflatten(2, {grid})."
            )
            raise ValueError(
                f"there are {tokens.shape[1]} tokens for the {count} places of {grid}; expected as many, or one more "
                f"for the class.{remedy if others > 1 else ''}"
            )
        return tokens[:, others:].mT.reshape(len(tokens), -1, *grid)

    return last_tokens


def map_fault(
    module: nn.Module, output: object, image: Tensor, to_grid: TokensToGrid | None, lying: Axes | None
) -> str | None:
    """Why a module's output has no map on the image; None if it has one.

    Args:
        module: of a layer.
        output: what a call of it gave.
        image: (B, channels, *spatial), the input that maps lie on.
        to_grid: what makes feature maps of what does not lie on the image.
        lying: where the axes of the output lie on the image, if that is known.
    """
    if not isinstance(output, Tensor):
        return f"gives a {type(output).__name__}, which is not a feature map (B, channels, *spatial)."
    if torch._C._functorch.is_batchedtensor(output):  # noqa: SLF001 - there is no public way
        return "is run inside torch.vmap, where what it gives cannot be observed."
    if output.is_complex():
        return f"gives {output.dtype}; a map needs real values, such as those of a layer after abs()."
    if not output.is_floating_point():
        return f"gives {output.dtype}, which has no gradient."
    if to_grid and grid_of(module, output, image, to_grid, lying):
        return _grid_fault(output, image, to_grid)
    return _fault_as_it_is(module, output, image, lying)


def grid_of(
    module: nn.Module, output: Tensor, image: Tensor, to_grid: TokensToGrid | None, lying: Axes | None
) -> TokensToGrid | None:
    """The function from a module's output to a feature map; None if the output is one already."""
    fits = isinstance(module, CONVOLUTIONS + POOLS) and _fault_as_it_is(module, output, image, lying) is None
    return None if fits else to_grid


def _fault_as_it_is(module: nn.Module, output: Tensor, image: Tensor, lying: Axes | None) -> str | None:
    """Why an output is no feature map on the image without `tokens_to_grid`."""
    shape, rows = tuple(output.shape), len(image)
    spatial = isinstance(module, CONVOLUTIONS + POOLS)
    fault = None
    if spatial and output.ndim == spatial_axes(module) + 1:
        fault = f"is given single images, without the batch's axis, and gives {shape}."
    elif not 3 <= output.ndim <= 5:
        fault = f"gives {shape}, which is not a feature map (B, channels, *spatial)."
    elif len(output) != rows:
        fault = (
            f"gives {len(output)} feature map(s), {shape}, for {rows} image(s){_folded(len(output), rows)}"
        )
    elif output.ndim != image.ndim and not (spatial and output.ndim == image.ndim + 1):
        fault = (
            f"gives {shape}, which does not lie on the input's {image.ndim - 2} axes; give tokens_to_grid if these are "
            "tokens."
        )
    elif spatial and output.ndim == image.ndim and off_image(lying, output):
        fault = (
            f"gives {shape}, whose positions are channels, tokens or joined axes, not places on the image."
        )
    elif not spatial and _features_last(module, output):
        fault = (
            f"gives {shape} with its features on the last axis, which is no feature map (B, channels, *spatial); "
            "give tokens_to_grid, such as lambda values: values.movedim(-1, 1)."
        )
    return fault


def _folded(found: int, images: int) -> str:
    if found % images:
        return ": the model runs it on some of them, one by one or in parts."
    parts = found // images
    return (
        f". If these are frames, planes or views of all images, unfold them with tokens_to_grid: lambda values: "
        f"values.unflatten(0, (-1, {parts})).transpose(1, 2) where those of an image follow one another, or "
        f"values.unflatten(0, ({parts}, -1)).movedim(0, 2) where they were joined by torch.cat."
    )


def _features_last(module: nn.Module, output: Tensor) -> bool:
    """Whether a module that is or holds linear layers or layer norms gives (B, *spatial, features)."""
    if type(module) in FEATURES_LAST:
        return len(getattr(module, "normalized_shape", (0,))) == 1
    last: set[int] = set()
    first: set[int] = set()
    for part in module.modules():
        if isinstance(part, CONVOLUTIONS):
            first.add(part.out_channels)
        elif isinstance(part, FEATURES_LAST):
            last.add(part.out_features if isinstance(part, nn.Linear) else part.normalized_shape[-1])
    return output.shape[-1] in last and output.shape[1] not in first | last


def _grid_fault(output: Tensor, image: Tensor, to_grid: TokensToGrid) -> str | None:
    try:
        grid = to_grid(output.detach())
    except (ValueError, RuntimeError, IndexError) as fault:
        return f"gives {tuple(output.shape)}, of which tokens_to_grid makes no grid: {fault}"
    found = tuple(grid.shape) if isinstance(grid, Tensor) else type(grid).__name__
    if isinstance(grid, Tensor) and 3 <= grid.ndim <= 5 and len(grid) == len(image):
        return None
    return (
        f"gives {found} after tokens_to_grid; expected a feature map (B, channels, *spatial) of {len(image)} "
        "image(s), with 1 to 3 axes."
    )
