"""Layers that several networks are made of; each may be given the brain, see `stratacam.networks.masked`.

Every layer is there for pictures, (B, K, H, W), and for volumes, (B, K, D, H, W); `LAYERS` has the set for each.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import Tensor, nn
from torch.nn import functional as F

from stratacam.networks.masked import average, average_pool, convolve, within

Dimensions = Literal[2, 3]
"""Spatial axes of what a network takes: 2 of a picture, 3 of a volume."""


class CompositeLayer(nn.Module):
    """A module that counts as one layer: maps are made of its output, not of the modules in it."""

    is_layer = True
    """Read by `stratacam.cam`, which then takes the module for a layer."""


class _Convolution:
    """A convolution before a ReLU, without bias, drawn as K. He et al., "Delving deep into rectifiers" (2015)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1) -> None:
        made = cast("Any", super())
        made.__init__(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights."""
        nn.init.kaiming_normal_(cast("Any", self).weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Tensor, brain: Tensor | None = None) -> Tensor:  # noqa: A002 - the name of nn.Conv2d
        """Convolve: (B, in_channels, *spatial) to (B, out_channels, *spatial / stride)."""
        return convolve(cast("Any", self), input, brain)


class Convolution(_Convolution, nn.Conv2d):
    """`_Convolution` of pictures."""


class Convolution3d(_Convolution, nn.Conv3d):
    """`_Convolution` of volumes."""


class _ConvReLU:
    """A convolution of 3 cells along each axis and its ReLU in one layer, as in Keras: its output is after the ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        cast("Any", super()).__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def reset_parameters(self) -> None:
        """Draw the weights as K. He et al. (2015); biases are 0."""
        made = cast("Any", super())
        made.reset_parameters()
        nn.init.kaiming_normal_(cast("Any", self).weight, nonlinearity="relu")
        nn.init.zeros_(cast("Any", self).bias)

    def forward(self, input: Tensor, brain: Tensor | None = None) -> Tensor:  # noqa: A002 - the name of nn.Conv2d
        """Convolve and rectify: (B, in_channels, *spatial) to (B, out_channels, *spatial)."""
        return convolve(cast("Any", self), input, brain).relu_()


class ConvReLU(_ConvReLU, nn.Conv2d):
    """`_ConvReLU` of pictures."""


class ConvReLU3d(_ConvReLU, nn.Conv3d):
    """`_ConvReLU` of volumes."""


class _MaxPool:
    """Maximum pooling of features after a ReLU."""

    def forward(self, input: Tensor, brain: Tensor | None = None) -> Tensor:  # noqa: A002 - the name of nn.MaxPool2d
        """(B, K, *spatial) to (B, K, *spatial / stride)."""
        return within(cast("Any", super()).forward(within(input, brain)), brain)


class MaxPool(_MaxPool, nn.MaxPool2d):
    """`_MaxPool` of pictures."""


class MaxPool3d(_MaxPool, nn.MaxPool3d):
    """`_MaxPool` of volumes."""


class _AveragePool:
    """Average pooling."""

    def forward(self, input: Tensor, brain: Tensor | None = None) -> Tensor:  # noqa: A002 - the name of nn.AvgPool2d
        """(B, K, *spatial) to (B, K, *spatial / stride)."""
        return average_pool(cast("Any", self), input, brain)


class AveragePool(_AveragePool, nn.AvgPool2d):
    """`_AveragePool` of pictures."""


class AveragePool3d(_AveragePool, nn.AvgPool3d):
    """`_AveragePool` of volumes."""


@dataclass(frozen=True)
class Layers:
    """The layers of networks for pictures, or of those for volumes."""

    convolution: type[Convolution] | type[Convolution3d]
    conv_relu: type[ConvReLU] | type[ConvReLU3d]
    batch_norm: type[nn.BatchNorm2d] | type[nn.BatchNorm3d]
    max_pool: type[MaxPool] | type[MaxPool3d]
    average_pool: type[AveragePool] | type[AveragePool3d]


LAYERS: dict[Dimensions, Layers] = {
    2: Layers(Convolution, ConvReLU, nn.BatchNorm2d, MaxPool, AveragePool),
    3: Layers(Convolution3d, ConvReLU3d, nn.BatchNorm3d, MaxPool3d, AveragePool3d),
}


class Stem(CompositeLayer):
    """A convolution of 7 cells and stride 2, batch normalisation and ReLU: the beginning of ResNet and DenseNet."""

    def __init__(self, in_channels: int, out_channels: int, layers: Layers) -> None:
        super().__init__()
        self.conv = layers.convolution(in_channels, out_channels, 7, stride=2)
        self.norm = layers.batch_norm(out_channels)

    def forward(self, pictures: Tensor, brain: Tensor | None = None) -> Tensor:
        """(B, in_channels, *spatial) to (B, out_channels, *spatial / 2)."""
        return F.relu(within(self.norm(self.conv(pictures, brain)), brain))


class GlobalAveragePool(nn.Module):
    """The mean of each channel over all positions, or over those of the brain: (B, K, *spatial) to (B, K)."""

    def forward(self, features: Tensor, brain: Tensor | None = None) -> Tensor:
        """Average over the positions."""
        return average(features, brain)
