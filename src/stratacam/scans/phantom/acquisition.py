"""What the scanner adds: its own grid, patient motion between sequences, bias field, noise, meaningless units."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from stratacam.scans.phantom.anatomy import Array
from stratacam.scans.resampling import Grid, interpolate

Affine = NDArray[np.float64]

_FIELD_OF_VIEW = np.array([192.0, 240.0, 200.0])  # mm
_MIDDLE = np.array([0.0, -18.0, 4.0])  # of the field of view, RAS mm
_BIAS_SPACING = 20.0  # mm between the values of a bias field


@dataclass(frozen=True)
class Acquisition:
    """How one sequence of one subject was acquired, drawn without regard to the group.

    Attributes:
        turn: rotation vector (radians) of the head against T1w, about the middle of the field of view.
        shift: mm, RAS, after the turn.
        noise: standard deviation of each of the two channels, as a fraction of the white-matter signal.
        bias: (x, y, z) factors every 20 mm over the field of view.
        units: what one white matter's worth of signal is called by this scanner.
    """

    turn: NDArray[np.float64]
    shift: NDArray[np.float64]
    noise: float
    bias: Array
    units: float


def scan_grid(voxel_mm: float, thickness_mm: float | None = None) -> Grid:
    """Return a grid of isotropic voxels, or of axial slices of `thickness_mm`, over the field of view."""
    voxel = np.array([voxel_mm, voxel_mm, thickness_mm or voxel_mm])
    counts = np.rint(_FIELD_OF_VIEW / voxel).astype(int)
    affine = np.diag([*voxel, 1.0])
    affine[:3, 3] = _MIDDLE - voxel * (counts - 1) / 2
    return Grid((int(counts[0]), int(counts[1]), int(counts[2])), affine)


def thin_slices(voxel_mm: float, thickness_mm: float | None) -> int:
    """How many thin slices a slice of `thickness_mm` is the mean of."""
    return max(1, round(thickness_mm / min(voxel_mm, 1.5))) if thickness_mm else 1


def draw_acquisition(random: np.random.Generator, *, moves: bool) -> Acquisition:
    """Draw noise, bias field, units and, if the head `moves` between T1w and this sequence, by how much."""
    turn = np.deg2rad(random.normal(0, 1.5, size=3))
    shift = random.normal(0, 2.0, size=3)
    noise = random.uniform(0.015, 0.045)
    counts = np.ceil(_FIELD_OF_VIEW / _BIAS_SPACING).astype(int) + 1
    field = ndimage.gaussian_filter(random.normal(size=counts), 2.5, mode="nearest")
    field = (field - field.mean()) / np.ptp(field)
    bias = np.exp(random.uniform(0.15, 0.45) * field)
    units = float(np.exp(random.uniform(np.log(150), np.log(1500))))
    if not moves:
        turn, shift = np.zeros(3), np.zeros(3)
    return Acquisition(turn, shift, float(noise), bias.astype(np.float32), units)


def rigid(acquisition: Acquisition) -> Affine:
    """Return the (4, 4) matrix that maps T1w points to this sequence's points, RAS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(acquisition.turn).as_matrix()
    matrix[:3, 3] = _MIDDLE + acquisition.shift - matrix[:3, :3] @ _MIDDLE
    return matrix


def bias_affine() -> Affine:
    """Return the affine of every stored bias field, voxels to RAS mm."""
    affine = np.diag([_BIAS_SPACING] * 3 + [1.0])
    affine[:3, 3] = _MIDDLE - _FIELD_OF_VIEW / 2
    return affine


def bias_on(bias: Array, grid: Grid) -> Array:
    """Interpolate a bias field linearly on a scan's grid."""
    origin = bias_affine()[:3, 3]
    for axis, size in enumerate(grid.shape):
        positions = grid.affine[axis, 3] + grid.affine[axis, axis] * np.arange(size)
        bias = interpolate(bias, axis, (positions - origin[axis]) / _BIAS_SPACING)
    return bias


def measure(
    signal: Array, acquisition: Acquisition, grid: Grid, random: np.random.Generator
) -> NDArray[np.int16]:
    """Turn a noiseless signal (white matter is 1) into what the scanner stores: biased, Rician, int16."""
    biased = signal * bias_on(acquisition.bias, grid)
    noise = acquisition.noise * random.standard_normal((2, *grid.shape), dtype=np.float32)
    magnitude = np.hypot(biased + noise[0], noise[1])
    return np.asarray(np.clip(np.rint(magnitude * acquisition.units), 0, 32767), dtype=np.int16)
