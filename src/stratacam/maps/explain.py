"""Explain one prepared scan with a trained model: raw maps of every layer, and NIfTI of those asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stratacam import cam
from stratacam.errors import InputError
from stratacam.maps.nifti import entity, write_map
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import Explained, ScanMaps, read_maps, remove, write_maps
from stratacam.maps.trained import (
    channels_of,
    delivered_sequences,
    explained_pictures,
    model_identity,
    part_in_training,
)
from stratacam.networks import ModelCard, last_block
from stratacam.scans.channels import fill_channels
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
) -> ScanMaps:
    """Maps of every convolution and pooling layer for every slice of a scan.

    A class is the same in all slices of the scan, so that its maps make one volume. Where each sequence is a picture
    of its own, the maps are of one sequence's pictures, and the predicted class is that of the highest mean
    probability over these. Maps go to disk batch by batch; what an earlier run left of this scan in `out` is removed.

    Args:
        model: from `load_model`, on its device.
        card: the model's card.
        scan: prepared with the sequences that the model was trained on, in any order and with others or without.
        out: folder of derivatives; maps, and NIfTI of `settings.nifti_layers`, go below it.
        settings: class, slices and layers.

    Returns:
        The maps as stored: of the class explained, or of the predicted one where all are.

    Raises:
        InputError: if sequences, class or layers do not fit the model, or a file cannot be read.
    """
    nifti_layers = check_settings(model, card, settings)
    pictures = explained_pictures(card, scan, every=settings.every, sequence=settings.sequence)
    images = torch.from_numpy(np.ascontiguousarray(fill_channels(pictures.images)))
    target = _target(model, card, images, settings)
    path = maps_path(scan, out, settings.method)
    write_dataset_description(
        out, scan.delivered("T1w"), name="Class activation maps", ignored=("sub-*", "*.tsv")
    )
    maps = write_maps(
        path,
        Explained(
            name=scan.name,
            method=settings.method,
            smooth=settings.smooth,
            classes=card.classes,
            every_explained=card.classes if target is None else (card.classes[target],),
            model=model_identity(card),
            in_training=part_in_training(scan, card),
            geometry=replace(
                pictures.geometry,
                delivered={name: scan.delivered_grid(name) for name in delivered_sequences(card)},
            ),
        ),
        cam.explain_batches(
            model,
            images,
            layers=("all", *nifti_layers),
            classes="all" if target is None else target,
            method=settings.method,
            smooth=settings.smooth,
            batch_size=settings.batch_size,
        ),
    )
    written = {path}
    for explained in maps.every_explained:
        for layer in nifti_layers:
            written |= write_map(
                path.parent / scan.name, read_maps(path, explained), layer, settings.nifti_scans
            )
    for leftover in set(path.parent.glob(f"{scan.name}_*")) - written:
        remove(leftover)
    return maps


def check_settings(model: nn.Module, card: ModelCard, settings: ExplainSettings) -> tuple[str, ...]:
    """Names of the layers that are to be written as NIfTI.

    Raises:
        InputError: if the class, a layer or a sequence is not the model's.
    """
    if settings.target not in {"predicted", "all", *card.classes}:
        raise InputError(
            f"explain.target: {settings.target!r} is no class of the model; choose predicted, all or one of "
            f"{', '.join(card.classes)}."
        )
    for sequence in settings.nifti_scans:
        if sequence not in delivered_sequences(card):
            raise InputError(
                f"explain.nifti_scans: {sequence!r} is no sequence of the model; choose of "
                f"{', '.join(delivered_sequences(card))}."
            )
    if settings.sequence is not None and settings.sequence not in card.input["sequences"]:
        raise InputError(
            f"explain.sequence: {settings.sequence!r} is no sequence of the model; choose of "
            f"{', '.join(card.input['sequences'])}."
        )
    if settings.sequence is not None and channels_of(card) == "sequences":
        raise InputError(
            f"explain.sequence: found {settings.sequence!r}, but the model sees its sequences in one picture; leave "
            "it out, and the maps are of all."
        )
    return nifti_layers_of(model, card.architecture, settings)


def nifti_layers_of(model: nn.Module, architecture: str, settings: ExplainSettings) -> tuple[str, ...]:
    """Names of the layers whose maps are to be written as NIfTI.

    Raises:
        InputError: a name or pattern matches no layer.
    """
    if settings.nifti_layers is None:
        return cam.match_layers(model, last_block(architecture) or "last")
    try:
        return cam.match_layers(model, settings.nifti_layers)
    except ValueError as fault:
        raise InputError(f"explain.nifti_layers: {fault}") from fault


def _target(model: nn.Module, card: ModelCard, images: torch.Tensor, settings: ExplainSettings) -> int | None:
    """The class to explain; None for all."""
    if settings.target == "all":
        return None
    if settings.target != "predicted":
        return card.classes.index(settings.target)
    return predicted_class(model, images, settings.batch_size)


def predicted_class(model: nn.Module, images: torch.Tensor, batch_size: int = 8) -> int:
    """Position of the class of the scan as a whole: of the highest mean probability over its slices.

    Args:
        model: in evaluation mode, on its device.
        images: (n, channels, rows, columns), of every slice.
        batch_size: slices at once.
    """
    device = next(model.parameters()).device
    with torch.inference_mode():
        probabilities = [
            model(batch.to(device, memory_format=torch.channels_last)).softmax(dim=1)
            for batch in torch.split(images, batch_size)
        ]
    return int(torch.cat(probabilities).mean(dim=0).argmax())
