"""Classifiers of MONAI, for pictures."""

from torch import nn

from stratacam.errors import InputError
from stratacam.networks.convention import TORCHVISION, Convention
from stratacam.networks.elsewhere.source import Config, Source, module_of

DENSE = ("DenseNet121", "DenseNet169", "DenseNet201", "DenseNet264")
RESIDUAL = ("resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet200")
SQUEEZED = ("SENet154", "SEResNet50", "SEResNet101", "SEResNet152", "SEResNext50", "SEResNext101")
EFFICIENT = tuple(f"efficientnet-b{size}" for size in range(9))
NAMES = (*DENSE, *RESIDUAL, *SQUEEZED, *EFFICIENT)
"""As MONAI writes them."""


def _make(name: str, classes: int, channels: int, *, pretrained: bool) -> nn.Module:
    nets = module_of("monai.networks.nets")
    shared = {"spatial_dims": 2, "pretrained": pretrained, "progress": False}
    network: nn.Module
    if name in EFFICIENT:
        network = nets.EfficientNetBN(name, in_channels=channels, num_classes=classes, **shared)
    elif name in RESIDUAL:
        network = getattr(nets, name)(n_input_channels=channels, num_classes=classes, **shared)
    elif name in DENSE:
        network = getattr(nets, name)(in_channels=channels, out_channels=classes, **shared)
    else:
        network = getattr(nets, name)(in_channels=channels, num_classes=classes, **shared)
    return network


def _build(name: str, classes: int, channels: int, _: Config | None) -> nn.Module:
    return _make(name, classes, channels, pretrained=False)


def _pretrained(name: str) -> nn.Module:
    if name in RESIDUAL:
        raise InputError(
            f"network.weights: found 'imagenet' for monai:{name}; expected 'none' or the path of a file, as MONAI has "
            "pretrained weights of its ResNets for volumes only: choose one of these, or torchvision's ResNet."
        )
    return _make(name, 1000, 3, pretrained=True)


def _convention(_: str) -> Convention:
    return TORCHVISION


MONAI = Source(
    package="monai",
    title="MONAI",
    install="pip install 'stratacam[monai]'",
    names=lambda: NAMES,
    has=NAMES.__contains__,
    build=_build,
    pretrained=_pretrained,
    convention=_convention,
    cited_as="monai",
)
