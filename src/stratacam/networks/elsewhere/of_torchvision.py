"""Classifiers of torchvision."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from stratacam.networks.convention import Convention
from stratacam.networks.elsewhere.source import Config, Source, module_of, normalising
from stratacam.networks.elsewhere.tokens import Blocks, FeaturesLast, Tokens, repeated

AUXILIARY = {"googlenet": {"aux_logits": False}, "inception_v3": {"aux_logits": False}}
"""Networks with classifiers in the middle, which torchvision leaves out of its own pretrained networks too."""

OLD_CONVENTION = normalising((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Of weights from TensorFlow; torchvision's networks get there from the ImageNet means by `transform_input`."""


def _names() -> Sequence[str]:
    models = module_of("torchvision.models")
    names: Sequence[str] = models.list_models(module=models)
    return names


def _build(name: str, classes: int, channels: int, _: Config | None) -> nn.Module:
    network: Any = module_of("torchvision.models").get_model(
        name, num_classes=classes, **AUXILIARY.get(name, {})
    )
    _take_channels(network, channels)
    return network  # type: ignore[no-any-return]


def _take_channels(network: nn.Module, channels: int) -> None:
    """Replace the first convolution by one for other channels: torchvision's networks are made for three."""
    name, first = next((one, part) for one, part in network.named_modules() if isinstance(part, nn.Conv2d))
    if channels == first.in_channels:
        return
    arguments = ("out_channels", "kernel_size", "stride", "padding", "dilation", "padding_mode")
    replaced = nn.Conv2d(
        channels, **{key: getattr(first, key) for key in arguments}, bias=first.bias is not None
    )
    home, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(home), attribute, replaced)


def _pretrained(name: str) -> nn.Module:
    network: nn.Module = module_of("torchvision.models").get_model(name, weights="DEFAULT")
    return network


def _convention(name: str) -> Convention:
    if name in AUXILIARY:
        return OLD_CONVENTION
    transforms = module_of("torchvision.models").get_model_weights(name).DEFAULT.transforms()
    return normalising(transforms.mean, transforms.std)


def _blocks(network: nn.Module) -> Blocks:
    """Of vision transformers, and of Swin, whose blocks have their features last."""
    known: Any = network
    if isinstance(network, module_of("torchvision.models").VisionTransformer):
        return dict.fromkeys(repeated(network, "layers"), Tokens((known.patch_size,) * 2, 1))
    swin = module_of("torchvision.models.swin_transformer").SwinTransformerBlock
    return {name: FeaturesLast() for name, block in network.named_modules() if isinstance(block, swin)}


TORCHVISION_MODELS = Source(
    package="torchvision",
    title="torchvision",
    install="pip install torchvision, of the version and from the index that pytorch.org names for your torch",
    names=_names,
    has=lambda name: name in _names(),
    build=_build,
    pretrained=_pretrained,
    convention=_convention,
    cited_as="torchvision",
    blocks=_blocks,
)
