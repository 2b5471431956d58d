"""Image classifiers of Transformers (Hugging Face): a type of model, a repository, or a folder.

Only configurations and weights are read; code in a repository is never run.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from stratacam.errors import InputError
from stratacam.networks.convention import TORCHVISION, Convention
from stratacam.networks.elsewhere.source import Config, Source, module_of, normalising
from stratacam.networks.elsewhere.tokens import Blocks, Tokens, repeated

PREPROCESSOR = "preprocessor_config.json"


def is_stored(name: str) -> bool:
    """Whether a name is that of a repository or folder, and not of a type of model.

    Example:
        >>> is_stored("microsoft/resnet-18"), is_stored("./model"), is_stored("resnet")
        (True, True, False)
    """
    return "/" in name


def _names() -> Sequence[str]:
    found = module_of("transformers.models.auto.modeling_auto").MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    return list(found)


def _read_config(name: str, config: Config | None) -> Any:  # noqa: ANN401 - of a package without types
    transformers = module_of("transformers")
    if config is not None:
        kind = transformers.CONFIG_MAPPING[config["model_type"]]
        return kind.from_dict(config)
    if is_stored(name):
        return transformers.AutoConfig.from_pretrained(name)
    return transformers.CONFIG_MAPPING[name]()


def _build(name: str, classes: int, channels: int, config: Config | None) -> nn.Module:
    settings = _read_config(name, config)
    if channels != getattr(settings, "num_channels", 3):
        if not hasattr(settings, "num_channels"):
            raise InputError(
                f"pictures: found {channels} channels; expected 3 for transformers:{name}, whose configuration has no "
                "number of channels: choose pictures of three channels, or another network."
            )
        settings.num_channels = channels
    settings.num_labels = classes
    settings.architectures = (
        settings.architectures or []
    )  # a type of model has none, which Transformers cannot have
    network: nn.Module = module_of("transformers").AutoModelForImageClassification.from_config(settings)
    return network.float()  # a configuration may name half precision


def _pretrained(name: str) -> nn.Module:
    if not is_stored(name):
        raise InputError(
            f"network.weights: found 'imagenet' for transformers:{name}, a type of model; expected a repository or a "
            "folder, which holds weights: name one, such as transformers:microsoft/resnet-18, or choose 'none'."
        )
    transformers = module_of("transformers")
    network: nn.Module = transformers.AutoModelForImageClassification.from_pretrained(name)
    return network


def _convention(name: str) -> Convention:
    """What the image processor that lies beside the weights does; ImageNet's where there is none."""
    file = module_of("transformers.utils").cached_file(
        name, PREPROCESSOR, _raise_exceptions_for_missing_entries=False
    )
    settings = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
    if not settings.get("do_normalize", True):
        return normalising((0.0,) * 3, (1.0,) * 3)
    if "image_mean" not in settings:
        return TORCHVISION
    return normalising(settings["image_mean"], settings["image_std"])


def _config(name: str) -> Config | None:
    if not is_stored(name):
        return None
    found: Config = json.loads(_read_config(name, None).to_json_string(use_diff=False))
    return found


def _blocks(network: nn.Module) -> Blocks:
    """Of vision transformers: before the patches they have what their embeddings call tokens."""
    known: Any = network
    patch = getattr(known.config, "patch_size", None)
    if not isinstance(patch, int):
        return {}
    before = sum(
        value.shape[1]
        for name, value in network.named_parameters()
        if name.rpartition(".")[2] in {"cls_token", "distillation_token", "register_tokens"}
    )
    names = list(repeated(network, "layer", "layers"))
    one_by_one = len(names) == known.config.num_hidden_layers
    return dict.fromkeys(names, Tokens((patch, patch), before)) if one_by_one else {}


TRANSFORMERS = Source(
    package="transformers",
    title="Transformers",
    install="pip install 'stratacam[transformers]'",
    names=_names,
    has=lambda name: is_stored(name) or name in _names(),
    build=_build,
    pretrained=_pretrained,
    convention=_convention,
    cited_as="transformers",
    blocks=_blocks,
    config=_config,
    default=lambda name: "imagenet" if is_stored(name) else "none",
)
