"""Maps as NIfTI: on the prepared grid, and on scans as delivered."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.cam.methods import REGISTRY
from stratacam.files import write_json
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import ScanMaps
from stratacam.scans.resampling import Grid, resample
from stratacam.scans.volume import write_nifti

HELD_OUT = {"train": False, "validation": False, "test": True, "none": True}
"""Whether a model was trained without a scan, by the part that the scan was in; absent where that is not known."""


def write_prepared(
    stem: Path, maps: ScanMaps, layer: str, volume: NDArray[np.float32], _settings: ExplainSettings
) -> set[Path]:
    """Write the raw map of a layer on the prepared grid, with its sidecar; return both files.

    Args:
        stem: path of the files up to the entities of space and layer.
        maps: of the class explained.
        layer: the layer.
        volume: its map on the prepared grid, see `ScanMaps.volume`.
    """
    path = _path(stem, "space-T1w_res-prepared", maps, layer)
    return _write(path, maps, layer, volume, maps.geometry.prepared)


def write_delivered(
    stem: Path, maps: ScanMaps, layer: str, volume: NDArray[np.float32], settings: ExplainSettings
) -> set[Path]:
    """Write the raw map of a layer over the scans of `settings.nifti_scans`; arguments as in `write_prepared`."""
    written: set[Path] = set()
    for sequence in settings.nifti_scans:
        grid = maps.geometry.delivered[sequence]
        laid = resample(volume, maps.geometry.prepared, grid)
        path = _path(stem, f"space-{entity(sequence)}_res-delivered", maps, layer)
        written |= _write(path, maps, layer, laid, grid)
    return written


def entity(name: str) -> str:
    """A name as the value of a BIDS entity, which holds only letters and digits.

    Example:
        >>> entity("layer4_block1"), entity("gradcam++")
        ('layer4block1', 'gradcamplusplus')
    """
    return "".join(letter for letter in name.replace("+", "plus") if letter.isalnum())


def label_of(maps: ScanMaps) -> str:
    """The entity of the class explained, for names of files; empty where one class is explained."""
    return f"_label-{entity(maps.explained)}" if len(maps.every_explained) > 1 else ""


def _path(stem: Path, space: str, maps: ScanMaps, layer: str) -> Path:
    name = f"{stem.name}_{space}{label_of(maps)}_desc-{entity(layer)}_{entity(maps.method)}.nii.gz"
    return stem.with_name(name)


def _write(path: Path, maps: ScanMaps, layer: str, volume: NDArray[np.float32], grid: Grid) -> set[Path]:
    """Write a volume and its sidecar; return both paths."""
    sidecar = path.with_name(path.name.removesuffix(".nii.gz") + ".json")
    slices = maps.slices.tolist()
    write_json(
        sidecar,
        {
            "Description": "Class activation map, signed",
            "Units": REGISTRY[maps.method].unit,
            "Method": maps.method,
            "Layer": layer,
            "ExplainedClass": maps.explained,
            "PredictedClass": maps.predicted,
            "Classes": list(maps.classes),
            "Model": dict(maps.model),
            "ScanInTraining": maps.in_training,
            "HeldOut": HELD_OUT.get(maps.in_training),
            "ReLU": False,
            "Normalisation": "none",
            "Upsampling": "linear, align_corners=False; linear between explained slices",
            "Plane": maps.geometry.plane,
            "ExplainedSlices": slices,
            "BlankSlices": {
                str(index): cause for index, cause in zip(slices, maps.blank[layer], strict=True) if cause
            },
        },
    )
    write_nifti(path, volume, grid.affine, description=_description(maps, layer))
    return {path, sidecar}


def _description(maps: ScanMaps, layer: str) -> str:
    """The gist of the sidecar: method, layer, class, model, and whether the scan was held out of its training."""
    held_out = {True: "held out", False: "TRAINED ON", None: "held out?"}[HELD_OUT.get(maps.in_training)]
    run = maps.model.get("run") or maps.model.get("architecture", "")
    return f"{maps.method} {layer} class={maps.explained} {held_out} {run}"
