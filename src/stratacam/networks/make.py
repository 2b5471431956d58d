"""Make the network that a study or a card names, wherever it is from."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from stratacam.errors import InputError
from stratacam.networks.brain import BrainUse
from stratacam.networks.build import build
from stratacam.networks.cards import load_weights, read_card
from stratacam.networks.custom import load_network, source_file, split_reference, state_hash
from stratacam.networks.elsewhere import build_elsewhere, is_elsewhere, structure_of
from stratacam.networks.elsewhere.source import Config
from stratacam.networks.fusion import late_fusion
from stratacam.networks.given import check_fits, content_of, open_given, read_given
from stratacam.networks.layers import Dimensions
from stratacam.networks.pretrained import Pretrained, initial_weights, source_of
from stratacam.networks.registry import RANDOM, card_of, is_given, is_reference, short_name
from stratacam.source_code import code_in, digest_of


def make_network(
    architecture: str,
    classes: int,
    *,
    channels: int = 3,
    weights: str | Path | Pretrained = "default",
    seed: int = 0,
    brain: BrainUse = "off",
    config: Config | None = None,
    dimensions: Dimensions = 2,
    branches: Sequence[str] = (),
) -> nn.Module:
    """Make the network that a study names: by `build`, `build_elsewhere`, `open_given`, or for a user's `load_network`.

    `config` is that of a card, for `build_elsewhere`; `dimensions` are the spatial axes of what the network takes: 3
    for volumes (B, channels, D, H, W). With `branches`, sequences in the order of the channels, it is a `LateFusion` of
    such a network for each; a classifier that is given has the branches that it was trained with.

    Raises:
        InputError: as these; or a network that is not of this package is to see the brain alone.
    """
    if is_given(architecture):
        return _given(architecture, classes, channels, dimensions)
    if branches:
        first = initial_weights(architecture, weights, dimensions=dimensions) or RANDOM

        def branch(seed: int) -> nn.Module:
            return make_network(
                architecture,
                classes,
                weights=first,
                seed=seed,
                brain=brain,
                config=config,
                dimensions=dimensions,
            )

        return late_fusion(branch, branches, seed)
    if is_elsewhere(architecture):
        if brain != "off":
            raise InputError(
                f'network.brain: found "{brain}" with the network {architecture}; expected "off" with a network of '
                'another package, whose layers cannot be masked: choose brain = "off", or a network of this package.'
            )
        found = initial_weights(architecture, weights, channels, dimensions=dimensions)
        trained = (found.state, found.convention) if found else None
        return build_elsewhere(
            architecture,
            classes,
            channels=channels,
            trained=trained,
            seed=seed,
            config=config,
            dimensions=dimensions,
        )
    if not is_reference(architecture):
        return build(
            architecture,
            classes,
            channels=channels,
            weights=weights,
            seed=seed,
            brain=brain,
            dimensions=dimensions,
        )
    if brain != "off":
        raise InputError(
            f'network.brain: found "{brain}" with the network {architecture}; expected "off" with a network of your '
            "own, whose layers this package cannot mask: choose one of this package, or mask the features in yours."
        )
    initial_weights(architecture, weights)  # refuses weights that only a function of the user's could read
    return load_network(architecture, classes, channels=channels, seed=seed, dimensions=dimensions)


def _given(architecture: str, classes: int, channels: int, dimensions: Dimensions) -> nn.Module:
    """A trained classifier with its weights: one of this package, or one that its card describes."""
    given = read_given(card_of(architecture))
    check_fits(given, classes, dimensions)
    if not given.is_own:
        return open_given(given, channels)
    own = read_card(given.file)
    network = make_network(
        own.architecture,
        len(own.classes),
        channels=own.channels,
        weights="none",
        brain=own.brain,
        config=own.config,
        dimensions=own.dimensions,
        branches=own.branches,
    )
    load_weights(given.file, network, own)
    return network.eval()


def made_of(
    architecture: str,
    classes: int,
    *,
    channels: int = 3,
    weights: str,
    seed: int,
    brain: BrainUse = "off",
    dimensions: Dimensions = 2,
    branches: Sequence[str] = (),
) -> str:
    """What a network is before it is trained: two of which this is the same have the same code and first weights.

    Of a custom network: the source of its file and of what that imports, the versions of packages, and the weights
    that the function makes or reads, from wherever. Where two calls do not give the same weights, these do not count.
    Of a network of another package: that package's version, and the layers.
    """
    if is_given(architecture):
        return f"given, {content_of(read_given(card_of(architecture)))}"
    if branches:
        one = made_of(architecture, classes, weights=weights, seed=seed, brain=brain, dimensions=dimensions)
        return f"late fusion of {', '.join(branches)}: {one}"
    if is_elsewhere(architecture):
        structure = structure_of(architecture, classes, channels, dimensions)
        return f"{short_name(architecture)}, {structure}, {source_of(architecture, weights)}"
    if not is_reference(architecture):
        first = source_of(architecture, weights)
        of_volumes = ", for volumes" if dimensions == 3 else ""
        return f"{architecture}, {first}, {channels} channels, brain {brain}{of_volumes}"
    home, function = split_reference(architecture)
    code = code_in(Path(home).stem, source_file(architecture)) if home.endswith(".py") else code_in(home)
    first, second = (
        state_hash(load_network(architecture, classes, channels=channels, seed=seed, dimensions=dimensions))
        for _ in range(2)
    )
    return f"{function}, {digest_of(code)}, {first if first == second else 'random'}"
