"""Networks of timm (R. Wightman, PyTorch Image Models)."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from stratacam.networks.convention import TORCHVISION, Convention
from stratacam.networks.elsewhere.source import Config, Source, module_of, normalising
from stratacam.networks.elsewhere.tokens import Blocks, FeaturesLast, Tokens, repeated


def _names() -> Sequence[str]:
    names: Sequence[str] = module_of("timm").list_models()
    return names


def _has(name: str) -> bool:
    """Whether timm has an architecture, and the tag of its weights if one is named."""
    timm = module_of("timm")
    tagged = name.partition(".")[2]
    return bool(timm.is_model(name)) and (not tagged or name in timm.list_pretrained())


def _build(name: str, classes: int, channels: int, _: Config | None) -> nn.Module:
    network: nn.Module = module_of("timm").create_model(name, num_classes=classes, in_chans=channels)
    return network


def _pretrained(name: str) -> nn.Module:
    network: nn.Module = module_of("timm").create_model(name, pretrained=True)
    return network


def _convention(name: str) -> Convention:
    """Of the weights that timm has for the name; ImageNet's if it has none."""
    settings = module_of("timm").get_pretrained_cfg(name)
    return normalising(settings.mean, settings.std) if settings else TORCHVISION


def _blocks(network: nn.Module) -> Blocks:
    """Of vision transformers and mixers, and of networks that have their features last, such as Swin."""
    known: Any = network
    if getattr(known, "output_fmt", "") == "NHWC":
        return dict.fromkeys(repeated(network, "blocks"), FeaturesLast())
    before = getattr(known, "num_prefix_tokens", None)
    embedding: Any = getattr(known, "stem" if before is None else "patch_embed", None)
    grid = getattr(embedding, "grid_size", None)
    if grid is None:
        return {}
    rows, columns = (length // count for length, count in zip(embedding.img_size, grid, strict=True))
    return dict.fromkeys(repeated(network, "blocks"), Tokens((rows, columns), before or 0))


TIMM = Source(
    package="timm",
    title="timm",
    install="pip install 'stratacam[timm]'",
    names=_names,
    has=_has,
    build=_build,
    pretrained=_pretrained,
    convention=_convention,
    cited_as="timm",
    blocks=_blocks,
)
