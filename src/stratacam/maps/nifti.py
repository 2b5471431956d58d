"""Maps as NIfTI: on the prepared grid, and on scans as delivered."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.cam.methods import REGISTRY
from stratacam.files import write_json
from stratacam.maps.store import ScanMaps
from stratacam.scans.volume import write_nifti

HELD_OUT = {"train": False, "validation": False, "test": True, "none": True}
"""Whether a model was trained without a scan, by the part that the scan was in; absent where that is not known."""


def write_map(stem: Path, maps: ScanMaps, layer: str, sequences: Sequence[str] = ("T1w",)) -> set[Path]:
    """Write the raw map of one layer on the prepared grid and on delivered grids, each with its sidecar.

    Args:
        stem: path of the files up to the entities of space and layer.
        maps: of the scan.
        layer: the layer.
        sequences: over whose scans as delivered the map is laid.

    Returns:
        The files written.
    """
    raw, geometry = maps.raw(layer), maps.geometry
    path = map_path(stem, maps, layer)
    written = _write(path, maps, layer, geometry.to_volume(raw), geometry.prepared.affine)
    for sequence in sequences:
        path = map_path(stem, maps, layer, delivered=sequence)
        laid = geometry.to_delivered(raw, sequence)
        written |= _write(path, maps, layer, laid, geometry.delivered[sequence].affine)
    return written


def map_path(stem: Path, maps: ScanMaps, layer: str, *, delivered: str | None = None) -> Path:
    """The NIfTI of `layer` on the prepared grid, or on that of a sequence as delivered.

    The class is named where several are explained.
    """
    grid = f"space-{entity(delivered)}_res-delivered" if delivered else "space-T1w_res-prepared"
    label = f"_label-{entity(maps.explained)}" if len(maps.every_explained) > 1 else ""
    return stem.with_name(f"{stem.name}_{grid}{label}_desc-{entity(layer)}_{entity(maps.method)}.nii.gz")


def entity(name: str) -> str:
    """A name as the value of a BIDS entity, which holds letters and digits alone.

    Example:
        >>> entity("block5_conv3"), entity("gradcam++")
        ('block5conv3', 'gradcamplusplus')
    """
    return "".join(letter for letter in name.replace("+", "plus") if letter.isalnum())


def _write(
    path: Path, maps: ScanMaps, layer: str, volume: NDArray[np.float32], affine: NDArray[np.float64]
) -> set[Path]:
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
    write_nifti(path, volume, affine, description=_description(maps, layer))
    return {path, sidecar}


def _description(maps: ScanMaps, layer: str) -> str:
    """The gist of the sidecar: method, layer, class, model, and whether the scan was held out of its training."""
    held_out = {True: "held out", False: "TRAINED ON", None: "held out?"}[HELD_OUT.get(maps.in_training)]
    run = maps.model.get("run") or maps.model.get("architecture", "")
    return f"{maps.method} {layer} class={maps.explained} {held_out} {run}"
