"""Axial slices of a prepared volume as pictures for a network, and maps of them back in the volume.

A picture lies as a radiologist sees it: row 0 is anterior, column 0 is the patient's right. Its centre is the
centre of the brain mask's bounding box, and a pixel is the same number of millimetres for everybody. Pictures
are squares of one width, or rectangles that hold the brain of every scan and little else.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from scipy import ndimage
from torch.nn import functional as F

from stratacam.errors import InputError
from stratacam.scans.prepared import PreparedVolume

DIVISOR = 32
"""Sides of pictures are multiples of this, so that five halvings leave no remainder and maps span the picture."""


class PictureSettings(BaseModel):
    """How slices become pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(
        default=128,
        ge=32,
        multiple_of=DIVISOR,
        description="pixels along each side of the square picture, a multiple of 32",
    )
    width_mm: float = Field(default=208.0, gt=0, description="width and height of the picture in millimetres")
    crop_margin_mm: float | None = Field(
        default=None,
        ge=0,
        description="cut the pictures, at size / width_mm pixels per millimetre, to the smallest rectangle that "
        "holds every scan's brain and this margin around it; absent: squares of width_mm",
    )
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

    def shape_for(self, brains_mm: Iterable[tuple[float, float]]) -> tuple[int, int]:
        """Rows and columns of pictures that hold every one of the brains.

        Args:
            brains_mm: width and length of each brain, left to right and back to front.

        Example:
            >>> PictureSettings(size=128, width_mm=256, crop_margin_mm=5).shape_for([(130, 170), (140, 160)])
            (96, 96)
        """
        brains = list(brains_mm)
        if self.crop_margin_mm is None or not brains:
            return self.size, self.size
        margin, pixels_per_mm = 2 * self.crop_margin_mm, self.size / self.width_mm
        columns, rows = (
            DIVISOR * math.ceil((max(lengths) + margin) * pixels_per_mm / DIVISOR)
            for lengths in zip(*brains, strict=True)
        )
        return rows, columns


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

    def cut(self, planes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """Sample axial planes linearly at the pixels' centres; 0 outside the volume.

        Where pixels are larger than voxels, the planes are smoothed first so that nothing is aliased.

        Args:
            planes: (n, X, Y).
            size: rows and columns.

        Returns:
            Pictures (n, rows, columns).
        """
        rows, columns = size
        ratio = [self.extent[0] / columns, self.extent[1] / rows]
        sigma = [np.sqrt(max(step**2 - 1, 0) / 12) for step in ratio]
        smooth = ndimage.gaussian_filter(planes, (0, *sigma)) if any(sigma) else planes
        # grid_sample's last axis is the array's last axis: planes are (X, Y), so a point is (y, x).
        y = self.centre[1] - ((np.arange(rows) + 0.5) / rows - 0.5)[:, None] * self.extent[1]
        x = self.centre[0] - ((np.arange(columns) + 0.5) / columns - 0.5)[None, :] * self.extent[0]
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
        images: (n, sequences, rows, columns), in [0, 1].
        slices: (n,) index along Z of each picture in the prepared volume.
        frame: where they lie.
    """

    images: NDArray[np.float32]
    slices: NDArray[np.intp]
    frame: Frame

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.images.shape[2:]

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


def brain_mm(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> tuple[float, float]:
    """Width and length of a brain mask's (X, Y, Z) bounding box in the axial plane, left to right and back to front."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    width, length = (
        float(last - first + 1) * step
        for (first, last), step in zip(_bounds(mask), spacing[:2].tolist(), strict=True)
    )
    return width, length


def frame_of(volume: PreparedVolume, width_mm: float, height_mm: float | None = None) -> Frame:
    """The frame of `width_mm` by `height_mm` (a square if absent) centred on the brain.

    Raises:
        InputError: if the brain does not fit into it.
    """
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    height_mm = width_mm if height_mm is None else height_mm
    for length, available in zip(
        brain_mm(volume.brain_mask, volume.affine), (width_mm, height_mm), strict=True
    ):
        if length > available + spacing.min() / 100:
            raise InputError(
                f"pictures.width_mm: {available:g} mm is less than the brain's {length:.0f} mm; "
                "give a larger width, or cut the pictures to the brain with pictures.crop_margin_mm."
            )
    x, y = (sum(bounds) / 2 for bounds in _bounds(volume.brain_mask))
    return Frame(volume.brain_mask.shape, (x, y), (width_mm / spacing[0], height_mm / spacing[1]))


def _bounds(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of a mask along its first two axes."""
    occupied = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2))]
    return [(int(found[0]), int(found[-1])) for found in occupied]


def part_of(kept: NDArray[np.intp], part: tuple[float, float]) -> NDArray[np.intp]:
    """The part of the kept slices from a lower to a higher share of them; at least one slice."""
    first, last = (round(share * len(kept)) for share in part)
    return kept[min(first, len(kept) - 1) : max(last, first + 1)]


def cut_pictures(
    volume: PreparedVolume, settings: PictureSettings, shape: tuple[int, int] | None = None
) -> Pictures:
    """Cut the kept axial slices of a prepared volume into pictures.

    Args:
        volume: the scan.
        settings: how large a pixel is, and which slices are taken.
        shape: rows and columns; those of `settings.shape_for` this brain if absent.

    Raises:
        InputError: if the brain does not fit into the pictures.
    """
    rows, columns = shape or settings.shape_for([brain_mm(volume.brain_mask, volume.affine)])
    pixel_mm = settings.width_mm / settings.size
    frame = frame_of(volume, columns * pixel_mm, rows * pixel_mm)
    slices = part_of(volume.kept, settings.part)[:: settings.every]
    sequences = [
        frame.cut(np.ascontiguousarray(image[:, :, slices].transpose(2, 0, 1)), (rows, columns))
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
