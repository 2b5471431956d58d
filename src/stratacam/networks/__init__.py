"""Networks to train: VGG16, VGG19, a small one, a user's own; their weights; what is frozen; models on disk."""

from stratacam.networks.freeze import (
    DEFAULT_FROZEN,
    freeze,
    frozen_prefix,
    matching,
    train_mode,
)
from stratacam.networks.head import find_head
from stratacam.networks.own import (
    is_reference,
    load_network,
    made_of,
    make_network,
    source_file,
    state_hash,
)
from stratacam.networks.pretrained import Pretrained, find_pretrained
from stratacam.networks.saved import ModelCard, load_model, save_model
from stratacam.networks.vgg import ARCHITECTURES, build, convolution_names, default_weights, initial_weights

__all__ = [
    "ARCHITECTURES",
    "DEFAULT_FROZEN",
    "ModelCard",
    "Pretrained",
    "build",
    "convolution_names",
    "default_weights",
    "find_head",
    "find_pretrained",
    "freeze",
    "frozen_prefix",
    "initial_weights",
    "is_reference",
    "load_model",
    "load_network",
    "made_of",
    "make_network",
    "matching",
    "save_model",
    "source_file",
    "state_hash",
    "train_mode",
]
