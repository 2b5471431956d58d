"""The networks of a study tried before anything is computed: a typing mistake costs seconds, not hours."""

from collections.abc import Sequence

import torch
from torch import nn

from stratacam import cam
from stratacam.errors import InputError, some_of
from stratacam.evidence.layer_names import check_layers as check_measured_layers
from stratacam.learning import TrainSettings
from stratacam.learning.relevance import check_relevance, find_relevance
from stratacam.maps import check_settings, nifti_layers_of
from stratacam.maps.explain import check_layers as check_explained_layers
from stratacam.networks import (
    ARCHITECTURES,
    Dimensions,
    ModelCard,
    card_of,
    default_frozen,
    default_weights,
    find_heads,
    freeze,
    in_branches,
    initial_weights,
    inputs_of,
    is_elsewhere,
    is_given,
    is_reference,
    make_network,
    matching,
)
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.devices import check_precision_of, resolve_device
from stratacam.study.given_check import check_logits
from stratacam.study.truth import check_stated


def check_networks(configuration: StudyConfiguration) -> None:
    """Make every network once, with random weights, and find its head, the layers to freeze and those to write.

    Where a study has several networks, a pattern of layers to freeze need match in one of them only.

    Raises:
        InputError: a network cannot be made, has no such head, does not take the pictures, or nothing would be left to
            train; or a pattern matches nothing, or the layer that guides training does not suit.
    """
    check_size(configuration, (configuration.pictures.size, configuration.pictures.size))
    given = configuration.given
    networks = {
        name: make_network(
            name,
            classes=len(given.classes) if given else 2,
            channels=configuration.channels,
            weights="none",
            brain=configuration.network.brain_of(name),
            dimensions=configuration.pictures.dimensions,
            branches=configuration.branches,
        )
        for name in configuration.network.architectures
    }
    patterns = configuration.training.frozen or ()
    if configuration.given:
        (network,) = networks.values()
        _check_layers(network, configuration)
        return
    for network in networks.values():
        find_heads(network, configuration.network.head)
    _check_layers(networks[configuration.network.architectures[0]], configuration)
    for network in networks.values():
        freeze(network, frozen_here(network, patterns, only=len(networks) == 1))
    lost = [one for one in patterns if not any(matching(network, [one]) for network in networks.values())]
    if lost:
        layers = "; ".join(
            f"{name} has {some_of(layer for layer, _ in network.named_modules() if layer)}"
            for name, network in networks.items()
        )
        raise InputError(
            f"training.frozen: {', '.join(lost)} matches no layer; choose some, or leave it out: {layers}."
        )
    for name, network in networks.items() if configuration.training.guide else ():
        settings = settings_of(configuration, name, network)
        freeze(network, settings.frozen or ())
        check_relevance(network, settings, configuration.channels, configuration.pictures.dimensions)
    for name in networks:
        if is_reference(name) and configuration.network.weights not in {"default", "none"}:
            raise InputError(
                f"network.weights: {configuration.network.weights!r} is for this package's networks, and {name} is "
                'your own, which loads its own weights; choose weights = "default".'
            )


def _check_layers(network: nn.Module, configuration: StudyConfiguration) -> None:
    """Refuse layers of the first network, for maps and for evidence, that it does not have."""
    nifti_layers_of(network, configuration.network.architectures[0], configuration.explain)
    check_explained_layers(network, configuration.explain)
    check_measured_layers(network, configuration.evidence)
    for setting, layers in (
        ("explain.layers", configuration.explain.layers),
        ("evidence.layers", configuration.evidence.layers),
    ):
        _check_mapped(network, layers, setting, configuration)


def _check_mapped(
    network: nn.Module, layers: Sequence[str], setting: str, configuration: StudyConfiguration
) -> None:
    """Refuse layers that are named, not only matched, and give no map of a picture.

    Raises:
        InputError: the setting names one.
    """
    modules = dict(network.named_modules())
    named = [name for one in layers for name in one.split("+") if name.partition("#")[0] in modules]
    if not named:
        return
    entry = ARCHITECTURES.get(configuration.network.architectures[0])
    side = entry.minimum_size if entry else configuration.pictures.size
    shape = (side,) * configuration.pictures.dimensions
    pictures = torch.rand(1, configuration.channels, *shape)
    inputs = inputs_of(network, pictures, torch.ones(1, 1, *shape))
    for name in named:
        try:
            cam.explain(network, inputs, layers=name, classes=0)
        except ValueError as fault:
            raise InputError(
                f"{setting}: {fault} Expected layers whose output lies on the picture, such as convolutions: choose "
                "others."
            ) from fault


