"""Plain numbers of a prepared scan: percentiles of its intensities, volumes of brain, ventricles and lesions.

A classifier that does no better than these numbers has learnt nothing about shape.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.scans.lesion_load import flair_hyperintense, t1_dark
from stratacam.scans.masks import bounding_box, depth_mm
from stratacam.scans.prepared import PreparedVolume
from stratacam.scans.sequences import find_sequence

PERCENTILES = (5, 25, 50, 75, 95)
DEEP = 20.0  # mm from the surface of the brain mask: no sulci, the lateral ventricles hardly touched
COARSE = 2.0  # mm: that distance need not be finer
MINIMUM_SHARE = 0.2  # of the largest pool: the other lateral ventricle, not a fissure


def measure_scan(volume: PreparedVolume, sequences: Sequence[str]) -> dict[str, float]:
    """Return the percentiles of `intensity_percentiles`, `brain_ml`, `ventricle_ml` and lesion load, by name.

    Lesion load is `flair_hyperintense_ml` and `t1_dark_ml`, where there is a FLAIR.

    Args:
        volume: the prepared scan.
        sequences: names of `volume.images`, in their order.

    Raises:
        InputError: the brain mask is empty, "T1w" is not among the sequences, or no white matter is found.
    """
    if "T1w" not in sequences or len(sequences) != len(volume.images):
        raise InputError(
            f"sequences: found {', '.join(sequences)} for {len(volume.images)} images; expected a name for each, "
            "T1w among them: give the sequences that the scan was prepared with."
        )
    box = bounding_box(volume.brain_mask)
    if not volume.brain_mask.any():
        raise InputError("brain mask: found no voxel in it; expected a brain: prepare the scan again.")
    brain = volume.brain_mask[box]
    images = {name: image[box] for name, image in zip(sequences, volume.images, strict=True)}
    voxel_ml = abs(float(np.linalg.det(volume.affine[:3, :3]))) / 1000
    voxel_mm = voxel_sizes(volume.affine)
    found = {"brain_ml": brain, "ventricle_ml": ventricle_like(images, brain, voxel_mm)}
    if "FLAIR" in images:
        bright = flair_hyperintense(images, brain, voxel_mm)
        found["flair_hyperintense_ml"] = bright
        found["t1_dark_ml"] = t1_dark(images, bright, brain, voxel_mm)
    return {
        **intensity_percentiles(images, brain),
        **{name: float(np.count_nonzero(mask) * voxel_ml) for name, mask in found.items()},
    }


def intensity_percentiles(
    images: Mapping[str, NDArray[np.float32]], brain: NDArray[np.bool_]
) -> dict[str, float]:
    """Return percentiles 5, 25, 50, 75 and 95 of each sequence inside the brain, as "T1w_p05" to "FLAIR_p95".

    Args:
        images: by sequence, (X, Y, Z).
        brain: (X, Y, Z).
    """
    return {
        f"{name}_p{percentile:02}": float(value)
        for name, image in images.items()
        for percentile, value in zip(PERCENTILES, np.percentile(image[brain], PERCENTILES), strict=True)
    }


def ventricle_like(
    images: Mapping[str, NDArray[np.float32]], brain: NDArray[np.bool_], voxel_mm: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Find the large pools of fluid deep in the upper half of the brain, which are the lateral ventricles by and large.

    A voxel is deep if it lies at least 20 mm inside the surface of the brain mask. A deep voxel is fluid if it is
    beyond the middle between tissue and fluid in every sequence whose shade of fluid is known (dark on T1w and FLAIR,
    bright on T2w): tissue is the median of the brain; fluid is the 1st percentile of the deep voxels where it is
    dark, the 99th where it is bright. Of its pools (voxels that share a face) those whose middle is higher than the
    middle of the brain mask are taken (all, if none is), and of these the largest and each of at least a fifth of it.
    Third and fourth ventricle and the cisterns around the midbrain make pools with a lower middle. Without fluid in
    the brain, and in a brain with no deep voxel, what is found means nothing.

    With T1w, T2w and FLAIR of synthetic heads at 1 mm the volume is 1 to 2 ml below the true one of the lateral
    ventricles (11 to 35 ml), and orders the heads as that does. On real scans it has no truth to be held against:
    there the sequences matter (a person with wide ventricles has 19 ml with all three, 52 ml with T1w alone, where
    ventricles and fissures run together), so compare only scans that were prepared with the same ones.

    Args:
        images: by sequence, (X, Y, Z) in [0, 1], axes towards right, anterior, superior.
        brain: (X, Y, Z), not empty.
        voxel_mm: (3,) size of a voxel along each axis.

    Returns:
        (X, Y, Z).
    """
    deep = _depth(brain, voxel_mm) >= DEEP
    fluid = deep.copy()
    for name in images if deep.any() else ():
        shade = find_sequence(name).fluid
        if shade:
            image = images[name] if shade == "bright" else -images[name]
            middle = (np.median(image[brain]) + np.percentile(image[deep], 99)) / 2
            fluid &= image > middle
    pools, count = ndimage.label(fluid)
    if not count:
        return fluid
    sizes = np.bincount(pools.ravel())[1:]
    heights = np.array(ndimage.center_of_mass(fluid, pools, range(1, count + 1)))[:, 2]
    high = heights > ndimage.center_of_mass(brain)[2]
    candidates = np.where(high, sizes, 0) if high.any() else sizes
    chosen = np.flatnonzero(candidates >= MINIMUM_SHARE * candidates.max()) + 1
    return np.asarray(np.isin(pools, chosen))


def _depth(brain: NDArray[np.bool_], voxel_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each voxel from the surface of the brain, mm, in steps of about 2 mm."""
    steps = np.maximum(1, np.floor(COARSE / voxel_mm + 1e-6)).astype(int)
    depth = depth_mm(brain[tuple(slice(None, None, step) for step in steps)], voxel_mm * steps)
    for axis, step in enumerate(steps):
        depth = depth.repeat(step, axis=axis)
    return np.asarray(depth[tuple(slice(size) for size in brain.shape)])
