"""Layers that several networks are made of."""

from torch import Tensor, nn
from torch.nn import functional as F


class CompositeLayer(nn.Module):
    """A module that counts as one layer: maps are made of its output, not of the modules in it."""

    is_layer = True
    """Read by `stratacam.cam`, which then takes the module for a layer."""


class Convolution(nn.Conv2d):
    """A convolution before a ReLU, without bias, drawn as K. He et al., "Delving deep into rectifiers" (2015)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights."""
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")


class ConvReLU(nn.Conv2d):
    """A 3 x 3 convolution and its ReLU in one layer, as in Keras: its output is the map after the ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def reset_parameters(self) -> None:
        """Draw the weights as K. He et al. (2015); biases are 0."""
        super().reset_parameters()
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]  # there always is a bias

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that nn.Conv2d gives it
        """Convolve and rectify: (B, in_channels, H, W) to (B, out_channels, H, W)."""
        return F.relu(super().forward(input))


class Stem(CompositeLayer):
    """A 7 x 7 convolution of stride 2, batch normalisation and ReLU: the beginning of ResNet and DenseNet."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = Convolution(in_channels, out_channels, 7, stride=2)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H / 2, W / 2)."""
        return F.relu(self.norm(self.conv(pictures)))


class GlobalAveragePool(nn.Module):
    """The mean over all positions of each channel: (B, K, H, W) to (B, K)."""

    def forward(self, features: Tensor) -> Tensor:
        """Average over the positions."""
        return features.mean(dim=(2, 3))
