"""Random changes of slices or volumes: geometry by one resampling, then contrast, bias field and noise.

Changes come in the order in which a scanner makes them: how the head lies, the contrast of its tissues, the coil's
field, the receiver's noise. Every number is drawn on the CPU, one row for each picture, before anything is changed:
what happens to a picture depends neither on the device nor on the pictures beside it.
"""

import math
from collections.abc import Sequence
from itertools import product

import torch
from pydantic import BaseModel, Field
from torch.nn import functional

ORDER = 3
"""Degree of the polynomial that is the logarithm of a bias field."""


def terms(axes: int) -> list[tuple[int, ...]]:
    """Its terms: degrees along every axis. Without (0, 0), the mean of the logarithm is 0.

    Example:
        >>> len(terms(2)), len(terms(3)), terms(2)[:3]
        (9, 19, [(0, 1), (0, 2), (0, 3)])
    """
    return [degrees for degrees in product(range(ORDER + 1), repeat=axes) if 1 <= sum(degrees) <= ORDER]


LIE = {2: 4, 3: 7}
"""Random numbers that say how a head lies, by the number of axes: angles, size, shifts."""


class AugmentSettings(BaseModel, frozen=True, extra="forbid"):
    """The largest change of each kind, which every slice draws uniformly; 0 for none."""

    rotation: float = Field(
        default=10.0, ge=0, le=180, description="largest rotation about the centre of the picture, in degrees"
    )
    translation: float = Field(
        default=0.05,
        ge=0,
        le=0.5,
        description="largest shift, as a fraction of the picture's width and height",
    )
    scaling: float = Field(
        default=0.10,
        ge=0,
        lt=1,
        description="largest change of size, as a fraction: 0.1 means 90 to 110 per cent",
    )
    flip: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability of a mirror image, which swaps left and right; refused for sagittal slices, where it "
        "would swap front and back",
    )
    gamma: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="largest change of contrast: intensities (0 to 1) are raised to the power exp(u), with u between "
        "minus and plus this",
    )
    bias_field: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="largest logarithm of a smooth field that multiplies the intensities: 0.2 means up to 22 per cent "
        "brighter or 18 per cent darker",
    )
    noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="standard deviation of Gaussian noise in the brain, as a fraction of full intensity",
    )


