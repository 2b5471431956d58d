"""Axial slices of a prepared volume as square pictures for a network, and maps of them back in the volume.

A picture lies as a radiologist sees it: row 0 is anterior, column 0 is the patient's right. Its centre is the
centre of the brain mask's bounding box, and its width is the same number of millimetres for everybody, so a
pixel means the same length in every patient.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy import ndimage
from torch.nn import functional as F

from stratacam.errors import InputError
from stratacam.scans.prepared import PreparedVolume


class PictureSettings(BaseModel):
    """How slices become pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=128, ge=32, description="pixels along each side of the square picture")
    width_mm: float = Field(default=208.0, gt=0, description="width and height of the picture in millimetres")
    every: int = Field(default=1, ge=1, description="take every n-th of the kept slices")
    part: tuple[float, float] = Field(
        default=(0.0, 1.0),
        description="the part of the kept slices to take, from 0 (lowest) to 1 (highest), such as [0.35, 0.85]",
    )

    @field_validator("part")
    @classmethod
    def _is_a_part(cls, part: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= part[0] < part[1] <= 1:
            raise ValueError("the part must run from a lower to a higher number between 0 and 1")
        return part


@dataclass(frozen=True)
class Frame:
    """Where the pictures of a volume lie in its axial plane.

    Attributes:
        shape: of the volume, (X, Y, Z).
        centre: voxel coordinates (x, y) of the pictures' centre.
        extent: voxels (x, y) that the pictures' width and height span.
    """

    shape: tuple[int, int, int]
    centre: tuple[float, float]
    extent: tuple[float, float]

    def cut(self, planes: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """Sample axial planes linearly at the pixels' centres; 0 outside the volume.

        Where pixels are larger than voxels, the planes are smoothed first so that nothing is aliased.

        Args:
            planes: (n, X, Y).
            size: pixels along each side.

        Returns:
            Pictures (n, size, size).
        """
        ratio = [span / size for span in self.extent]
        sigma = [np.sqrt(max(step**2 - 1, 0) / 12) for step in ratio]
        smooth = ndimage.gaussian_filter(planes, (0, *sigma)) if any(sigma) else planes
        # grid_sample's last axis is the array's last axis: planes are (X, Y), so a point is (y, x).
        offset = (np.arange(size) + 0.5) / size - 0.5
        y = self.centre[1] - offset[:, None] * self.extent[1]
        x = self.centre[0] - offset[None, :] * self.extent[0]
        points = np.stack(
            np.broadcast_arrays((2 * y + 1) / self.shape[1] - 1, (2 * x + 1) / self.shape[0] - 1), axis=-1
        )
        return _sample(smooth, points, "zeros")

    def lay(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Lay maps of the pictures over axial planes, linearly; 0 outside the pictures.

        Args:
            maps: (n, rows, columns) at any resolution: they span the whole picture.

        Returns:
            Planes (n, X, Y).
        """
        x = (self.centre[0] - np.arange(self.shape[0])[:, None]) / self.extent[0]
        y = (self.centre[1] - np.arange(self.shape[1])[None, :]) / self.extent[1]
        points = np.stack(np.broadcast_arrays(2 * x, 2 * y), axis=-1)
        inside = (np.abs(points) <= 1).all(axis=-1)
        laid: NDArray[np.float32] = _sample(maps, points, "border") * inside.astype(np.float32)
        return laid


@dataclass(frozen=True)
class Pictures:
    """Pictures of one prepared volume.

    Attributes:
        images: (n, sequences, size, size), in [0, 1].
        slices: (n,) index along Z of each picture in the prepared volume.
        frame: where they lie.
    """

    images: NDArray[np.float32]
    slices: NDArray[np.intp]
    frame: Frame

    def to_volume(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Lay maps (n, rows, columns) of these pictures into a volume (X, Y, Z).

        Between the slices of two pictures maps are interpolated linearly; outside the pictures they are 0.
        """
        planes = self.frame.lay(maps)
        volume = np.zeros(self.frame.shape, dtype=np.float32)
        for index in range(self.slices[0], self.slices[-1] + 1):
            after = int(np.searchsorted(self.slices, index))
            before = after if self.slices[after] == index else after - 1
            share = (index - self.slices[before]) / max(self.slices[after] - self.slices[before], 1)
            volume[:, :, index] = (1 - share) * planes[before] + share * planes[after]
        return volume


def frame_of(volume: PreparedVolume, width_mm: float) -> Frame:
    """The frame of `width_mm` centred on the brain.

    Raises:
        InputError: if the brain does not fit into the width.
    """
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    occupied = [np.flatnonzero(volume.brain_mask.any(axis=axes)) for axes in ((1, 2), (0, 2))]
    lengths = [(found[-1] - found[0] + 1) * step for found, step in zip(occupied, spacing, strict=False)]
    if max(lengths) > width_mm:
        raise InputError(
            f"pictures.width_mm: {width_mm:g} mm is less than the brain's {max(lengths):.0f} mm; "
            "give a larger width."
        )
    return Frame(
        shape=volume.brain_mask.shape,
        centre=(float(occupied[0][[0, -1]].mean()), float(occupied[1][[0, -1]].mean())),
        extent=(width_mm / spacing[0], width_mm / spacing[1]),
    )


def part_of(kept: NDArray[np.intp], part: tuple[float, float]) -> NDArray[np.intp]:
    """The part of the kept slices from a lower to a higher share of them; at least one slice."""
    first, last = (round(share * len(kept)) for share in part)
    return kept[min(first, len(kept) - 1) : max(last, first + 1)]


def cut_pictures(volume: PreparedVolume, settings: PictureSettings) -> Pictures:
    """Cut the kept axial slices of a prepared volume into pictures.

    Raises:
        InputError: if the brain does not fit into the pictures.
    """
    frame = frame_of(volume, settings.width_mm)
    slices = part_of(volume.kept, settings.part)[:: settings.every]
    sequences = [
        frame.cut(np.ascontiguousarray(image[:, :, slices].transpose(2, 0, 1)), settings.size)
        for image in volume.images
    ]
    return Pictures(np.stack(sequences, axis=1).clip(0, 1), slices, frame)


def _sample(pictures: NDArray[np.float32], points: NDArray[np.float64], outside: str) -> NDArray[np.float32]:
    grid = torch.from_numpy(points).float().expand(len(pictures), *points.shape)
    sampled = F.grid_sample(
        torch.from_numpy(pictures).float()[:, None], grid, padding_mode=outside, align_corners=False
    )
    result: NDArray[np.float32] = sampled[:, 0].numpy()
    return result
