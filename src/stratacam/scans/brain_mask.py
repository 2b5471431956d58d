"""The brain mask of a T1w: found by deepbet, or supplied by the user."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.scans.masks import volume_ml
from stratacam.scans.volume import corners_apart, read_volume

SMALLEST_BRAIN = 300.0  # ml
LARGEST_BRAIN = 2500.0
ADULT_BRAIN = (900.0, 2000.0)  # ml: outside of it a mask is doubted
SAME_PLACE = 0.01  # mm
MAXIMUM_CUT = 1000.0  # mm2 at a border of the T1w: the brain stem runs out of many scans, and is less
SMALL_PART = 0.001  # of the mask: loose parts below it are not worth a word


def extract_brain(data: NDArray[np.float32], affine: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    """Find the brain with deepbet (Fisch et al., 2024, doi 10.1016/j.compbiomed.2024.108845), on the CPU.

    torch uses as many threads as the caller has set.

    Args:
        data: a T1w (X, Y, Z) whose axes run to the right, anterior and superior.
        affine: (4, 4), voxels to RAS millimetres.
        path: the file, for messages.

    Returns:
        The largest connected part, with its holes filled: (X, Y, Z).

    Raises:
        InputError: deepbet is not installed, or finds no brain of 300 to 2500 ml.
    """
    remedy = "supply a mask as derivatives/<name>/sub-*/[ses-*/]anat/*_desc-brain_mask.nii.gz"
    try:
        from deepbet import BrainExtraction  # noqa: PLC0415 - loads torch models; not needed with a supplied mask
    except ImportError as error:
        raise InputError(
            f"{path}: the brain mask needs deepbet, which cannot be imported ({error}); "
            f"expected it to be installed: pip install deepbet, or {remedy}."
        ) from error
    try:
        extraction = BrainExtraction(no_gpu=True)
    except (OSError, ValueError, RuntimeError) as error:  # its weights lie outside its package
        raise InputError(
            f"{path}: the brain mask needs deepbet's weights, which cannot be loaded ({error}); expected "
            f"its whole package: pip install --force-reinstall --no-deps deepbet, or {remedy}."
        ) from error
    try:
        mask = extraction.postprocess(extraction.run_model(np.array(data, dtype=np.float32)) > 0.5)
    except (AssertionError, ValueError) as error:  # deepbet's "nothing found"
        raise InputError(
            f"{path}: deepbet finds no brain; expected a T1w of a head: check it, or {remedy}."
        ) from error
    brain = np.asarray(mask) > 0
    volume = volume_ml(brain, affine)
    if not SMALLEST_BRAIN <= volume <= LARGEST_BRAIN:
        raise InputError(
            f"{path}: deepbet finds a brain of {volume:.0f} ml; expected {SMALLEST_BRAIN:.0f} to "
            f"{LARGEST_BRAIN:.0f} ml: check the scan, or {remedy}."
        )
    return brain


def doubts(brain: NDArray[np.bool_], affine: NDArray[Any]) -> tuple[str, ...]:
    """List what is implausible in the brain mask of an adult.

    Args:
        brain: (X, Y, Z).
        affine: (4, 4), voxels to RAS millimetres.

    Returns:
        Sentences: a volume outside 900 to 2000 ml, several parts, a mask that is cut off by the border.
    """
    found = []
    volume = volume_ml(brain, affine)
    if not ADULT_BRAIN[0] <= volume <= ADULT_BRAIN[1]:
        low, high = ADULT_BRAIN
        found.append(f"the brain mask has {volume:.0f} ml; expected {low:.0f} to {high:.0f} ml in an adult")
    parts, count = ndimage.label(brain, np.ones((3, 3, 3)))
    loose = np.sort(np.bincount(parts.ravel())[1:])[:-1] if count else np.zeros(0)
    if loose.sum() > SMALL_PART * brain.sum():
        found.append(
            f"the brain mask has {count} parts; expected one ({loose.sum()} voxels lie apart from the largest)"
        )
    voxel = voxel_sizes(affine)
    cut = max(
        np.take(brain, index, axis).sum() * voxel.prod() / voxel[axis]
        for axis in range(3)
        for index in (0, -1)
    )
    if cut > MAXIMUM_CUT:
        found.append(
            f"the brain mask touches the border of the T1w over {cut / 100:.0f} cm2: part of the brain is not in "
            "the scan"
        )
    return tuple(found)


def read_brain_mask(path: Path, shape: tuple[int, ...], affine: NDArray[Any]) -> NDArray[np.bool_]:
    """Read a supplied mask, which may be stored in any orientation of the grid of the T1w.

    Args:
        path: the mask; voxels above zero are brain.
        shape: (X, Y, Z) of the T1w in RAS orientation.
        affine: (4, 4) of the T1w in RAS orientation.

    Raises:
        InputError: the mask cannot be read, lies on another grid, or is empty.
    """
    image = nibabel.as_closest_canonical(read_volume(path))
    if image.shape != tuple(shape) or corners_apart(image.affine, affine, shape) > SAME_PLACE:
        raise InputError(
            f"{path}: its grid {image.shape} differs from that of the T1w {tuple(shape)}, in size or place; "
            "expected a mask on the grid of the T1w: resample it, or remove it to have the brain found."
        )
    brain = np.asarray(image.dataobj) > 0
    if not brain.any():
        raise InputError(
            f"{path}: holds no voxel above zero; expected a brain mask: make it again or remove it."
        )
    return brain
