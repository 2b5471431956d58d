"""Build a network of another package, with the names of its layers as they are there."""

import hashlib
from functools import partial
from typing import Any

from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.convention import CENTRED, Convention, InputConvention
from stratacam.networks.elsewhere.source import Config
from stratacam.networks.elsewhere.sources import find_source, name_in_source, source_named
from stratacam.networks.elsewhere.tokens import mark_layers
from stratacam.networks.formats import State
from stratacam.networks.layers import Dimensions
from stratacam.networks.seeded import seeded

INPUT = "input"
"""Name of the layer that applies the input convention, as in networks of this package, where it is free."""


def build_elsewhere(
    architecture: str,
    classes: int,
    *,
    channels: int = 3,
    trained: tuple[State, Convention] | None = None,
    seed: int = 0,
    config: Config | None = None,
    dimensions: Dimensions = 2,
) -> nn.Module:
    """Build a network of another package.

    It stays the package's own module, with its layers under their own names, and gets one more, `input`, that applies
    the weights' input convention before it runs. So every caller passes pictures in [0, 1] and gets logits.

    Args:
        architecture: such as "timm:resnet50".
        classes: number of outputs.
        channels: of the pictures.
        trained: first weights without those of a head, for as many channels, and the input convention with which they
            were trained; None: random weights, as the package draws them, and [0, 1] to [-2, 2].
        seed: of the random numbers, which are then as they were.
        config: of the network, where its card has it; see `config_of`.
        dimensions: 3 for volumes (B, channels, D, H, W), of packages that have such networks.

    Returns:
        A network in evaluation mode from (B, channels, H, W) in [0, 1] to logits (B, classes).

    Raises:
        InputError: the package is not installed or has no such network, or does not build it so.
    """
    source = find_source(architecture)
    with seeded(seed):
        try:
            network = source.make(architecture, classes, channels, config, dimensions)
        except InputError:
            raise
        except Exception as fault:
            raise InputError(
                f"network: {architecture!r} for {classes} classes and {channels} channels is not built by "
                f"{source.version()}: {type(fault).__name__} ({fault}); choose another network or other pictures."
            ) from fault
    state, convention = trained or ({}, CENTRED.for_channels(channels))
    network.load_state_dict(state, strict=False)  # all but the head, as was checked when it was read
    mark_layers(network, source.blocks(network))
    name = f"stratacam_{INPUT}" if hasattr(network, INPUT) else INPUT
    network.add_module(name, InputConvention(convention, dimensions))
    network.register_forward_pre_hook(partial(_apply_convention, name))
    network.register_forward_hook(partial(_as_logits, architecture, classes))
    return network.eval()


def config_of(architecture: str) -> Config | None:
    """What a card has to hold, beside the name, for the network to be built again; None where the name is enough.

    Raises:
        InputError: the package is not installed, or its folder or repository cannot be read.
    """
    source, name = find_source(architecture), name_in_source(architecture)
    try:
        return source.config(name)
    except Exception as fault:
        raise InputError(
            f"network: the configuration of {architecture!r} cannot be read: {type(fault).__name__} ({fault}); name a "
            "folder or repository that holds one, and for a repository connect to the internet once."
        ) from fault


def structure_of(architecture: str, classes: int, channels: int, dimensions: Dimensions = 2) -> str:
    """The version of the package and a hash of the network's layers: what it is, apart from its weights."""
    network = build_elsewhere(architecture, classes, channels=channels, dimensions=dimensions)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    digest = hashlib.sha256(f"{network!r} {shapes}".encode()).hexdigest()
    return f"{source_named(architecture).version()}, {digest[:16]}"


def _apply_convention(name: str, network: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return (network.get_submodule(name)(arguments[0]), *arguments[1:])


def _as_logits(
    architecture: str, classes: int, _: nn.Module, arguments: tuple[Any, ...], output: object
) -> Tensor:
    """The logits of what a network gives: itself, or its part of this name."""
    logits = getattr(output, "logits", output)
    expected = (len(arguments[0]), classes)
    if isinstance(logits, Tensor) and tuple(logits.shape) == expected:
        return logits
    found = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
    raise InputError(
        f"network: {architecture!r} gives {found} for {len(arguments[0])} pictures; expected logits {expected}, one "
        "for each class: choose a classifier."
    )
