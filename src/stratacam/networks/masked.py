"""Features of the brain alone: what a layer reads and gives is 0 outside of it, and no mean counts what lies there.

Features are those of pictures, (B, K, h, w), or of volumes, (B, K, d, h, w). The brain is (B, 1, H, W) or
(B, 1, D, H, W), 1 inside and 0 outside, at a resolution at least that of the features. A cell of a coarser feature map
is brain if any of its pixels is.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stratacam.errors import InputError


def cells_of(brain: Tensor, features: Tensor) -> Tensor:
    """The brain at the resolution of features (B, K, *cells): (B, 1, *cells), in their type; above 0 is brain.

    Raises:
        InputError: a cell of the features is no whole number of pixels.
    """
    inside = (brain > 0).to(features.dtype)
    pixels = brain.shape[2:]
    size = features.shape[-len(pixels) :]
    if pixels == size:
        return inside
    ratios = [divmod(side, cells) for side, cells in zip(pixels, size, strict=True)]
    if any(rest or times.bit_count() != 1 for times, rest in ratios):
        raise InputError(
            f"network, brain: found pictures of {' x '.join(map(str, pixels))} pixels, which a layer reads as "
            f"{' x '.join(map(str, size))} cells; expected sides that every halving divides: multiples of 32; "
            "pad or resample the pictures."
        )
    return F.adaptive_max_pool2d(inside, size) if len(size) == 2 else F.adaptive_max_pool3d(inside, size)


def within(features: Tensor, brain: Tensor | None) -> Tensor:
    """Features (B, K, *cells) with 0 outside the brain, where they must be finite; as they are without one.

    A product takes a small part of the time of `cleared`, which is needed once, where a network begins.
    """
    return features if brain is None else features * cells_of(brain, features)


def cleared(features: Tensor, brain: Tensor) -> Tensor:
    """Features (B, K, *cells) with 0 outside the brain, whatever was there, NaN and infinity too."""
    return torch.where(
        cells_of(brain, features) > 0, features, 0
    )  # in their memory layout, as masked_fill is not


def convolve(layer: nn.Conv2d | nn.Conv3d, features: Tensor, brain: Tensor | None) -> Tensor:
    """Convolve as `layer` does; with a brain, features with zeros outside of it, and give 0 in cells outside.

    Sums are not divided by the share of the window that is brain (partial convolution, G. Liu et al. 2018): kernels
    whose weights cancel give little over even tissue, and many times as much where a part of the window is cut off.
    """
    run = F.conv2d if isinstance(layer, nn.Conv2d) else F.conv3d
    found = run(within(features, brain), layer.weight, layer.bias, layer.stride, layer.padding)
    return (
        found if brain is None else found.mul_(cells_of(brain, found))
    )  # in place: it is still in the cache


def average_pool(layer: nn.AvgPool2d | nn.AvgPool3d, features: Tensor, brain: Tensor | None) -> Tensor:
    """Average as `layer` does; with a brain over its cells in each window, and 0 in cells outside the brain."""
    pool = F.avg_pool2d if isinstance(layer, nn.AvgPool2d) else F.avg_pool3d
    found = pool(within(features, brain), layer.kernel_size, layer.stride, layer.padding)
    if brain is None:
        return found
    share = pool(cells_of(brain, features), layer.kernel_size, layer.stride, layer.padding)
    return found * (cells_of(brain, found) / share.clamp(min=1e-3))  # a cell of a window is a larger share


def average(features: Tensor, brain: Tensor | None) -> Tensor:
    """The mean of features (B, K, *cells) over all positions, or the brain's: (B, K); 0 where there is no brain."""
    axes = tuple(range(2, features.ndim))
    if brain is None:
        return features.mean(dim=axes)
    cells = cells_of(brain, features)
    return within(features, brain).sum(dim=axes) / cells.sum(dim=axes).clamp(min=1)
