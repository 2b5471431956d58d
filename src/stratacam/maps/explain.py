"""Explain one prepared scan with a trained model: pictures, maps, store, and the other formats of maps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import nn

from stratacam import cam
from stratacam.errors import InputError
from stratacam.maps.consensus import Consensus
from stratacam.maps.consensus_store import write_consensus
from stratacam.maps.formats import write_formats
from stratacam.maps.fused import wanted
from stratacam.maps.nifti import entity
from stratacam.maps.pictures import classify_scan, explained_pictures, network_inputs
from stratacam.maps.precision import check_precision
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import ScanMaps, remove
from stratacam.maps.store.group import Explained
from stratacam.maps.trained import channels_of, delivered_sequences, model_identity, part_in_training_of_any
from stratacam.maps.volumes import batches_by_method
from stratacam.maps.writing import write_maps
from stratacam.networks import ModelCard, branches_of, in_branches, last_block
from stratacam.networks.precision import current_precision
from stratacam.scans.derivatives import write_dataset_description
from stratacam.scans.prepared import PreparedScan


def maps_path(scan: PreparedScan, out: Path, method: str) -> Path:
    """Where the maps of `scan` by a method are, below `out`."""
    anat = out / scan.anat.relative_to(scan.folder)
    return anat / f"{scan.name}_{entity(method)}.zarr"


def explain_scan(
    model: nn.Module,
    card: ModelCard,
    scan: PreparedScan,
    out: Path,
    settings: ExplainSettings,
    *,
    members: Sequence[ModelCard] = (),
) -> ScanMaps:
    """Maps of every convolution and pooling layer for every slice of a scan.

    A class is the same in all slices of the scan, so that its maps make one volume. Where each sequence is a picture
    of its own, the maps are of one sequence's pictures. Maps go to disk batch by batch; what an earlier run left of
    this scan in `out` is removed.

    Args:
        model: from `load_model`, on its device.
        card: the model's card.
        scan: prepared with the sequences that the model was trained on, in any order and with others or without.
        out: folder of derivatives; the store of maps, and other formats of `settings.nifti_layers`, go below it.
        settings: class, slices and layers.
        members: the cards of the networks, where `model` is the `Consensus` of several, of which `card` is the first's.

    Returns:
        The maps as stored: of the class explained, or of the predicted one where all are.

    Raises:
        InputError: if sequences, class or layers do not fit the model, or a file cannot be read.
    """
    written_layers = check_settings(model, card, settings)
    pictures = explained_pictures(card, scan, every=settings.every, sequence=settings.sequence)
    probabilities = classify_scan(model, card, scan, settings.batch_size)
    predicted = max(probabilities, key=probabilities.__getitem__)
    target = predicted if settings.target == "predicted" else settings.target
    classes: Literal["all"] | int = "all" if target == "all" else card.classes.index(target)
    path = maps_path(scan, out, settings.method)
    inputs = network_inputs(model, pictures)
    error = check_precision(
        model.members if isinstance(model, Consensus) else [model],
        inputs,
        scan.name,
        precision=current_precision(),
        classes=card.classes.index(predicted if target == "all" else target),
        method=settings.method,
    )
    write_dataset_description(
        out, scan.delivered("T1w"), name="Class activation maps", ignored=("sub-*", "*.tsv")
    )
    explained = Explained(
        name=scan.name,
        method=settings.method,
        smooth=settings.smooth,
        classes=card.classes,
        scan_probabilities=probabilities,
        every_explained=card.classes if target == "all" else (target,),
        model=model_identity(card),
        arithmetic=current_precision(),
        largest_map_error=error,
        in_training=part_in_training_of_any(scan, members or [card]),
        dtype=settings.dtype,
        geometry=replace(
            pictures.geometry,
            delivered={name: scan.delivered_grid(name) for name in delivered_sequences(card)},
        ),
    )
    asked = wanted(model, (*settings.layers, *written_layers))
    if isinstance(model, Consensus):
        by_method = model.explain_batches(
            inputs,
            classes=classes,
            methods=[settings.method],
            layers=asked.explained,
            smooth=settings.smooth,
            batch_size=settings.batch_size,
        )
        maps = write_consensus(
            path,
            explained,
            (batch[settings.method] for batch in by_method),
            pictures.brain,
            [model_identity(one) for one in members],
            fused=asked.fused,
            keep_members=settings.keep_members,
        )
    else:
        found = batches_by_method(
            model,
            inputs,
            [settings.method],
            layers=asked.explained,
            classes=classes,
            smooth=settings.smooth,
            batch_size=settings.batch_size,
        )
        batches = (batch[settings.method] for batch in found)
        maps = write_maps(path, explained, batches, pictures.brain, fused=asked.fused)
    written = {path}
    for of_class in map(maps.of, maps.every_explained):
        for layer in written_layers:
            written |= write_formats(path.parent, of_class, layer, settings)
    for leftover in set(path.parent.glob(f"{scan.name}_*")) - written:
        remove(leftover)
    return maps


def check_settings(model: nn.Module, card: ModelCard, settings: ExplainSettings) -> tuple[str, ...]:
    """Names of the layers whose maps are written in other formats than the store.

    Raises:
        InputError: if the class, a layer or a sequence is not the model's.
    """
    sequences = card.input["sequences"]
    _check_choice("target", settings.target, "class", ("predicted", "all", *card.classes))
    for sequence in settings.nifti_scans:
        _check_choice("nifti_scans", sequence, "sequence", delivered_sequences(card))
    if settings.sequence is not None:
        _check_choice("sequence", settings.sequence, "sequence", sequences)
        if channels_of(card) == "sequences":
            raise InputError(
                f"explain.sequence: found {settings.sequence!r}, but the model sees its sequences in one picture; "
                "leave it out, and the maps are of all."
            )
    check_layers(model, settings)
    return nifti_layers_of(model, card.architecture, settings)


def check_layers(model: nn.Module, settings: ExplainSettings) -> None:
    """Refuse names and patterns of layers that the network does not have.

    Raises:
        InputError: `layers` names one.
    """
    _named_layers(model, settings.layers, "layers")


def _last_layers(model: nn.Module, architecture: str) -> tuple[str, ...]:
    """Those of the last block, or the last convolution, of the network or of every branch."""
    block, branches = last_block(architecture), branches_of(model)
    if block or not branches:
        return cam.match_layers(model, in_branches(block, branches) if block else "last")
    return tuple(
        f"{name}.{layer}"
        for name in branches
        for layer in cam.match_layers(model.get_submodule(name), "last")
    )


def _check_choice(setting: str, found: str, what: str, allowed: tuple[str, ...]) -> None:
    if found not in allowed:
        raise InputError(
            f"explain.{setting}: {found!r} is no {what} of the model; choose of {', '.join(allowed)}."
        )


def nifti_layers_of(model: nn.Module, architecture: str, settings: ExplainSettings) -> tuple[str, ...]:
    """Names of the layers whose maps are to be written as NIfTI.

    Raises:
        InputError: a name or pattern matches no layer.
    """
    if settings.nifti_layers is None:
        return _last_layers(model, architecture)
    return _named_layers(model, settings.nifti_layers, "nifti_layers")


def _named_layers(model: nn.Module, names: Sequence[str], setting: str) -> tuple[str, ...]:
    """The layers and fused maps that a setting names."""
    try:
        asked = wanted(model, names)
        return (*(cam.match_layers(model, asked.plain) if asked.plain else ()), *asked.fused)
    except ValueError as fault:
        raise InputError(f"explain.{setting}: {fault}") from fault
