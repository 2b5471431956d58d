"""VGG16, VGG19 and a small network of the same plan, with global average pooling (GAP) and a linear output.

K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition" (2015);
GAP before the output as in B. Zhou et al., "Learning deep features for discriminative localization" (2016).
Layers are named as in Keras.
"""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stratacam.errors import InputError
from stratacam.networks.convention import CENTRED, InputConvention
from stratacam.networks.pretrained import PACKAGED, Pretrained, find_pretrained

ARCHITECTURES = {
    "vgg16": ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    "vgg19": ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)),
    "small_cnn": ((2, 16), (2, 32), (2, 64), (2, 128)),
}
"""The blocks of each network: number of convolutions, and output channels of each of them."""


class ConvReLU(nn.Conv2d):
    """A 3 x 3 convolution and its ReLU in one layer, as in Keras: its output is the map after the ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that nn.Conv2d gives it
        """Convolve and rectify: (B, in_channels, H, W) to (B, out_channels, H, W)."""
        return F.relu(super().forward(input))


class GlobalAveragePool(nn.Module):
    """The mean over all positions of each channel: (B, K, H, W) to (B, K)."""

    def forward(self, features: Tensor) -> Tensor:
        """Average over the positions."""
        return features.mean(dim=(2, 3))


def convolution_names(architecture: str) -> tuple[str, ...]:
    """Names of the convolution layers of "vgg16", "vgg19" or "small_cnn" in order, from `block1_conv1` on.

    Example:
        >>> convolution_names("vgg16")[-1]
        'block5_conv3'

    Raises:
        InputError: if the architecture is unknown.
    """
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"network: {architecture!r} is not known; choose one of {', '.join(ARCHITECTURES)}, or a function "
            "of your own such as my_networks:make or path/to/networks.py:make."
        )
    return tuple(
        f"block{block}_conv{number}"
        for block, (count, _) in enumerate(ARCHITECTURES[architecture], 1)
        for number in range(1, count + 1)
    )


def default_weights(architecture: str) -> str:
    """What the weights of a network are where nobody chose: "imagenet" where there are any, else "none".

    Example:
        >>> default_weights("vgg16"), default_weights("small_cnn"), default_weights("my_networks:make")
        ('imagenet', 'none', 'none')
    """
    return "imagenet" if architecture in PACKAGED else "none"


def initial_weights(architecture: str, weights: str | Path | Pretrained = "default") -> Pretrained | None:
    """Find the convolution weights that a network starts from.

    Args:
        architecture: a name of `ARCHITECTURES`, or the reference of a user's own network.
        weights: "default" (see `default_weights`), or as in `find_pretrained`.

    Returns:
        The weights, or None if they are to be random.

    Raises:
        InputError: if weights are asked of a network that has none, or cannot be found, or do not fit.
    """
    chosen = default_weights(architecture) if weights == "default" else weights
    if chosen == "none":
        return None
    if architecture not in PACKAGED:
        asked = chosen.source if isinstance(chosen, Pretrained) else chosen
        raise InputError(
            f"weights: found {str(asked)!r} for {architecture}, expected none: pretrained weights are read for "
            f'{" and ".join(PACKAGED)} only; choose weights = "none" (a function of your own may load its own).'
        )
    return find_pretrained(architecture, convolution_names(architecture), chosen)


def build(
    architecture: str, classes: int, *, weights: str | Path | Pretrained = "default", seed: int = 0
) -> nn.Sequential:
    """Build a VGG, or a small network of its plan, with GAP and a linear output that gives logits.

    The result is a plain `nn.Sequential` with one child per Keras layer (`block1_conv1` ... `block5_pool`,
    `gap`, `predictions`; "small_cnn" has four blocks) after an `input` layer that applies the weights' input
    convention: every caller passes pictures in [0, 1]. It can be cut at any layer by slicing.

    Args:
        architecture: "vgg16", "vgg19", or "small_cnn", a baseline without pretrained weights: four blocks of two
            convolutions with 16, 32, 64 and 128 channels.
        classes: number of outputs.
        weights: "default" ("imagenet" where there are any, else "none"), "imagenet", "none" (random, He
            initialisation), a weights file, or weights already found.
        seed: of the random initialisation; the global random state is left as it was.

    Returns:
        A network from (B, 3, H, W) in [0, 1], H and W at least 32 (16 for "small_cnn"), to logits (B, classes).

    Raises:
        InputError: if the architecture is unknown or the weights cannot be found or do not fit.
    """
    names = iter(convolution_names(architecture))
    pretrained = initial_weights(architecture, weights)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["input"] = InputConvention(pretrained.convention if pretrained else CENTRED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        in_channels = 3
        for block, (count, channels) in enumerate(ARCHITECTURES[architecture], 1):
            for _ in range(count):
                convolution = ConvReLU(in_channels, channels)
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]  # a ConvReLU always has a bias
                layers[next(names)] = convolution
                in_channels = channels
            layers[f"block{block}_pool"] = nn.MaxPool2d(2)
        layers["gap"] = GlobalAveragePool()
        layers["predictions"] = nn.Linear(in_channels, classes)
    model = nn.Sequential(layers)
    if pretrained:
        copy_weights(pretrained, model)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on a CPU
    return model


def copy_weights(pretrained: Pretrained, model: nn.Sequential) -> None:
    """Copy convolution weights into the layers of the same names.

    Raises:
        InputError: if a kernel's shape is not the layer's.
    """
    layers = dict(model.named_children())
    with torch.no_grad():
        for name, (kernel, bias) in pretrained.convolutions.items():
            layer = layers[name]
            if not isinstance(layer, ConvReLU) or layer.bias is None or kernel.shape != layer.weight.shape:
                expected = tuple(layer.weight.shape) if isinstance(layer, ConvReLU) else "no convolution"
                raise InputError(
                    f"{pretrained.source}: the kernel of {name} has shape {tuple(kernel.shape)}, "
                    f"expected {expected}; give weights of the network that the study names."
                )
            layer.weight.copy_(kernel)
            layer.bias.copy_(bias)
