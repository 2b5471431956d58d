"""The same network and images for everybody."""

import copy
from functools import cache

import torch
from torch import Tensor, nn

import stratacam as sc
from benchmarks.contestants import CLASSES

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@cache
def network(architecture: str) -> nn.Sequential:
    """Random weights: the arithmetic is that of trained ones."""
    return sc.build(architecture, classes=CLASSES, weights="none").eval()


@cache
def handed_over(architecture: str, memory_format: str, *, frozen: bool) -> nn.Module:
    """A copy of the network as one kind of contestant gets it."""
    model = copy.deepcopy(network(architecture))
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.to(memory_format=FORMATS[memory_format])
    return model.requires_grad_(not frozen)


def images(batch: int, size: int, memory_format: str) -> Tensor:
    """Noise in [0, 1], always the same: (batch, 3, size, size)."""
    noise = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    return noise.to(memory_format=FORMATS[memory_format])


def layers(architecture: str) -> tuple[str, ...]:
    """Every convolution and pooling layer, the shallowest first."""
    return tuple(layer.name for layer in sc.list_layers(network(architecture), images(1, 32, "contiguous")))
