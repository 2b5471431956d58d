"""Regions of the brain in MNI152 space: a label image of the user's, or lobes by planes.

Atlases that Python packages carry come under licences that forbid commercial use or ask for a registration (FSL's and
FreeSurfer's among them), so none is shipped or read. The default is drawn from published coordinates of the great
sulci and says so in its name: lobes by planes are no anatomist's lobes.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.evidence.regions.template_space import template_brain, template_grid
from stratacam.scans.image_file import open_image
from stratacam.scans.resampling import Grid

LOBES = ("frontal", "parietal", "temporal", "occipital", "deep", "cerebellum and brainstem")
SIDES = ("left", "right")


@dataclass(frozen=True, eq=False)
class Atlas:
    """Labelled regions.

    Attributes:
        title: what it is, in words.
        labels: (X, Y, Z), 0 for no region.
        grid: of the labels, in the world of MNI152.
        names: label to name.
    """

    title: str
    labels: NDArray[np.int32]
    grid: Grid
    names: dict[int, str]


@cache
def default_atlas() -> Atlas:
    """Lobes by planes at 2 mm, left and right, within the brain of the template.

    The planes follow landmarks in MNI152 millimetres (x to the right, y forward, z up): the central sulcus from (38,
    -25, 55) to (58, -8, 20), the Sylvian fissure from (45, 10, -8) to (45, -40, 20), the parieto-occipital sulcus at
    y = -70, the tentorium from z = -8 in the middle to z = -20 at the side; deep is within 30 mm of the middle,
    between y = -40 and 25, z = -10 and 28: thalamus, basal ganglia, lateral ventricles and the white matter around
    them.
    """
    grid = template_grid(2.0)
    x, y, z = np.moveaxis(apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    beside = np.abs(x)
    below_tentorium = (y < -35) & (z < -8 - 0.3 * beside)
    brainstem = (beside < 13) & (y > -45) & (y < -8) & (z < -10)
    deep = (beside < 30) & (y > -40) & (y < 25) & (z > -10) & (z < 28)
    occipital = y < -70
    temporal = (y < 20) & (z < -2 - 0.5 * y) & (z < 25)
    frontal = y > -8 - 0.45 * (z - 20)
    order = (below_tentorium | brainstem, deep, occipital, temporal, frontal)
    lobe = np.select(order, [LOBES.index(name) for name in
                             ("cerebellum and brainstem", "deep", "occipital", "temporal", "frontal")],
                     LOBES.index("parietal"))  # fmt: skip
    labels = np.where(template_brain(grid), 1 + 2 * lobe + (x > 0), 0)
    names = {
        1 + 2 * place + side: f"{SIDES[side]} {name}" for place, name in enumerate(LOBES) for side in (0, 1)
    }
    return Atlas("lobes by planes (approximate)", labels.astype(np.int32), grid, names)


def atlas_of(image: Path | None) -> Atlas:
    """A user's atlas, or the default one."""
    return default_atlas() if image is None else read_atlas(image)


def read_atlas(path: Path) -> Atlas:
    """Read a label image in MNI152 space, and the names of its regions from a TSV beside it where there is one.

    The TSV has the name of the image with `.tsv` for `.nii` or `.nii.gz`, and columns `index` and `name`, as BIDS has
    it for `_dseg` files. Without, regions go by their labels.

    Raises:
        InputError: the image or the table cannot be used.
    """
    if not path.is_file():
        raise InputError(
            f"evidence.atlas: {path}: no such file; expected a label image in MNI152 space: correct the path."
        )
    try:
        with open_image(path) as image:
            labels, affine = np.asarray(image.dataobj), np.asarray(image.affine, dtype=np.float64)
    except InputError as fault:
        raise InputError(f"evidence.atlas: {fault}") from fault
    whole = np.rint(labels)
    if labels.ndim != 3 or not np.allclose(labels, whole) or whole.min() < 0 or not whole.any():
        raise InputError(
            f"evidence.atlas: {path} has shape {labels.shape} and values {labels.min():g} to {labels.max():g}; "
            "expected three axes, and whole numbers from 0 that name regions: name a label image in MNI152 space."
        )
    table = names_of(path)
    present = [int(label) for label in np.unique(whole) if label]
    names = _read_names(table) if table.is_file() else {}
    x, y, z = labels.shape
    grid = Grid((x, y, z), affine)
    return Atlas(
        path.name, whole.astype(np.int32), grid, {label: names.get(label, str(label)) for label in present}
    )


def names_of(path: Path) -> Path:
    """The table of names beside a label image."""
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".tsv")


def _read_names(path: Path) -> dict[int, str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file, delimiter="\t")
        missing = [column for column in ("index", "name") if column not in (table.fieldnames or ())]
        if missing:
            raise InputError(
                f"{path}: lacks the column {' and '.join(missing)}; expected index and name: add what is missing."
            )
        try:
            return {int(row["index"]): row["name"] for row in table}
        except (TypeError, ValueError) as fault:
            raise InputError(
                f"{path}: column index: {fault}; expected whole numbers: correct the table."
            ) from fault
