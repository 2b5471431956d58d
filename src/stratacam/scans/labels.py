"""Lesions drawn by a reader or known from a phantom, on the grid of a prepared scan."""

import re
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import read_grid, resample

SPACE = re.compile(r"_space-([A-Za-z0-9+]+)_")


def find_lesion_mask(bids: Path, scan: PreparedScan) -> Path | None:
    """Return the lesion mask of a scan in a BIDS folder, or None.

    Masks are `[derivatives/*/]sub-*/[ses-*/]anat/sub-*_label-lesion*_mask.nii[.gz]`, in the space of the T1w
    as delivered: without a `space` entity, with `space-T1w`, or with the same one as the T1w. Of several, the
    first in sorted order is taken, those of `derivatives` before others.
    """
    inside = scan.anat.relative_to(scan.folder)
    own_space = SPACE.search(scan.delivered("T1w").name)
    spaces = {None, "T1w", own_space.group(1) if own_space else None}
    folders = [*sorted(bids.glob("derivatives/*")), bids]
    for folder in folders:
        for path in sorted((folder / inside).glob(f"{scan.name}_*label-lesion*_mask.nii*")):
            space = SPACE.search(path.name)
            if (space.group(1) if space else None) in spaces:
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
    try:
        mask = nibabel.Nifti1Image.from_filename(path)
        lesions = np.asarray(mask.dataobj) > 0
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as NIfTI ({error}); copy it again, or remove it to go on without"
        ) from error
    if lesions.ndim != 3:
        raise InputError(f"{path}: has shape {lesions.shape}; expected one three-dimensional mask")
    return np.asarray(resample(lesions, read_grid(path), read_grid(scan.brain_mask), labels=True))
