"""DenseNet-121, with layers named after torchvision's.

G. Huang et al., "Densely connected convolutional networks" (2017). Layers: `stem_conv`, `stem_pool`, and of each dense
block `denseblock1_layers` (all its layers, concatenated), `denseblock1_transition` and `denseblock1_pool`; the last
block ends in `denseblock4_norm`, which is torchvision's `features.norm5` after its ReLU.
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stratacam.networks.architecture import Architecture, renaming
from stratacam.networks.layers import LAYERS, CompositeLayer, Dimensions, Layers, Stem
from stratacam.networks.masked import within

GROWTH = 32
"""Channels that each layer adds."""

BOTTLENECK = 4 * GROWTH
"""Channels of a layer's 1 x 1 convolution."""

STEM = 64
"""Channels of the stem."""


class DenseLayer(nn.Module):
    """Adds `GROWTH` channels to those it is given."""

    def __init__(self, in_channels: int, layers: Layers) -> None:
        super().__init__()
        self.norm1 = layers.batch_norm(in_channels)
        self.conv1 = layers.convolution(in_channels, BOTTLENECK, 1)
        self.norm2 = layers.batch_norm(BOTTLENECK)
        self.conv2 = layers.convolution(BOTTLENECK, GROWTH, 3)

    def forward(self, features: Tensor, brain: Tensor | None = None) -> Tensor:
        """(B, in_channels, *spatial) to (B, in_channels + GROWTH, *spatial)."""
        narrow = self.conv1(F.relu(self.norm1(features)), brain)
        return torch.cat([features, self.conv2(F.relu(self.norm2(narrow)), brain)], dim=1)


class DenseBlock(CompositeLayer):
    """Dense layers, one after the other."""

    def __init__(self, in_channels: int, count: int, layers: Layers) -> None:
        super().__init__()
        for number in range(count):
            self.add_module(f"denselayer{number + 1}", DenseLayer(in_channels + number * GROWTH, layers))

    def forward(self, features: Tensor, brain: Tensor | None = None) -> Tensor:
        """(B, in_channels, *spatial) to (B, in_channels + count * GROWTH, *spatial)."""
        features = within(features, brain)
        for layer in self.children():
            features = layer(features, brain)
        return features


class Transition(CompositeLayer):
    """Batch normalisation, ReLU and a 1 x 1 convolution that halves the channels."""

    def __init__(self, in_channels: int, layers: Layers) -> None:
        super().__init__()
        self.norm = layers.batch_norm(in_channels)
        self.conv = layers.convolution(in_channels, in_channels // 2, 1)

    def forward(self, features: Tensor, brain: Tensor | None = None) -> Tensor:
        """(B, in_channels, *spatial) to (B, in_channels / 2, *spatial)."""
        found: Tensor = self.conv(F.relu(self.norm(features)), brain)
        return found


class _NormReLU(CompositeLayer):
    """Batch normalisation and ReLU."""

    def forward(self, input: Tensor, brain: Tensor | None = None) -> Tensor:  # noqa: A002 - the name of nn.BatchNorm2d
        """Normalise and rectify: the shape is unchanged."""
        return F.relu(within(super().forward(input), brain))


class NormReLU(_NormReLU, nn.BatchNorm2d):
    """`_NormReLU` of pictures."""


class NormReLU3d(_NormReLU, nn.BatchNorm3d):
    """`_NormReLU` of volumes."""


def _body(depths: tuple[int, ...], channels: int, dimensions: Dimensions) -> OrderedDict[str, nn.Module]:
    kinds = LAYERS[dimensions]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem_conv"] = Stem(channels, STEM, kinds)
    layers["stem_pool"] = kinds.max_pool(3, stride=2, padding=1)
    width = STEM
    for number, depth in enumerate(depths, 1):
        layers[f"denseblock{number}_layers"] = DenseBlock(width, depth, kinds)
        width += depth * GROWTH
        if number < len(depths):
            layers[f"denseblock{number}_transition"] = Transition(width, kinds)
            layers[f"denseblock{number}_pool"] = kinds.average_pool(2)
            width //= 2
    norm = NormReLU if dimensions == 2 else NormReLU3d
    layers[f"denseblock{len(depths)}_norm"] = norm(width)
    return layers


_rename = renaming(
    (r"^features\.", ""),
    (r"^(conv|norm)0\.", r"stem_conv.\1."),
    (r"^norm5\.", "denseblock4_norm."),
    (r"^transition(\d)\.", r"denseblock\1_transition."),
    (r"^denseblock(\d)\.", r"denseblock\1_layers."),
    (r"\.(norm|conv)\.([12])\.", r".\1\2."),  # names in torchvision's first files
)

DENSENET121 = Architecture(
    name="densenet121",
    cited_as="densenet",
    title="DenseNet-121",
    body=partial(_body, (6, 12, 24, 16)),
    features=1024,
    blocks=("stem", "denseblock1", "denseblock2", "denseblock3", "denseblock4"),
    minimum_size=64,
    formats=(".pth", ".pt", ".safetensors"),
    rename=_rename,
)
