"""One person's head: where each point of the scanner lies in the template head."""

from dataclasses import dataclass

import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from stratacam.scans.phantom.anatomy import Array, Head
from stratacam.scans.resampling import interpolate

Points = NDArray[np.float64]

_CENTRE = np.array([0.0, -18.0, 2.0])  # of the template brain, mm; heads turn and grow about it
_KNOTS = 4  # mm between the values of the warp and between the points where positions are computed exactly


@dataclass(frozen=True)
class Position:
    """A head in the scanner: three scale factors from template to person, turn (radians), shift (mm)."""

    scale: NDArray[np.float64]
    turn: NDArray[np.float64]
    shift: NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """A head of its own size, position, shape and ventricles."""

    template: Head
    position: Position
    warp: Array  # (3, x, y, z) mm, smooth, on a grid of _KNOTS mm over the template
    ventricle_mm: float

    def template_points(self, points: Points) -> Points:
        """Return where scanner points (3, ...) in RAS mm lie in the template head, in mm."""
        rotation = Rotation.from_rotvec(self.position.turn).as_matrix()
        centred = points - _column(_CENTRE + self.position.shift, points.ndim)
        moved = np.tensordot(rotation.T, centred, 1) / _column(self.position.scale, points.ndim)
        moved += _column(_CENTRE, points.ndim)
        moved += _look_up(self.warp, moved, self.template.lowest, _KNOTS)
        return moved - self.ventricle_mm * _look_up(self.template.push, moved, self.template.lowest, 2)


def draw_position(random: np.random.Generator) -> Position:
    """Draw head size (0.88 to 1.0 of the template, sides within 2 %), turn (2 degrees) and shift (3 mm)."""
    size = np.clip(random.normal(0.935, 0.025), 0.88, 1.0)
    sides = np.exp(random.normal(0, 0.015, size=3))
    turn = np.deg2rad(random.normal(0, 2, size=3))
    return Position(size * sides / np.cbrt(sides.prod()), turn, random.normal(0, 3, size=3))


def draw_warp(template: Head, random: np.random.Generator) -> Array:
    """Draw a smooth displacement (mm) of template points: broad shape (2.5 mm) and folds (0.9 mm)."""
    shape = tuple(-(-size // _KNOTS) for size in template.brain.shape)
    warp = np.zeros((3, *shape), np.float32)
    for size, reach in ((2.5, 20.0), (0.9, 7.0)):
        for axis in range(3):
            field = ndimage.gaussian_filter(random.normal(size=shape), reach / _KNOTS, mode="wrap")
            warp[axis] += (size / field.std()) * field
    return warp


def template_voxels(body: Body, affine: Points, shape: tuple[int, int, int]) -> Array:
    """Return where each voxel of a scanner grid lies in the template's arrays, (3, X, Y, Z).

    Positions are exact every 4 mm and linear between, which is within 0.1 mm.

    Args:
        body: the head.
        affine: (4, 4) voxels of the grid to RAS mm in the space the head was drawn in.
        shape: of the grid.
    """
    spacing = voxel_sizes(affine)
    steps = np.maximum(1, np.floor(_KNOTS / spacing)).astype(int)
    counts = [int(np.ceil((size - 1) / step)) + 1 for size, step in zip(shape, steps, strict=True)]
    lines = [np.arange(count) * step for count, step in zip(counts, steps, strict=True)]
    knots = np.stack(np.meshgrid(*lines, indexing="ij"))
    points = np.tensordot(affine[:3, :3], knots, 1) + _column(affine[:3, 3], 4)
    voxels = body.template_points(points) - _column(body.template.lowest, 4)
    values = voxels.astype(np.float32)
    for axis, (size, step) in enumerate(zip(shape, steps, strict=True), start=1):
        values = interpolate(values, axis, np.arange(size) / step)
    return values


def sample(volume: Array, voxels: Array) -> Array:
    """Interpolate a template map linearly at template `voxels` (3, X, Y, Z)."""
    return np.asarray(ndimage.map_coordinates(volume, voxels, order=1, mode="nearest"))


def _look_up(field: Array, points: Points, lowest: NDArray[np.int_], spacing: float) -> Points:
    """Interpolate a vector field (3, x, y, z) at template points (3, ...)."""
    voxels = (points - _column(lowest, points.ndim)) / spacing
    return np.stack([ndimage.map_coordinates(part, voxels, order=1, mode="nearest") for part in field])


def _column(vector: NDArray[np.generic], dimensions: int) -> Points:
    return np.asarray(vector, dtype=np.float64).reshape(-1, *[1] * (dimensions - 1))