def check_size(configuration: StudyConfiguration, shape: tuple[int, int]) -> None:
    """Refuse pictures (rows, columns), or volumes of such slices, that do not suit a network.

    Networks of the registry have a least size; those of other packages are tried, for volumes with as many slices as
    rows.

    Raises:
        InputError: they do not.
    """
    for architecture in configuration.network.architectures:
        if is_elsewhere(architecture) or is_given(architecture):
            volume = configuration.pictures.dimensions == 3
            given = configuration.given
            classes = len(given.classes) if given else 2
            _try(
                architecture, classes, configuration.network_channels, (shape[0], *shape) if volume else shape
            )
        entry = ARCHITECTURES.get(architecture)
        if entry and min(shape) < entry.minimum_size:
            raise InputError(
                f"pictures.size: found pictures of {shape[0]} x {shape[1]} pixels; expected at least "
                f"{entry.minimum_size} on each side for {entry.title}, so that the maps of its last block have more "
                "than one cell: enlarge the pictures, or choose another network."
            )


def _try(architecture: str, classes: int, channels: int, shape: tuple[int, ...]) -> None:
    """Run a network of another package, or a given one, once."""
    dimensions: Dimensions = 2 if len(shape) == 2 else 3
    network = make_network(architecture, classes, channels=channels, weights="none", dimensions=dimensions)
    try:
        with torch.no_grad():
            network(*inputs_of(network, torch.rand(1, channels, *shape), torch.ones(1, 1, *shape)))
    except InputError:
        raise
    except Exception as fault:
        if is_given(architecture):
            raise InputError(
                f"{card_of(architecture)}: found pictures of {' x '.join(map(str, shape))} pixels and {channels} "
                f"channel(s), with which its classifier fails: {type(fault).__name__} ({fault}); expected what it was "
                "trained on: set model.channels and model.size of the card, or pictures.size, so."
            ) from fault
        raise InputError(
            f"pictures.size: found pictures of {' x '.join(map(str, shape))} pixels, with which {architecture} fails: "
            f"{type(fault).__name__} ({fault}); expected a size that the network takes, often 224: give pictures.size, "
            "and for networks that take squares only pictures.width_mm, or choose another network."
        ) from fault
    if is_given(architecture):
        check_logits(card_of(architecture), network, channels, shape)


def check_beginning(configuration: StudyConfiguration) -> list[str]:
    """Find the device, and the weights that every network starts from, before any scan is prepared.

    Returns:
        How first layers are adapted to the pictures' channels, a sentence for each network of which they are.

    Raises:
        InputError: there is no such device, or weights cannot be found or do not fit.
    """
    check_precision_of(configuration.run.precision, resolve_device(configuration.run.device))
    found = {
        architecture: initial_weights(
            architecture,
            configuration.network.weights,
            configuration.network_channels,
            dimensions=configuration.pictures.dimensions,
        )
        for architecture in configuration.network.architectures
    }
    return [
        f"{architecture}: first layer adapted, {pretrained.adapted}"
        for architecture, pretrained in found.items()
        if pretrained and pretrained.adapted
    ]


def check_explained(
    configuration: StudyConfiguration, classes: Sequence[str], subjects: Sequence[str]
) -> None:
    """Check what is to be explained against the classes and subjects that there are, before any scan is prepared.

    Raises:
        InputError: a class, sequence, layer or subject to explain is not there, or a class whose truth is stated.
    """
    pictures, first = configuration.pictures, configuration.network.architectures[0]
    sequences = pictures.sequences or configuration.cohort.sequences
    classes = configuration.given.classes if configuration.given else classes
    card = ModelCard(
        architecture=first,
        classes=tuple(classes),
        input={"sequences": list(sequences), "channels": pictures.channels},
        training={},
    )
    network = make_network(
        first,
        classes=len(classes),
        channels=configuration.channels,
        weights="none",
        dimensions=pictures.dimensions,
        branches=configuration.branches,
    )
    check_settings(network, card, configuration.explain)
    check_stated(configuration.evidence, classes)
    wanted = configuration.explain.subjects
    unknown = sorted(set(wanted) - set(subjects)) if isinstance(wanted, tuple) else []
    if unknown:
        raise InputError(
            f"explain.subjects: {', '.join(unknown)} is not among the subjects that can be used; "
            f"there are {', '.join(subjects)}."
        )


def settings_of(configuration: StudyConfiguration, architecture: str, network: nn.Module) -> TrainSettings:
    """The settings of training, with what depends on the network filled in.

    Raises:
        InputError: the network has not the layer that is to guide training.
    """
    chosen = configuration.network.weights
    dimensions = configuration.pictures.dimensions
    chosen = default_weights(architecture, dimensions) if chosen == "default" else chosen
    pretrained, only = chosen != "none", len(configuration.network.architectures) == 1
    settings = configuration.training.for_weights(
        pretrained=pretrained,
        frozen=tuple(
            in_branches(pattern, configuration.branches)
            for pattern in default_frozen(architecture, pretrained=pretrained)
        ),
    )
    relevance = find_relevance(network, settings)
    return settings.model_copy(
        update={
            "frozen": frozen_here(network, settings.frozen or (), only=only),
            "relevance_layer": relevance.name if relevance else None,
            "batch_size": settings.batch_of(dimensions),
        }
    )


def frozen_here(network: nn.Module, patterns: tuple[str, ...], *, only: bool) -> tuple[str, ...]:
    """The patterns that are meant for a network: all if it is the only one, or else those that match."""
    return patterns if only else tuple(pattern for pattern in patterns if matching(network, [pattern]))
