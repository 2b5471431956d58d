"""Masks of structures, such as lesions, drawn by a reader or known from a phantom, on the grid of a prepared scan."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.scans.cohort.choice import entities, same_entities
from stratacam.scans.image_file import open_image
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import read_grid, resample

LESION = "lesion"

Masks = tuple[tuple[str, Path], ...]
"""By structure, the mask of a scan."""


def find_masks(bids: Path, scan: PreparedScan) -> dict[str, Path]:
    """Return the masks of a scan's structures in a BIDS folder, by label.

    Masks are `[derivatives/*/]sub-*/[ses-*/]anat/sub-*_label-<name>*_mask.nii[.gz]`, in the space of the T1w as
    delivered: without a `space` entity, with `space-T1w`, or with the same one as the T1w; and of no other run or
    acquisition than the T1w. Of several, the first in sorted order is taken, those of `derivatives` before others.
    """
    inside = scan.anat.relative_to(scan.folder)
    t1w = entities(scan.delivered("T1w"))
    spaces = {None, "T1w", t1w.get("space")}
    masks: dict[str, Path] = {}
    for folder in [*sorted(bids.glob("derivatives/*")), bids]:
        for path in sorted((folder / inside).glob(f"{scan.name}_*label-*_mask.nii*")):
            found = entities(path)
            rest = {key: value for key, value in found.items() if key not in {"space", "label", "desc"}}
            if found.get("space") in spaces and same_entities(t1w, rest):
                masks.setdefault(found["label"], path)
    return masks


def masks_of(masks: Mapping[str, Path], structures: Iterable[str]) -> dict[str, Path]:
    """The masks of named structures, of those that there are.

    A label is a structure's if it is its name or begins with it, as `lesions` does with `lesion`; the shortest is
    taken.
    """
    found = {}
    for name in structures:
        labels = [label for label in masks if label.startswith(name)]
        if labels:
            found[name] = masks[min(labels, key=len)]
    return found


def read_mask(path: Path, scan: PreparedScan) -> NDArray[np.bool_]:
    """Read a mask onto the prepared grid of a scan, by the nearest voxel in the world.

    Args:
        path: of the mask.
        scan: the prepared scan, in the world space of its T1w.

    Returns:
        (X, Y, Z). A mask without a voxel is a mask.

    Raises:
        InputError: the mask cannot be read or is not three-dimensional.
    """
    with open_image(path) as mask:
        inside = np.asarray(mask.dataobj) > 0
    if inside.ndim != 3:
        raise InputError(
            f"{path}: has shape {inside.shape}; expected one three-dimensional mask: give one volume."
        )
    return np.asarray(resample(inside, read_grid(path), read_grid(scan.brain_mask), labels=True))


def read_lesions(bids: Path, scan: PreparedScan) -> NDArray[np.bool_] | None:
    """Read the lesion mask of a scan, see `find_masks` and `read_mask`; None where there is none."""
    path = masks_of(find_masks(bids, scan), [LESION]).get(LESION)
    return None if path is None else read_mask(path, scan)
