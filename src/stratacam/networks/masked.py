"""Features of the brain alone: what a layer reads and gives is 0 outside of it, and no mean counts what lies there.

The brain is (B, 1, H, W), 1 inside and 0 outside, at a resolution at least that of the features. A cell of a coarser
feature map is brain if any of its pixels is.
"""

from torch import Tensor, nn
from torch.nn import functional as F


def cells_of(brain: Tensor, features: Tensor) -> Tensor:
    """The brain at the resolution of features (B, K, h, w): (B, 1, h, w), in their type."""
    size = features.shape[-2:]
    return (brain if brain.shape[-2:] == size else F.adaptive_max_pool2d(brain, size)).to(features.dtype)


def within(features: Tensor, brain: Tensor | None) -> Tensor:
    """Features (B, K, h, w) with 0 outside the brain; as they are without one."""
    return features if brain is None else features * cells_of(brain, features)


def convolve(layer: nn.Conv2d, features: Tensor, brain: Tensor | None) -> Tensor:
    """Convolve as `layer` does; with a brain by partial convolution, so that its rim is not darkened.

    What the window sums is divided by the share of the window that is brain, before the bias is added. G. Liu et al.,
    "Image inpainting for irregular holes using partial convolutions" (2018), equation 1. Beyond the edge of the picture
    there is no brain. Cells outside the brain give 0.
    """
    if brain is None:
        return F.conv2d(features, layer.weight, layer.bias, layer.stride, layer.padding)
    cells = cells_of(brain, features)
    found = F.conv2d(features * cells, layer.weight, None, layer.stride, layer.padding)
    inside = cells_of(brain, found)
    found = found * (inside / _share(layer, cells))
    return found if layer.bias is None else found + layer.bias[:, None, None] * inside


def average_pool(layer: nn.AvgPool2d, features: Tensor, brain: Tensor | None) -> Tensor:
    """Average as `layer` does; with a brain over its cells in each window, and 0 in cells outside the brain."""
    found = _pooled(layer, within(features, brain))
    if brain is None:
        return found
    return found * (cells_of(brain, found) / _share(layer, cells_of(brain, features)))


def average(features: Tensor, brain: Tensor | None) -> Tensor:
    """The mean of features (B, K, h, w) over all positions, or over the brain's: (B, K); 0 where there is no brain."""
    if brain is None:
        return features.mean(dim=(2, 3))
    cells = cells_of(brain, features)
    return (features * cells).sum(dim=(2, 3)) / cells.sum(dim=(2, 3)).clamp(min=1)


def _share(layer: nn.Conv2d | nn.AvgPool2d, cells: Tensor) -> Tensor:
    """The share of each of a layer's windows that is brain; above 0 also where none is, and all sums are 0."""
    return _pooled(layer, cells).clamp(min=1e-3)


def _pooled(layer: nn.Conv2d | nn.AvgPool2d, values: Tensor) -> Tensor:
    """The means over a layer's windows."""
    return F.avg_pool2d(values, layer.kernel_size, layer.stride, layer.padding)  # type: ignore[arg-type]
