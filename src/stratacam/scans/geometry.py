"""The way from a network's pictures to the scan as delivered, and back.

A picture's pixel (picture, row, column), a prepared voxel (x, y, z), a point of the world (RAS millimetres of the
T1w), and a voxel of a scan as delivered name the same place; whole numbers are the centres of pixels and voxels.
A map of a picture may have any resolution: it spans the whole picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from numpy.typing import NDArray

from stratacam.scans.planes import AXES, Plane, slices_first
from stratacam.scans.resampling import Grid, blurred, interpolate, resample


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the pictures of a scan lie.

    Attributes:
        prepared: grid of the prepared volume.
        plane: that the pictures are slices in.
        slices: index of each picture's slice in the prepared volume; ascending, evenly spaced.
        size: rows and columns of a picture, as the network is given it.
        centre: of the pictures, in voxels along the plane's row axis and column axis.
        extent: voxels that the pictures' height and width span.
        delivered: by sequence, the grid of the scan as delivered, where it is known.

    Raises:
        ValueError: the slices are none, or not evenly spaced.
    """

    prepared: Grid
    plane: Plane
    slices: tuple[int, ...]
    size: tuple[int, int]
    centre: tuple[float, float]
    extent: tuple[float, float]
    delivered: Mapping[str, Grid] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.slices or len(set(np.diff(self.slices).tolist()) | {self.step}) > 1 or self.step < 1:
            raise ValueError(f"slices={self.slices}: expected ascending, evenly spaced indices")

    @property
    def step(self) -> int:
        """Slices of the prepared volume from one picture to the next."""
        return self.slices[1] - self.slices[0] if len(self.slices) > 1 else 1

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of a picture."""
        spacing = voxel_sizes(self.prepared.affine)
        (_, row, column), (height, width) = AXES[self.plane], self.extent
        return height * float(spacing[row]), width * float(spacing[column])

    @property
    def spacing_mm(self) -> float:
        """From one picture to the next."""
        across = AXES[self.plane][0]
        return self.step * float(voxel_sizes(self.prepared.affine)[across])

    @property
    def pixels_to_voxels(self) -> NDArray[np.float64]:
        """(4, 4), from (picture, row, column) to prepared voxels."""
        matrix = np.zeros((4, 4))
        across, *in_plane = AXES[self.plane]
        matrix[3, 3] = 1
        matrix[across, [0, 3]] = self.step, self.slices[0]
        for column, (axis, line) in enumerate(zip(in_plane, _lines(self, self.size), strict=True), start=1):
            matrix[axis, [column, 3]] = -line.voxels, line.first
        return matrix

    @property
    def pixels_to_world(self) -> NDArray[np.float64]:
        """(4, 4), from (picture, row, column) to RAS millimetres of the T1w."""
        return self.prepared.world @ self.pixels_to_voxels

    def to_world(self, pixels: NDArray[Any]) -> NDArray[np.float64]:
        """Points (..., 3) of the world, RAS millimetres of the T1w, from (picture, row, column) (..., 3)."""
        return np.asarray(apply_affine(self.pixels_to_world, pixels))

    def to_pixels(self, world: NDArray[Any]) -> NDArray[np.float64]:
        """(picture, row, column) (..., 3), fractions included, from points (..., 3) in RAS millimetres of the T1w."""
        return np.asarray(apply_affine(np.linalg.inv(self.pixels_to_world), world))

    def cut(self, volume: NDArray[Any], *, labels: bool = False) -> NDArray[Any]:
        """Sample the pictures from a prepared volume.

        Linearly, blurred first where pixels are larger than voxels so that nothing is aliased; 0 outside.

        Args:
            volume: (X, Y, Z).
            labels: take the value of the nearest voxel instead.

        Returns:
            Pictures (n, rows, columns): float32, or of the volume's own type for labels.
        """
        planes = slices_first(volume, self.plane)[list(self.slices)]
        rows, columns = (
            _Places(line.first, -line.voxels, count)
            for line, count in zip(_lines(self, self.size), self.size, strict=True)
        )
        return _sample(planes, rows, columns, labels=labels)

    def to_volume(self, maps: NDArray[Any]) -> NDArray[np.float32]:
        """Lay maps (n, rows, columns) of the pictures into the prepared volume (X, Y, Z), linearly.

        Between the slices of two pictures maps are interpolated; outside the pictures they are 0.
        """
        volume = np.zeros(self.prepared.shape, dtype=np.float32)
        planes = slices_first(volume, self.plane)
        rows, columns = (
            _Places(line.first / line.voxels, -1 / line.voxels, count)
            for line, count in zip(_lines(self, maps.shape[1:]), planes.shape[1:], strict=True)
        )
        laid = _sample(maps, rows, columns)
        for index in range(self.slices[0], self.slices[-1] + 1):
            before, beyond = divmod(index - self.slices[0], self.step)
            share = np.float32(beyond / self.step)
            planes[index] = (1 - share) * laid[before] + share * laid[before + 1] if beyond else laid[before]
        return volume

    def to_delivered(self, maps: NDArray[Any], sequence: str = "T1w") -> NDArray[np.float32]:
        """Lay maps (n, rows, columns) of the pictures over a scan as it was delivered, linearly.

        Raises:
            KeyError: the grid of that sequence is not known.
        """
        return resample(self.to_volume(maps), self.prepared, self.delivered[sequence])

    def redraw(self, maps: NDArray[Any], other: "Geometry") -> NDArray[np.float32]:
        """Draw maps (n, rows, columns) of these pictures, linearly, in those of another geometry of the volume.

        Returns:
            (n, rows, columns) of `other`, for the same n slices; 0 outside these pictures.
        """
        rows, columns = (
            _Places((mine.first - its.first) / mine.voxels, its.voxels / mine.voxels, count)
            for mine, its, count in zip(
                _lines(self, maps.shape[1:]), _lines(other, other.size), other.size, strict=True
            )
        )
        return _sample(maps, rows, columns)

    def as_json(self) -> dict[str, Any]:
        """The geometry in plain numbers and names, without loss."""
        return {
            "prepared": self.prepared.as_json(),
            "plane": self.plane,
            "slices": list(self.slices),
            "size": list(self.size),
            "centre": list(self.centre),
            "extent": list(self.extent),
            "delivered": {sequence: grid.as_json() for sequence, grid in self.delivered.items()},
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Geometry":
        """The geometry that `as_json` wrote; raises KeyError or ValueError where it is not whole."""
        return cls(
            prepared=Grid.from_json(content["prepared"]),
            plane=content["plane"],
            slices=tuple(content["slices"]),
            size=tuple(content["size"]),
            centre=tuple(content["centre"]),
            extent=tuple(content["extent"]),
            delivered={sequence: Grid.from_json(grid) for sequence, grid in content["delivered"].items()},
        )


class _Line(NamedTuple):
    """Cells along an axis of the volume, against its direction."""

    first: float  # voxel coordinate of the first cell's centre
    voxels: float  # from one cell to the next


def _lines(geometry: Geometry, cells: tuple[int, ...]) -> list[_Line]:
    """How rows, and columns, of a map of that resolution lie along the axes of the volume."""
    return [
        _Line(centre + extent * (count - 1) / (2 * count), extent / count)
        for centre, extent, count in zip(geometry.centre, geometry.extent, cells, strict=True)
    ]


class _Places(NamedTuple):
    """Evenly spaced positions along an axis of the sampled image, in cells of that image."""

    first: float
    step: float
    number: int

    def nearest(self, cells: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The cell at each place, and whether there is one."""
        places = np.floor(self.first + self.step * np.arange(self.number) + 0.5).astype(np.intp)
        return places.clip(0, cells - 1), (places >= 0) & (places < cells)

    def linear(self, values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        """Values interpolated at the places along an axis; beyond the edge of the last cell they are 0."""
        cells = values.shape[axis]
        places = self.first + self.step * np.arange(self.number)
        inside = (places >= -0.5 - 1e-9) & (places <= cells - 0.5 + 1e-9)
        along = [-1 if one == axis else 1 for one in range(values.ndim)]
        seen = inside.astype(np.float32).reshape(along)
        return np.asarray(interpolate(values, axis, places) * seen, dtype=np.float32)


def _sample(pictures: NDArray[Any], rows: _Places, columns: _Places, *, labels: bool = False) -> NDArray[Any]:
    """Values of pictures (n, H, W) at rows and columns: (n, rows, columns)."""
    height, width = pictures.shape[1:]
    if labels:
        (down, in_height), (along, in_width) = rows.nearest(height), columns.nearest(width)
        found = pictures[:, down[:, None], along]
        return np.where(in_height[:, None] & in_width, found, np.zeros((), found.dtype))
    smooth = blurred(np.asarray(pictures, dtype=np.float32), np.array([rows.step, columns.step]))
    return columns.linear(rows.linear(smooth, 1), 2)
