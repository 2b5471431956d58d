"""A map and the scan beneath it, slice by slice, on any grid of the patient."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from nibabel.orientations import inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from stratacam.cam.views import ALL_NEGATIVE
from stratacam.errors import InputError
from stratacam.maps import ScanMaps
from stratacam.scans.geometry import Geometry
from stratacam.scans.image_file import open_image
from stratacam.scans.planes import AXES
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import Grid, resample

WINDOW = (0.01, 0.998)
"""Quantiles of the scan's values above 0 that are drawn black and white."""

APART_MM = 0.5
"""By how much the corners of a scan may lie beside where they are expected."""

OPPOSITE = {"R": "L", "A": "P", "S": "I"}

Values = NDArray[np.float32]

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, eq=False)
class LaidMap:
    """A map over one scan. Axes of the grid: column (to the right in a picture), row (down), slice.

    Attributes:
        grid: where it all lies, in the world of the scan and of the T1w.
        anatomy: (n, rows, columns) from 0 to 1, the scan as it was delivered.
        raw: (n, rows, columns), signed, in the map's unit; 0 where nothing was explained.
        heat: (n, rows, columns), what is drawn: from 0 to 1, or from -1 to 1 where it is signed.
        scale: raw value of heat 1: the maximum in this scan, of the absolute value where heat is signed.
        raw_range: lowest and highest value of the map at its own resolution, in this scan.
        explained: (n, rows, columns), whether a place lies inside the pictures that the network was given, between the
            first and the last of them.
        shown: slices that an explained slice passes through; between explained slices heat is only interpolated.
        every: step between explained slices of the prepared volume.
        agreement: (n, rows, columns), share of the networks that agree on heat; None where one network made the map.
        blank: by slice, why the map shows nothing there, or "".
    """

    grid: Grid
    anatomy: Values
    raw: Values
    heat: Values
    scale: float
    raw_range: tuple[float, float]
    explained: NDArray[np.bool_]
    shown: tuple[int, ...]
    every: int
    agreement: Values | None
    blank: tuple[str, ...]

    @property
    def spacing(self) -> tuple[float, float]:
        """Millimetres from row to row, and from column to column."""
        column, row, _ = voxel_sizes(self.grid.affine).tolist()
        return row, column

    @property
    def sides(self) -> tuple[str, str, str, str]:
        """Sides of the patient at the left, right, top and bottom of a picture: R, L, A, P, S, I."""
        right, bottom = (_side(self.grid.affine[:3, axis]) for axis in (0, 1))
        return _across(right), right, _across(bottom), bottom

    def centre(self, index: int) -> NDArray[np.float64]:
        """RAS millimetres of the middle of a slice, in the world of the scan."""
        columns, rows, _ = self.grid.shape
        middle = np.array([(columns - 1) / 2, (rows - 1) / 2, index, 1])
        return np.asarray((self.grid.affine @ middle)[:3])


def plane_grid(delivered: Grid, plane: str) -> Grid:
    """The voxels of a scan as delivered as a radiologist sees them in a plane: nothing is interpolated.

    Axes as in `LaidMap`; slices from inferior to superior, posterior to anterior, or left to right.
    """
    to_ras = inv_ornt_aff(io_orientation(delivered.affine), delivered.shape)
    shape = np.abs(np.linalg.inv(to_ras)[:3, :3]) @ np.array(delivered.shape)
    across, row, column = AXES[plane]  # type: ignore[index]
    cells = np.rint(shape).astype(int).tolist()
    turned = np.zeros((4, 4))
    turned[3, 3] = turned[across, 2] = 1
    for axis, place in ((column, 0), (row, 1)):  # both run against the axis
        turned[axis, [place, 3]] = -1, cells[axis] - 1
    return Grid(
        (cells[column], cells[row], cells[across]), delivered.affine @ to_ras @ turned, delivered.to_t1w
    )


def lay(
    scan: PreparedScan,
    maps: ScanMaps,
    layer: str,
    sequence: str,
    grid: Grid | None = None,
    *,
    signed: bool = False,
) -> LaidMap:
    """Lay the map of a layer over a scan as it was delivered.

    Args:
        scan: as prepared.
        maps: of the class.
        layer: the layer.
        sequence: of the scan as delivered.
        grid: that is wanted, in the world of that scan, axes as in `LaidMap`; the scan's own voxels, in the plane
            that the network sees, if absent.
        signed: keep negative values in what is drawn.

    Raises:
        InputError: the scan as delivered is missing or damaged, or lies elsewhere than when the maps were made.
        KeyError: maps do not know where that scan lies.
    """
    geometry = maps.geometry
    delivered = geometry.delivered[sequence]
    grid = grid or plane_grid(delivered, geometry.plane)
    anatomy, stored = _read(scan.delivered(sequence), delivered)
    raw, agreement = maps.raw(layer), maps.agreement(layer)

    def laid(pictures: NDArray[np.float32]) -> Values:
        return _slices(resample(geometry.to_volume(pictures), geometry.prepared, grid))

    causes = ["" if signed and cause == ALL_NEGATIVE else cause for cause in maps.blank[layer]]
    shows = np.array([not cause for cause in causes])[:, None, None]
    drawn = laid(np.where(shows, raw if signed else raw.clip(0), 0))
    scale = float(np.abs(drawn).max())
    places = _slice_places(geometry, grid)
    explained = _explained(geometry, grid)
    return LaidMap(
        grid=grid,
        anatomy=_windowed(_slices(resample(anatomy, stored, grid))),
        raw=laid(raw),
        heat=drawn / (scale or 1),
        scale=scale,
        raw_range=(float(raw.min()), float(raw.max())),
        explained=explained,
        shown=_shown(places, explained, geometry),
        every=geometry.step,
        agreement=None if agreement is None else laid(agreement),
        blank=_blank(causes, (places - geometry.slices[0]) / geometry.step),
    )


