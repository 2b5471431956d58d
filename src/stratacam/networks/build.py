"""Build a network of the registry."""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from stratacam.networks.brain import CONTAINERS, BrainUse
from stratacam.networks.convention import CENTRED, InputConvention
from stratacam.networks.layers import Dimensions, GlobalAveragePool
from stratacam.networks.pretrained import Pretrained, initial_weights
from stratacam.networks.registry import find_architecture


def build(
    architecture: str,
    classes: int,
    *,
    channels: int = 3,
    weights: str | Path | Pretrained = "default",
    seed: int = 0,
    brain: BrainUse = "off",
    dimensions: Dimensions = 2,
) -> nn.Sequential:
    """Build a network that ends in global average pooling and a linear layer that gives logits.

    The result is a plain `nn.Sequential`, or for a network that takes the brain a `BrainSequential`: an `input` layer
    that applies the weights' input convention, so that every caller passes pictures in [0, 1]; the layers of the
    architecture, each a child of its own; `gap`; `predictions`. It can be cut at any of these by slicing.

    Args:
        architecture: a name in `ARCHITECTURES`.
        classes: number of outputs.
        channels: of the pictures.
        weights: see `initial_weights`; random ones are He's.
        seed: of the random initialisation; the global random state is left as it was.
        brain: "features": every layer reads and gives features of the brain alone; "pooling": only global average
            pooling is over the brain; "off": the network sees the whole picture. The weights have the same names.
        dimensions: 2 for pictures; 3 for volumes, (B, channels, D, H, W), whose layers have the same names and random
            weights, and every convolution and pooling a third axis of the same length.

    Returns:
        A network from (B, channels, H, W) in [0, 1], H and W at least the architecture's minimum size, to logits
        (B, classes). Unless `brain` is "off" its second argument is the brain, (B, 1, H, W), 1 inside and 0 outside.

    Raises:
        InputError: if the architecture is unknown or the weights cannot be found or do not fit.

    Example:
        >>> build("small_cnn", 2, channels=4)(torch.rand(1, 4, 32, 32)).shape
        torch.Size([1, 2])
        >>> build("small_cnn", 2, dimensions=3)(torch.rand(1, 3, 16, 32, 32)).shape
        torch.Size([1, 2])
        >>> brain = torch.ones(1, 1, 32, 32)
        >>> build("small_cnn", 2, brain="features")(torch.rand(1, 3, 32, 32), brain).shape
        torch.Size([1, 2])
    """
    entry = find_architecture(architecture)
    pretrained = initial_weights(architecture, weights, channels, dimensions=dimensions)
    convention = pretrained.convention if pretrained else CENTRED.for_channels(channels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = entry.body(channels, dimensions)
        head = nn.Linear(entry.features, classes)
    model = CONTAINERS[brain](
        OrderedDict(
            input=InputConvention(convention, dimensions), **body, gap=GlobalAveragePool(), predictions=head
        )
    )
    if pretrained:
        model.load_state_dict(
            pretrained.state, strict=False
        )  # all but the head, as was checked when it was read
    if dimensions == 2:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on a CPU
    return model
