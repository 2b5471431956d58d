"""Maps as NIfTI: on the prepared grid, and on scans as delivered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.cam.methods import REGISTRY
from stratacam.files import write_json
from stratacam.maps.settings import ExplainSettings
from stratacam.maps.store import ScanMaps
from stratacam.scans.resampling import Grid, resample
from stratacam.scans.volume import write_nifti

FileName = Callable[[str, str], Path]
"""Makes the path of a file of one map, of an entity of space and an ending."""


@dataclass(frozen=True)
class Drawn:
    """What is written of a layer.

    Attributes:
        volume: on the prepared grid.
        entity: added to the name of the layer.
        description: of its values.
        unit: of them; None for that of the method.
    """

    volume: NDArray[np.float32]
    entity: str
    description: str
    unit: str | None


ENDINGS = (".nii.gz", ".json")
"""Of a map and of its sidecar."""

HELD_OUT = {"train": False, "validation": False, "test": True, "none": True}
"""Whether a model was trained without a scan, by the part that the scan was in; absent where that is not known."""


def write_prepared(
    name: FileName, maps: ScanMaps, layer: str, drawn: Drawn, _settings: ExplainSettings
) -> set[Path]:
    """Write the raw map of a layer on the prepared grid, with its sidecar; return both files.

    Args:
        name: makes the path of a file of this map of an entity of space, such as "space-T1w", and an ending.
        maps: of the class explained.
        layer: the layer.
        drawn: what is written of it, on the prepared grid.
    """
    files = [name("space-T1w_res-prepared", ending) for ending in ENDINGS]
    return _write(files, maps, layer, drawn, maps.geometry.prepared)


def write_delivered(
    name: FileName, maps: ScanMaps, layer: str, drawn: Drawn, settings: ExplainSettings
) -> set[Path]:
    """Write the raw map of a layer over the scans of `settings.nifti_scans`; arguments as in `write_prepared`."""
    written: set[Path] = set()
    for sequence in settings.nifti_scans:
        grid = maps.geometry.delivered[sequence]
        laid = resample(drawn.volume, maps.geometry.prepared, grid)
        files = [name(f"space-{entity(sequence)}_res-delivered", ending) for ending in ENDINGS]
        written |= _write(files, maps, layer, replace(drawn, volume=laid), grid)
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


def _write(
    files: Sequence[Path],
    maps: ScanMaps,
    layer: str,
    drawn: Drawn,
    grid: Grid,
) -> set[Path]:
    """Write a volume and its sidecar; return both paths."""
    path, sidecar = files
    slices = maps.slices.tolist()
    write_json(
        sidecar,
        {
            "Description": drawn.description,
            "Units": drawn.unit or REGISTRY[maps.method].unit,
            "Method": maps.method,
            "Layer": layer,
            "ExplainedClass": maps.explained,
            "PredictedClass": maps.predicted,
            "Classes": list(maps.classes),
            "Model": dict(maps.model),
            "Networks": [dict(one) for one in maps.members],
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
    write_nifti(path, drawn.volume, grid.affine, description=_description(maps, layer))
    return {path, sidecar}


def _description(maps: ScanMaps, layer: str) -> str:
    """The gist of the sidecar: method, layer, class, model, and whether the scan was held out of its training."""
    held_out = {True: "held out", False: "TRAINED ON", None: "held out?"}[HELD_OUT.get(maps.in_training)]
    run = maps.model.get("run") or maps.model.get("architecture", "")
    if maps.members:
        run = f"{len(maps.members)} networks"
    return f"{maps.method} {layer} class={maps.explained} {held_out} {run}"