def augment(
    inputs: tuple[torch.Tensor, ...], settings: AugmentSettings, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """Change every picture or volume at random, and move the brain with it.

    Channels of a picture share the geometry; gamma, bias field and noise are drawn for each. Noise is added where
    the picture is above 0 only: prepared scans are 0 outside the brain, and the network must not learn otherwise.
    (Within the brain the signal is so far above the noise that Rician noise is Gaussian.)

    Args:
        inputs: pictures (B, C, H, W) or volumes (B, C, D, H, W) in [0, 1], on any device, alone or with the brain in
            them, (B, 1, *spatial), 1 inside and 0 outside; left as they are.
        settings: the ranges.
        generator: the source of the numbers, on the CPU; as many are drawn with the brain as without.

    Returns:
        As `inputs`, of which the geometry alone changes the brain: a pixel is brain if at least half of it is. `inputs`
        itself where every range is 0.
    """
    images, *brain = inputs
    count, channels, *size = images.shape
    over = [1] * len(size)
    numbers = [
        LIE[len(size)] * any((settings.rotation, settings.translation, settings.scaling)),
        1 * (settings.flip > 0),
        channels * (settings.gamma > 0),
        channels * (1 + len(terms(len(size)))) * (settings.bias_field > 0),
        channels * math.prod(size) * (settings.noise > 0),
    ]
    if not sum(numbers):
        return inputs
    draws = torch.rand(count, sum(numbers), generator=generator)
    lie, mirror, exponent, field, noise = torch.split(draws, numbers, dim=1)
    if mirror.numel():
        mirrored = (mirror < settings.flip).to(images.device).reshape(-1, 1, *over)
        images, *brain = (torch.where(mirrored, values.flip(-1), values) for values in (images, *brain))
    if lie.numel():
        matrices = affine_matrices(lie, settings, size)
        images = transform(images, matrices)
        brain = [(transform(mask, matrices) >= 0.5).to(mask) for mask in brain]
    if exponent.numel():
        power = (settings.gamma * (2 * exponent - 1)).exp()
        images = images ** power.to(images).reshape(count, channels, *over)
    if field.numel():
        drawn = field.reshape(count, channels, -1).to(images)
        images = images * bias_field_logarithms(drawn, size, settings.bias_field).exp()
    if noise.numel():
        normal = 2**0.5 * torch.erfinv(2 * noise.clamp(min=2**-25).to(images) - 1).reshape(images.shape)
        images = torch.where(images > 0, images + settings.noise * normal, images)
    return images.clamp(0, 1), *brain


def affine_matrices(draws: torch.Tensor, settings: AugmentSettings, size: Sequence[int]) -> torch.Tensor:
    """Turn random numbers into affine matrices for `torch.nn.functional.affine_grid`.

    Args:
        draws: (B, 4) for pictures, uniform in [0, 1): for the angle, the size, and the shifts to the right and down;
            (B, 7) for volumes: for the angles about the third, second and first of the axes columns, rows, slices, the
            size, and the shifts along columns, rows and slices.
        settings: the ranges.
        size: (rows, columns), or (slices, rows, columns); with it a rotation is one, where the sides are not equal and
            the spacing is.

    Returns:
        (B, 2, 3) or (B, 3, 4), from positions in the transformed picture to positions in the original, both in
        [-1, 1]: content is scaled by s, turned by the angle (anticlockwise as displayed), then shifted.
    """
    axes = len(size)
    angles, scale, shift = torch.split(2 * draws - 1, [{2: 1, 3: 3}[axes], 1, axes], dim=1)
    half = draws.new_tensor(list(reversed(size)))  # of the sides, in the order of positions: columns first
    turned = torch.eye(axes).to(draws).expand(len(draws), axes, axes)
    for (first, second), angle in zip(((0, 1), (0, 2), (1, 2)), angles.T, strict=False):
        turned = turned @ _rotations(angle * math.radians(settings.rotation), first, second, axes)
    inverse = turned * (half[None, :] / half[:, None]) / (1 + scale * settings.scaling)[:, :, None]
    return torch.cat([inverse, -inverse @ (2 * shift * settings.translation)[:, :, None]], dim=2)


def _rotations(angle: torch.Tensor, first: int, second: int, axes: int) -> torch.Tensor:
    """Rotations by angles (B,) in the plane of two axes, from after to before: (B, axes, axes)."""
    found = torch.eye(axes).to(angle).repeat(len(angle), 1, 1)
    found[:, first, first] = found[:, second, second] = angle.cos()
    found[:, first, second], found[:, second, first] = -angle.sin(), angle.sin()
    return found


def transform(images: torch.Tensor, transforms: torch.Tensor) -> torch.Tensor:
    """Resample each picture or volume by its affine matrix, linearly, with 0 outside.

    Args:
        images: (B, C, *spatial), on any device.
        transforms: see `affine_matrices`.

    Returns:
        (B, C, *spatial), as `images`.
    """
    grid = functional.affine_grid(transforms.to(images), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def bias_field_logarithms(draws: torch.Tensor, size: Sequence[int], largest: float) -> torch.Tensor:
    """Turn random numbers into logarithms of bias fields: sums of products of Legendre polynomials.

    Args:
        draws: (B, C, 1 + number of `terms`), uniform in [0, 1): how strong the field is, and how it is made up.
        size: of the spatial axes.
        largest: logarithm, up or down, that the strongest field reaches.

    Returns:
        (B, C, *size), as `draws`; each field's largest value, up or down, is its strength times `largest`.
    """
    over = [1] * len(size)
    strength, weights = draws[..., :1], 2 * draws[..., 1:] - 1
    polynomials = [
        _legendre(count).to(draws).reshape(-1, *(count if axis == other else 1 for other in range(len(size))))
        for axis, count in enumerate(size)
    ]
    products: list[torch.Tensor] = [
        math.prod(
            (of_axis[degree] for of_axis, degree in zip(polynomials, degrees, strict=True)),
            start=draws.new_ones(over),
        )
        for degrees in terms(len(size))
    ]
    fields = torch.tensordot(weights, torch.stack(products), dims=1)
    largest_of = fields.flatten(2).abs().amax(dim=2)
    share = largest * strength[..., 0] / largest_of
    logarithms: torch.Tensor = fields * share.reshape(*share.shape, *over)
    return logarithms


def _legendre(count: int) -> torch.Tensor:
    """Legendre polynomials of degrees 0 to ORDER at the centres of `count` pixels from -1 to 1, (ORDER + 1, count)."""
    x = (2 * torch.arange(count) + 1) / count - 1
    return torch.stack([torch.special.legendre_polynomial_p(x, degree) for degree in range(ORDER + 1)])
