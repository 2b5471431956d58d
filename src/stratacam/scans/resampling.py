"""Voxel grids in the world of a subject's T1w, and values taken from one to another."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.scans.image_file import open_image
from stratacam.scans.volume import LPS, check_affine


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie.

    Attributes:
        shape: (X, Y, Z).
        affine: (4, 4), voxels to RAS millimetres of the scan that the grid is of.
        to_t1w: (4, 4), RAS millimetres of that scan to RAS millimetres of the T1w; rigid, but for a template.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    to_t1w: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))

    @property
    def world(self) -> NDArray[np.float64]:
        """(4, 4), voxels to RAS millimetres of the T1w."""
        return self.to_t1w @ self.affine

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Edges of a voxel towards right, anterior and superior, in whatever order the axes are stored."""
        edges = voxel_sizes(self.affine)
        stored = np.argsort(nibabel.io_orientation(self.affine)[:, 0])
        right, anterior, superior = edges[stored].tolist()
        return right, anterior, superior

    def as_json(self) -> dict[str, Any]:
        """The grid as lists of numbers, without loss."""
        return {
            "shape": list(self.shape), "affine": self.affine.tolist(), "to_t1w": self.to_t1w.tolist()
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Grid":
        """The grid that `as_json` wrote; raises KeyError or ValueError where it is not whole."""
        x, y, z = content["shape"]
        return cls((x, y, z), np.array(content["affine"], float), np.array(content["to_t1w"], float))


def read_grid(path: Path, transform: Path | None = None) -> Grid:
    """Read the grid of a NIfTI file from its header alone.

    Args:
        path: a scan as delivered, or a prepared one; axes of length one after the third are dropped.
        transform: rigid ITK transform (LPS mm) that maps points of the T1w to points of the scan; None for the T1w
            and for all that lies in its world.

    Raises:
        InputError: a file is missing or damaged, the scan is not three-dimensional, or its affine is singular.
    """
    try:
        with open_image(path) as image:
            shape, affine = image.shape, np.asarray(image.affine, dtype=np.float64)
    except InputError as error:
        raise InputError(
            f"{path}: its header cannot be read; expected the file that the scan was prepared from: put it back, or "
            f"prepare the scan again. {error}"
        ) from error
    if len(shape) < 3 or any(length != 1 for length in shape[3:]):
        raise InputError(f"{path}: has shape {shape}; expected one three-dimensional scan: give one volume.")
    check_affine(affine, path)
    x, y, z = shape[:3]
    return (
        Grid((x, y, z), affine)
        if transform is None
        else Grid((x, y, z), affine, np.asarray(np.linalg.inv(read_matrix(transform)), dtype=np.float64))
    )


def resample(volume: NDArray[Any], source: Grid, target: Grid, *, labels: bool = False) -> NDArray[Any]:
    """Take a volume from one grid to another; 0 where the source has nothing.

    Maps are interpolated linearly. Along axes of the source on which the voxels of the target are longer, they are
    blurred first, by the Gaussian whose variance is the difference of the two voxels', so that a map of thin slices
    is not lost between thick ones.

    Args:
        volume: (X, Y, Z) on `source`.
        source: where the volume lies.
        target: where the result lies.
        labels: take the value of the nearest voxel instead, neither interpolated nor blurred.

    Returns:
        The volume on `target`: float32, or of its own type for labels.
    """
    matrix = np.linalg.inv(source.world) @ target.world
    if labels:
        order, values = 0, volume.astype(np.uint8) if volume.dtype == bool else volume
    else:
        order, values = 1, blurred(volume.astype(np.float32), np.linalg.norm(matrix[:3, :3], axis=1))
    sampled = ndimage.affine_transform(
        values, matrix[:3, :3], matrix[:3, 3], output_shape=target.shape, order=order, mode="grid-constant"
    )
    return np.asarray(sampled, dtype=volume.dtype if labels else np.float32)


def blurred(values: NDArray[np.float32], steps: NDArray[np.float64]) -> NDArray[np.float32]:
    """Blur values (..., *axes), so that nothing is aliased if they are sampled in steps longer than their own.

    The variance of the Gaussian is the difference of the two voxels' variances (edge^2 / 12), so that a sample comes
    close to the mean of what lies in the longer voxel.

    Args:
        values: to be sampled.
        steps: along each of the last axes, the step in units of the values' own; up to 1 nothing is blurred.
    """
    sigma = np.sqrt(np.clip(np.square(steps) - 1, 0, None) / 12)
    if not sigma.any():
        return values
    still = values.ndim - len(sigma)
    result: NDArray[np.float32] = ndimage.gaussian_filter(values, (*[0.0] * still, *sigma), mode="nearest")
    return result


def interpolate(
    values: NDArray[np.float32], axis: int, places: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """Return values at fractional indices along an axis, linearly; beyond the ends the last value goes on.

    Example:
        >>> interpolate(np.array([0, 10, 20], dtype=np.float32), 0, np.array([0.5, 1, 5])).tolist()
        [5.0, 10.0, 20.0]
    """
    last = values.shape[axis] - 1
    places = places.clip(0, last)
    low = places.astype(np.intp)
    along = [-1 if one == axis else 1 for one in range(values.ndim)]
    share = (places - low).astype(np.float32).reshape(along)
    before, after = values.take(low, axis), values.take((low + 1).clip(max=last), axis)
    return np.asarray((1 - share) * before + share * after)


def read_matrix(transform: Path) -> NDArray[np.float64]:
    """Read a linear ITK transform (LPS mm) as a matrix (4, 4) between RAS millimetres.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        linear = SimpleITK.ReadTransform(str(transform))
    except RuntimeError as error:
        raise InputError(
            f"{transform}: cannot be read; expected an ITK transform: prepare the scan again."
        ) from error
    corners = np.array(
        [linear.TransformPoint(corner) for corner in np.vstack([np.zeros(3), np.eye(3)]).tolist()]
    )
    matrix = np.eye(4)
    matrix[:3, 3] = corners[0]
    matrix[:3, :3] = (corners[1:] - corners[0]).T
    return np.asarray(LPS @ matrix @ LPS)
