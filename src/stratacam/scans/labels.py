"""Lesions drawn by a reader or known from a phantom, on the grid of a prepared scan."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.scans.cohort.choice import entities, same_entities
from stratacam.scans.image_file import open_image
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import read_grid, resample


def find_lesion_mask(bids: Path, scan: PreparedScan) -> Path | None:
    """Return the lesion mask of a scan in a BIDS folder, or None.

    Masks are `[derivatives/*/]sub-*/[ses-*/]anat/sub-*_label-lesion*_mask.nii[.gz]`, in the space of the T1w
    as delivered: without a `space` entity, with `space-T1w`, or with the same one as the T1w; and of no other run or
    acquisition than the T1w. Of several, the first in sorted order is taken, those of `derivatives` before others.
    """
    inside = scan.anat.relative_to(scan.folder)
    t1w = entities(scan.delivered("T1w"))
    spaces = {None, "T1w", t1w.get("space")}
    folders = [*sorted(bids.glob("derivatives/*")), bids]
    for folder in folders:
        for path in sorted((folder / inside).glob(f"{scan.name}_*label-lesion*_mask.nii*")):
            found = entities(path)
            rest = {key: value for key, value in found.items() if key not in {"space", "label", "desc"}}
            if found.get("space") in spaces and same_entities(t1w, rest):
                return path
    return None


def read_lesions(bids: Path, scan: PreparedScan) -> NDArray[np.bool_] | None:
    """Read the lesion mask of a scan onto its prepared grid, by the nearest voxel in the world.

    Args:
        bids: the folder with the scans as delivered.
        scan: the prepared scan, in the world space of its T1w.

    Returns:
        (X, Y, Z), or None where the data set has no mask of the scan. A mask without lesions is a mask.

    Raises:
        InputError: the mask cannot be read or is not three-dimensional.
    """
    path = find_lesion_mask(bids, scan)
    return None if path is None else read_lesion_mask(path, scan)


def read_lesion_mask(path: Path, scan: PreparedScan) -> NDArray[np.bool_]:
    """Read a lesion mask of a scan onto its prepared grid, see `read_lesions`."""
    with open_image(path) as mask:
        lesions = np.asarray(mask.dataobj) > 0
    if lesions.ndim != 3:
        raise InputError(
            f"{path}: has shape {lesions.shape}; expected one three-dimensional mask: give one volume."
        )
    return np.asarray(resample(lesions, read_grid(path), read_grid(scan.brain_mask), labels=True))
