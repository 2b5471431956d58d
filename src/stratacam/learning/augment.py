"""Random rotation, translation and scaling of slices: one resampling, one batched call."""

import math

import torch
from pydantic import BaseModel, Field
from torch.nn import functional


class AugmentSettings(BaseModel, frozen=True, extra="forbid"):
    """The largest change of each kind; every slice draws uniformly between minus and plus that."""

    rotation: float = Field(
        default=10.0, ge=0, le=180, description="degrees, about the centre of the picture"
    )
    translation: float = Field(
        default=0.05, ge=0, le=0.5, description="fraction of the picture's width and height"
    )
    scaling: float = Field(
        default=0.10, ge=0, lt=1, description="fraction: 0.1 means 90 to 110 per cent of the size"
    )


def random_transforms(
    count: int, settings: AugmentSettings, generator: torch.Generator, *, aspect: float = 1.0
) -> torch.Tensor:
    """Draw affine matrices for `torch.nn.functional.affine_grid`.

    Args:
        count: how many.
        settings: the ranges.
        generator: the source of the numbers, on the CPU, so that every device sees the same ones.
        aspect: height over width of the pictures; it keeps a rotation a rotation when they are not square.

    Returns:
        (count, 2, 3) float32, from positions in the transformed picture to positions in the original, both in
        [-1, 1]: content is scaled by s, turned by the angle (anticlockwise as displayed), then shifted.
    """
    draw = 2 * torch.rand(count, 4, generator=generator) - 1
    angle = draw[:, 0] * math.radians(settings.rotation)
    scale = 1 + draw[:, 1] * settings.scaling
    shift = 2 * draw[:, 2:] * settings.translation
    inverse = (
        torch.stack([angle.cos(), -angle.sin() * aspect, angle.sin() / aspect, angle.cos()], dim=1).reshape(
            -1, 2, 2
        )
        / scale[:, None, None]
    )
    return torch.cat([inverse, -inverse @ shift[:, :, None]], dim=2)


def transform(images: torch.Tensor, transforms: torch.Tensor) -> torch.Tensor:
    """Resample each picture by its affine matrix, linearly, with 0 outside.

    Args:
        images: (B, S, H, W), on any device.
        transforms: (B, 2, 3), see `random_transforms`.

    Returns:
        (B, S, H, W), as `images`.
    """
    grid = functional.affine_grid(transforms.to(images), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)