def apart_mm(one: Grid, other: Grid) -> float:
    """How far a corner of a grid is at most from the nearest corner of another, in the world of their scans."""
    corners, others = (apply_affine(grid.affine, _corners(grid.shape)) for grid in (one, other))
    return float(np.linalg.norm(corners[:, None] - others[None], axis=2).min(axis=1).max())


def _corners(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    return np.array(list(itertools.product(*((-0.5, length - 0.5) for length in shape))))


def _read(path: Path, expected: Grid) -> tuple[Values, Grid]:
    """Read a scan as delivered, and where its voxels lie, in whatever order they are stored."""
    with open_image(path) as image:
        x, y, z = image.shape[:3]
        values = np.asarray(image.get_fdata(dtype=np.float32)).reshape(x, y, z)
        grid = Grid((x, y, z), np.asarray(image.affine, dtype=np.float64), expected.to_t1w)
    if (distance := apart_mm(grid, expected)) > APART_MM:
        raise InputError(
            f"{path}: lies {distance:.3g} mm from where it lay when the maps were made; expected the same scan: put it "
            "back, or run the study again."
        )
    return values, grid


def _slices(volume: NDArray[Value]) -> NDArray[Value]:
    """(column, row, slice) as (slice, row, column)."""
    return np.ascontiguousarray(volume.transpose(2, 1, 0))


def _explained(geometry: Geometry, grid: Grid) -> NDArray[np.bool_]:
    """(n, rows, columns), see `LaidMap.explained`."""
    places = _slice_places(geometry, grid)
    explained = (places >= geometry.slices[0] - 0.5) & (places <= geometry.slices[-1] + 0.5)
    to_pixels = np.linalg.inv(geometry.pixels_to_world) @ grid.world
    for along, length in zip(to_pixels[1:3], geometry.size, strict=True):
        places = _places(along, grid)
        explained &= (places >= -0.5) & (places <= length - 0.5)
    return explained


def _slice_places(geometry: Geometry, grid: Grid) -> NDArray[np.float64]:
    """(n, rows, columns), in which slice of the prepared volume a place of the grid lies, fractions included."""
    return _places((np.linalg.inv(geometry.prepared.world) @ grid.world)[AXES[geometry.plane][0]], grid)


def _places(along: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """(n, rows, columns), where the places of a grid lie along an axis, by the row of a matrix that leads there."""
    column, row, index = np.ogrid[tuple(slice(length) for length in grid.shape)]
    return np.asarray(_slices(along[0] * column + along[1] * row + along[2] * index + along[3]))


def _shown(places: NDArray[np.float64], explained: NDArray[np.bool_], geometry: Geometry) -> tuple[int, ...]:
    """Slices of a grid that an explained slice passes through, by where their places lie (see `_slice_places`)."""
    thick = float(np.abs(np.diff(places, axis=0)).mean()) if len(places) > 1 else 1.0
    half = geometry.step / 2
    beside = np.abs((places - geometry.slices[0] + half) % geometry.step - half)
    through = explained & (beside <= max(thick, 1.0) / 2)
    return tuple(np.flatnonzero(through.any(axis=(1, 2))).tolist())


def _blank(causes: Sequence[str], places: NDArray[np.float64]) -> tuple[str, ...]:
    """By slice of a grid, why there is no heat in it; "" where there is some, or causes differ.

    Args:
        causes: of the explained slices.
        places: (n, rows, columns), in which of the explained slices a place lies, fractions included.
    """
    nearest = np.rint(places).clip(0, len(causes) - 1).astype(np.intp)
    found = [{causes[place] for place in np.unique(one)} for one in nearest]
    return tuple(one.pop() if len(one) == 1 else "" for one in found)


def _windowed(values: Values) -> Values:
    above = values[values > 0]
    low, high = np.quantile(above, WINDOW) if above.size else (0.0, 1.0)
    return np.asarray(((values - min(low, 0.0)) / (high - min(low, 0.0) or 1)).clip(0, 1), dtype=np.float32)


def _side(direction: NDArray[np.float64]) -> str:
    """The side of the patient that a direction in RAS leads to most."""
    axis = int(np.abs(direction).argmax())
    letter = "RAS"[axis]
    return letter if direction[axis] > 0 else OPPOSITE[letter]


def _across(letter: str) -> str:
    return {**OPPOSITE, **{value: key for key, value in OPPOSITE.items()}}[letter]
