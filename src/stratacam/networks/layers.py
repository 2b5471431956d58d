"""Layers that several networks are made of; each may be given the brain, see `stratacam.networks.masked`."""

from torch import Tensor, nn
from torch.nn import functional as F

from stratacam.networks.masked import average, average_pool, convolve, within


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

    def forward(self, input: Tensor, brain: Tensor | None = None) -> Tensor:  # noqa: A002 - the name of nn.Conv2d
        """Convolve: (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        return convolve(self, input, brain)


class ConvReLU(nn.Conv2d):
    """A 3 x 3 convolution and its ReLU in one layer, as in Keras: its output is the map after the ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def reset_parameters(self) -> None:
        """Draw the weights as K. He et al. (2015); biases are 0."""
        super().reset_parameters()
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]  # there always is a bias

    def forward(self, input: Tensor, brain: Tensor | None = None) -> Tensor:  # noqa: A002 - the name of nn.Conv2d
        """Convolve and rectify: (B, in_channels, H, W) to (B, out_channels, H, W)."""
        return convolve(self, input, brain).relu_()


class Stem(CompositeLayer):
    """A 7 x 7 convolution of stride 2, batch normalisation and ReLU: the beginning of ResNet and DenseNet."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = Convolution(in_channels, out_channels, 7, stride=2)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, pictures: Tensor, brain: Tensor | None = None) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H / 2, W / 2)."""
        return F.relu(within(self.norm(self.conv(pictures, brain)), brain))


class MaxPool(nn.MaxPool2d):
    """Maximum pooling of features after a ReLU."""

    def forward(self, input: Tensor, brain: Tensor | None = None) -> Tensor:  # noqa: A002 - the name of nn.MaxPool2d
        """(B, K, H, W) to (B, K, H / stride, W / stride)."""
        return within(super().forward(within(input, brain)), brain)


class AveragePool(nn.AvgPool2d):
    """Average pooling."""

    def forward(self, input: Tensor, brain: Tensor | None = None) -> Tensor:  # noqa: A002 - the name of nn.AvgPool2d
        """(B, K, H, W) to (B, K, H / stride, W / stride)."""
        return average_pool(self, input, brain)


class GlobalAveragePool(nn.Module):
    """The mean of each channel over all positions, or over those of the brain: (B, K, H, W) to (B, K)."""

    def forward(self, features: Tensor, brain: Tensor | None = None) -> Tensor:
        """Average over the positions."""
        return average(features, brain)
