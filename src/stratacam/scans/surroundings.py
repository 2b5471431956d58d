"""What is around the brain: plain numbers of skull, scalp and air, in which a scanner shows and a brain does not."""

from collections.abc import Mapping

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import Grid, read_grid, resample
from stratacam.scans.volume import read_volume

CELL_MM = 4.0
SHELLS_MM = (8.0, 16.0, 32.0, 64.0)
"""Distances from the brain at which one shell ends and the next begins."""

THIRDS = ("lower", "middle", "upper")
HEAD = 0.2
"""Share of the brain's median from which on a cell of the T1w is head rather than air."""


def measure_surroundings(scan: PreparedScan) -> dict[str, float]:
    """Numbers of all that surrounds the brain in the images as delivered, and the volume of the head.

    Every image is averaged in cells of about 4 mm; cells that hold any of the brain mask are left out. Brightness is
    relative to the median of the brain. Of each sequence: mean and standard deviation in shells around the brain, such
    as "T1w_mean_8mm", and the mean in 26 parts of the space within 64 mm of the brain, such as "T1w_lower_middle_upper"
    (thirds of the brain's extent towards right, anterior, superior). "head_ml": the T1w's head above the bottom of the
    brain, cavities included; it is the brain mask's volume where the skull was removed before delivery.

    Raises:
        InputError: a file of the scan is missing or damaged, or its brain mask is empty.
    """
    mask, own = scan.load_brain_mask(), read_grid(scan.brain_mask)
    if not mask.any():
        raise InputError(f"{scan.brain_mask}: is empty; expected a brain: prepare the scan again.")
    found: dict[str, float] = {}
    for sequence in scan.sequences:
        image = nibabel.as_closest_canonical(read_volume(scan.delivered(sequence)))
        to_t1w = scan.delivered_grid(sequence).to_t1w
        grid = Grid(image.shape, np.asarray(image.affine, dtype=np.float64), to_t1w)
        brain = resample(mask, own, grid, labels=True)
        if brain.any():
            values = np.asarray(image.dataobj, dtype=np.float32)
            found |= {
                f"{sequence}_{name}": value for name, value in around(values, brain, grid.voxel_mm).items()
            }
            if sequence == "T1w":
                found["head_ml"] = head_ml(values, brain, grid.voxel_mm)
    return found


def around(
    image: NDArray[np.float32], brain: NDArray[np.bool_], voxel_mm: tuple[float, float, float]
) -> dict[str, float]:
    """Mean and spread in shells around the brain, and the mean in parts of the space around it.

    Args:
        image: (X, Y, Z) as delivered, axes towards right, anterior, superior.
        brain: (X, Y, Z), not empty; what is in it has no influence but for the unit, its median.
        voxel_mm: edges of a voxel.
    """
    cells, inside, edges = _cells(image, brain, voxel_mm)
    relative = cells / _unit(image, brain)
    distance = ndimage.distance_transform_edt(~inside, sampling=edges)
    found = {}
    for near, far in zip((0.0, *SHELLS_MM[:-1]), SHELLS_MM, strict=True):
        shell = relative[(distance > near) & (distance <= far)]
        found[f"mean_{far:g}mm"] = float(shell.mean()) if shell.size else np.nan
        found[f"spread_{far:g}mm"] = float(shell.std()) if shell.size else np.nan
    places = np.nonzero((distance > 0) & (distance <= SHELLS_MM[-1]))
    third = [_third(place, np.nonzero(inside)[axis]) for axis, place in enumerate(places)]
    part = np.ravel_multi_index(third, (3, 3, 3))
    count, total = (np.bincount(part, weights, minlength=27) for weights in (None, relative[places]))
    for number in range(27):
        name = "_".join(THIRDS[one] for one in np.unravel_index(number, (3, 3, 3)))
        if number != 13:  # the middle of the brain
            found[name] = float(total[number] / count[number]) if count[number] else np.nan
    return found


def head_ml(
    image: NDArray[np.float32], brain: NDArray[np.bool_], voxel_mm: tuple[float, float, float]
) -> float:
    """Volume of the head above the bottom of the brain, in cells of about 4 mm; arguments as those of `around`."""
    cells, inside, edges = _cells(image, brain, voxel_mm)
    head = inside | (cells > HEAD * _unit(image, brain))
    head[:, :, : np.nonzero(inside)[2].min()] = False
    pools, _ = ndimage.label(head)
    head = ndimage.binary_fill_holes(pools == np.bincount(pools[inside]).argmax())
    return float(head.sum() * np.prod(edges) / 1000)


def _cells(
    image: NDArray[np.float32], brain: NDArray[np.bool_], voxel_mm: tuple[float, float, float]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]:
    """Means of cells of whole voxels, whether a cell holds any brain, and the edges of a cell in mm."""
    steps = np.maximum(1, np.rint(CELL_MM / np.array(voxel_mm))).astype(int)
    shape = np.array(image.shape) // steps
    box = tuple(slice(length) for length in shape * steps)
    split = np.column_stack([shape, steps]).ravel().tolist()
    means = image[box].reshape(split).mean(axis=(1, 3, 5), dtype=np.float32)
    inside = brain[box].reshape(split).any(axis=(1, 3, 5))
    return np.asarray(means), np.asarray(inside), np.asarray(steps * np.array(voxel_mm))


def _unit(image: NDArray[np.float32], brain: NDArray[np.bool_]) -> float:
    """The median of the brain, in which brightness is expressed."""
    median = float(np.median(image[brain]))
    return median if median > 0 else max(float(np.abs(image[brain]).mean()), 1e-9)


def _third(place: NDArray[np.intp], inside: NDArray[np.intp]) -> NDArray[np.intp]:
    """The third of the brain's extent along an axis that a place is in; the outer thirds go on beyond it."""
    low, high = int(inside.min()), int(inside.max()) + 1
    return ((place - low) * 3 // (high - low)).clip(0, 2)


def surroundings_table(
    measures: Mapping[str, Mapping[str, float]],
) -> tuple[list[str], NDArray[np.float64]]:
    """The features of scans as a table: their names, and (scans, features) with NaN where one is missing."""
    names = sorted({name for values in measures.values() for name in values} - {"head_ml"})
    rows = [[values.get(name, np.nan) for name in names] for values in measures.values()]
    return names, np.array(rows, dtype=np.float64).reshape(len(measures), len(names))
