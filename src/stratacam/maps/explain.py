"""Explain one prepared scan with a trained model: raw maps of every layer, and NIfTI of those asked for."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from stratacam import cam
from stratacam.errors import InputError
from stratacam.maps.nifti import Grid, write_map
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import METHOD, ScanMaps, write_maps
from stratacam.networks import ModelCard
from stratacam.scans.pictures import Pictures, PictureSettings, cut_pictures
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.volume import read_volume


def maps_path(scan: PreparedScan, out: Path) -> Path:
    """Where the maps of `scan` are, below `out`."""
    anat = out / scan.anat.relative_to(scan.folder)
    return anat / f"{scan.name}_{METHOD}.zarr"


def explain_scan(
    model: nn.Module,
    card: ModelCard,
    scan: PreparedScan,
    out: Path,
    settings: ExplainSettings,
    *,
    device: str = "cpu",
) -> ScanMaps:
    """Grad-CAM of every convolution and pooling layer for every slice of a scan, for one class.

    The class is the same in all slices of the scan, so that its maps make one volume.

    Args:
        model: from `load_model`, on `device`.
        card: the model's card.
        scan: prepared with the sequences that the model was trained on.
        out: folder of derivatives; maps, and NIfTI of `settings.nifti_layers` on both grids, go below it.
        settings: class, slices and layers.
        device: where the network is.

    Returns:
        The maps, as stored.

    Raises:
        InputError: if sequences, class or layers do not fit the model, or a file cannot be read.
    """
    sequences = tuple(card.input["sequences"])
    if scan.sequences != sequences:
        raise InputError(
            f"{scan.name}: was prepared with {', '.join(scan.sequences)}, the model was trained on "
            f"{', '.join(sequences)}; prepare the scan with the model's sequences."
        )
    nifti_layers = check_settings(model, card, settings)
    volume = scan.load()
    picture_settings = PictureSettings(
        size=card.input["size"],
        width_mm=card.input["width_mm"],
        part=card.input["part"],
        every=settings.every,
    )
    pictures = cut_pictures(volume, picture_settings)
    predicted = _predict(model, pictures, settings.batch_size, device)
    target = predicted if settings.target == "predicted" else card.classes.index(settings.target)

    explanation = cam.explain(
        model,
        torch.from_numpy(pictures.images).to(device),
        classes=target,
        batch_size=settings.batch_size,
    )
    maps = ScanMaps(
        name=scan.name,
        classes=card.classes,
        predicted=card.classes[predicted],
        explained=card.classes[target],
        slices=pictures.slices,
        logits=explanation.logits.numpy(),
        layers=explanation.layers,
        blank={layer: [row[0] for row in explanation[layer].blank] for layer in explanation.layers},
        frame=pictures.frame,
        size=picture_settings.size,
        path=maps_path(scan, out),
    )
    write_maps(maps.path, maps, {layer: explanation[layer].raw[:, 0].numpy() for layer in maps.layers})

    t1w = read_volume(scan.delivered_t1w)
    delivered = Grid(t1w.shape, np.asarray(t1w.affine))
    stem = maps.path.parent / scan.name
    for layer in nifti_layers:
        write_map(stem, maps, layer, pictures=pictures, affine=volume.affine, delivered=delivered)
    return maps


def check_settings(model: nn.Module, card: ModelCard, settings: ExplainSettings) -> tuple[str, ...]:
    """Names of the layers that are to be written as NIfTI.

    Raises:
        InputError: if the class or a layer is not the model's.
    """
    if settings.target != "predicted" and settings.target not in card.classes:
        raise InputError(
            f"explain.target: {settings.target!r} is no class of the model; choose predicted or one of "
            f"{', '.join(card.classes)}."
        )
    try:
        return cam.match_layers(model, settings.nifti_layers)
    except ValueError as fault:
        raise InputError(f"explain.nifti_layers: {fault}") from fault


def _predict(model: nn.Module, pictures: Pictures, batch_size: int, device: str) -> int:
    """Index of the class with the highest mean probability over the slices."""
    with torch.inference_mode():
        probabilities = [
            model(torch.from_numpy(pictures.images[start : start + batch_size]).to(device)).softmax(dim=1)
            for start in range(0, len(pictures.images), batch_size)
        ]
    return int(torch.cat(probabilities).mean(dim=0).argmax())
