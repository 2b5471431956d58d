"""ResNet-18 and ResNet-50, with layers named after torchvision's.

K. He et al., "Deep residual learning for image recognition" (2016); the stride of a block that halves the picture is
in its 3 x 3 convolution, as in torchvision. Layers: `stem_conv`, `stem_pool`, and one for each residual block, such as
`layer4_block1`, which is `layer4.0` in torchvision.
"""

from collections import OrderedDict
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from stratacam.networks.architecture import Architecture, renaming
from stratacam.networks.layers import LAYERS, CompositeLayer, Dimensions, Layers, Stem
from stratacam.networks.masked import within

WIDTHS = (64, 128, 256, 512)


class Shortcut(nn.Sequential):
    """A strided 1 x 1 convolution and batch normalisation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, layers: Layers) -> None:
        super().__init__(
            layers.convolution(in_channels, out_channels, 1, stride=stride), layers.batch_norm(out_channels)
        )

    def forward(self, features: Tensor, brain: Tensor | None = None) -> Tensor:
        """(B, in_channels, *spatial) to (B, out_channels, *spatial / stride)."""
        convolution, norm = self
        found: Tensor = norm(convolution(features, brain))
        return found


class ResidualBlock(CompositeLayer):
    """Convolutions of the given kernels and a shortcut around them, added and rectified.

    `channels` are those of the input and of each convolution. The stride is that of the first convolution of 3 cells
    and of the shortcut.
    """

    def __init__(
        self, channels: tuple[int, ...], kernels: tuple[int, ...], stride: int, layers: Layers
    ) -> None:
        super().__init__()
        self.count = len(kernels)
        in_channels, out_channels = channels[0], channels[-1]
        for number, (kernel, before, after) in enumerate(
            zip(kernels, channels, channels[1:], strict=False), 1
        ):
            step = stride if number - 1 == kernels.index(3) else 1
            self.add_module(f"conv{number}", layers.convolution(before, after, kernel, stride=step))
            self.add_module(f"bn{number}", layers.batch_norm(after))
        self.downsample = (
            Shortcut(in_channels, out_channels, stride, layers)
            if stride > 1 or in_channels != out_channels
            else None
        )

    def forward(self, features: Tensor, brain: Tensor | None = None) -> Tensor:
        """(B, in_channels, *spatial) to (B, out_channels, *spatial / stride)."""
        found = features
        for number in range(1, self.count + 1):
            convolution, norm = self.get_submodule(f"conv{number}"), self.get_submodule(f"bn{number}")
            found = norm(convolution(found, brain))
            if number < self.count:
                found = F.relu(found)
        around = features if self.downsample is None else self.downsample(features, brain)
        return F.relu(within(found + around, brain))


def _body(
    depths: tuple[int, ...], kernels: tuple[int, ...], expansion: int, channels: int, dimensions: Dimensions
) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    kinds = LAYERS[dimensions]
    layers["stem_conv"] = Stem(channels, 64, kinds)
    layers["stem_pool"] = kinds.max_pool(3, stride=2, padding=1)
    before = 64
    for stage, (depth, width) in enumerate(zip(depths, WIDTHS, strict=True), 1):
        for number in range(1, depth + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            after = width * expansion
            passed = (before, *[width] * (len(kernels) - 1), after)
            layers[f"layer{stage}_block{number}"] = ResidualBlock(passed, kernels, stride, kinds)
            before = after
    return layers


_rename = renaming(
    (r"^conv1\.", "stem_conv.conv."),
    (r"^bn1\.", "stem_conv.norm."),
    (r"^layer(\d)\.(\d+)\.", lambda found: f"layer{found[1]}_block{int(found[2]) + 1}."),
)


def _resnet(
    name: str, title: str, depths: tuple[int, ...], kernels: tuple[int, ...], expansion: int
) -> Architecture:
    return Architecture(
        name=name,
        cited_as="resnet",
        title=title,
        body=partial(_body, depths, kernels, expansion),
        features=WIDTHS[-1] * expansion,
        blocks=("stem", "layer1", "layer2", "layer3", "layer4"),
        minimum_size=64,
        formats=(".pth", ".pt", ".safetensors"),
        rename=_rename,
    )


RESNET18 = _resnet("resnet18", "ResNet-18", (2, 2, 2, 2), kernels=(3, 3), expansion=1)
RESNET50 = _resnet("resnet50", "ResNet-50", (3, 4, 6, 3), kernels=(1, 3, 1), expansion=4)
