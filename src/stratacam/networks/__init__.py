"""VGG16 and VGG19 with global average pooling, their ImageNet weights, and models on disk."""

from stratacam.networks.pretrained import Pretrained, find_pretrained
from stratacam.networks.saved import ModelCard, load_model, save_model
from stratacam.networks.vgg import CONVOLUTIONS, build, convolution_names

__all__ = [
    "CONVOLUTIONS",
    "ModelCard",
    "Pretrained",
    "build",
    "convolution_names",
    "find_pretrained",
    "load_model",
    "save_model",
]
