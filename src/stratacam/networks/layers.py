"""Layers that several networks are made of."""

from torch import Tensor, nn
from torch.nn import functional as F


class CompositeLayer(nn.Module):
    """A module that counts as one layer: maps are made of its output, not of the modules in it."""

    is_layer = True
    """Read by `stratacam.cam`, which then takes the module for a layer."""


class ConvReLU(nn.Conv2d):
    """A 3 x 3 convolution and its ReLU in one layer, as in Keras: its output is the map after the ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that nn.Conv2d gives it
        """Convolve and rectify: (B, in_channels, H, W) to (B, out_channels, H, W)."""
        return F.relu(super().forward(input))


class Stem(CompositeLayer):
    """A 7 x 7 convolution of stride 2, batch normalisation and ReLU: the beginning of ResNet and DenseNet."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H / 2, W / 2)."""
        return F.relu(self.norm(self.conv(pictures)))


class GlobalAveragePool(nn.Module):
    """The mean over all positions of each channel: (B, K, H, W) to (B, K)."""

    def forward(self, features: Tensor) -> Tensor:
        """Average over the positions."""
        return features.mean(dim=(2, 3))


def initialise(module: nn.Module) -> None:
    """Draw the weights of all convolutions anew, as K. He et al. (2015) for layers before a ReLU; biases are 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
