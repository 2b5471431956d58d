"""How much two images of one brain tell of each other: evidence that they are of one person, and lie alike."""

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.scans.grid import make_grid, onto_grid
from stratacam.scans.volume import from_itk, one_itk_thread

SPACING = 2.0  # mm
DEPTH = 4.0  # mm off the surface of the brain, where the outline would agree in any two heads
BINS = 32
FEWEST_VOXELS = 2000
SAME_HEAD = 0.18
"""Nats of `shared_information` below which two images are not two sequences of one head, well registered.

T1w against T2w and FLAIR after registration: at least 0.27 in three real patients (one of them raw, in two sessions),
at least 0.37 in thirty synthetic ones; at most 0.16 between two people. See docs/preparation.md.
"""


@one_itk_thread()
def shared_information(
    fixed: SimpleITK.Image, moving: SimpleITK.Image, brain: SimpleITK.Image, transform: SimpleITK.Transform
) -> float:
    """Mutual information (nats) of two images inside the brain, between ranks of intensity.

    Both are resampled to 2 mm, the brain is eroded by 4 mm, and intensities become one of 32 equally frequent
    ranks, so that neither contrast, bias nor the overlap of the heads moves the figure.

    Args:
        fixed: the T1w, axes towards right, anterior and superior.
        moving: the other sequence.
        brain: uint8, on the grid of `fixed`.
        transform: points of `fixed` to points of `moving`.

    Returns:
        0 for images that know nothing of each other, or do not overlap in the brain.
    """
    grid = make_grid(fixed, SPACING)
    inside = from_itk(onto_grid(brain, grid, SimpleITK.Transform())) >= 0.5
    depth = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=SPACING)[1:-1, 1:-1, 1:-1]
    everywhere = SimpleITK.Add(SimpleITK.Multiply(moving, 0.0), 1.0)
    seen = SimpleITK.Resample(everywhere, grid, transform, SimpleITK.sitkNearestNeighbor, 0.0)
    deep = (depth > DEPTH) & (from_itk(seen) > 0)
    images = [
        from_itk(onto_grid(fixed, grid, SimpleITK.Transform())),
        from_itk(onto_grid(moving, grid, transform)),
    ]
    deep &= images[1] != 0  # of a scan without its skull, what was cut off says nothing
    if deep.sum() < FEWEST_VOXELS:
        return 0.0
    return _information(*(_ranks(image[deep]) for image in images))


def _ranks(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """The rank of each value, in `BINS` classes of about equal size."""
    edges = np.percentile(values, np.linspace(0, 100, BINS + 1)[1:-1])
    return np.digitize(values, edges)


def _information(first: NDArray[np.intp], second: NDArray[np.intp]) -> float:
    joint = np.histogram2d(first, second, bins=BINS, range=((-0.5, BINS - 0.5),) * 2)[0] / len(first)
    alone = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / alone[there])).sum())
