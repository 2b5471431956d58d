"""Features of the brain alone: what a layer reads and gives is 0 outside of it, and no mean counts what lies there.

The brain is (B, 1, H, W), 1 inside and 0 outside, at a resolution at least that of the features. A cell of a coarser
feature map is brain if any of its pixels is.
"""

from torch import Tensor, nn
from torch.nn import functional as F

NONE = 1e-3
"""A share of a window that is less than one cell's: the window holds no brain, and its sum is 0."""


def cells_of(brain: Tensor, features: Tensor) -> Tensor:
    """The brain at the resolution of features (B, K, h, w): (B, 1, h, w), in their type."""
    size = features.shape[-2:]
    return (brain if brain.shape[-2:] == size else F.adaptive_max_pool2d(brain, size)).to(features.dtype)


def within(features: Tensor, brain: Tensor | None) -> Tensor:
    """Features (B, K, h, w) with 0 outside the brain; as they are without one."""
    return features if brain is None else features * cells_of(brain, features)


def convolve(layer: nn.Conv2d, features: Tensor, brain: Tensor | None) -> Tensor:
    """Convolve as `layer` does; with a brain, as if it went on beyond its rim, and with 0 in cells outside it.

    A cell outside the brain counts as the mean over the brain's cells in a window around it, as large as the kernel, so
    that a kernel does not see an edge at the rim; see `docs/findings.md` for how plain zeros and partial convolutions
    compare. Beyond the edge of the picture there are zeros, as without a brain.
    """
    if brain is not None:
        features = _continued(features, cells_of(brain, features), layer)
    found = F.conv2d(features, layer.weight, layer.bias, layer.stride, layer.padding)
    return within(found, brain)


def _continued(features: Tensor, cells: Tensor, layer: nn.Conv2d) -> Tensor:
    """Features (B, K, h, w) of the brain, and outside it the mean over the brain in a window of the layer's size."""
    inside = features * cells
    (rows, columns), padding = layer.kernel_size, tuple(length // 2 for length in layer.kernel_size)
    if rows == columns == 1:
        return inside
    share = F.avg_pool2d(cells, layer.kernel_size, 1, padding).clamp(min=NONE)
    return inside + F.avg_pool2d(inside, layer.kernel_size, 1, padding) * ((1 - cells) / share)


def average_pool(layer: nn.AvgPool2d, features: Tensor, brain: Tensor | None) -> Tensor:
    """Average as `layer` does; with a brain over its cells in each window, and 0 in cells outside the brain."""
    found = F.avg_pool2d(within(features, brain), layer.kernel_size, layer.stride, layer.padding)
    if brain is None:
        return found
    share = F.avg_pool2d(cells_of(brain, features), layer.kernel_size, layer.stride, layer.padding)
    return found * (cells_of(brain, found) / share.clamp(min=NONE))


def average(features: Tensor, brain: Tensor | None) -> Tensor:
    """The mean of features (B, K, h, w) over all positions, or over the brain's: (B, K); 0 where there is no brain."""
    if brain is None:
        return features.mean(dim=(2, 3))
    cells = cells_of(brain, features)
    return (features * cells).sum(dim=(2, 3)) / cells.sum(dim=(2, 3)).clamp(min=1)
