"""Slices of a prepared volume as pictures for a network.

A picture lies as a radiologist sees its plane (see `stratacam.scans.planes`). Its centre is the centre of the brain
mask's bounding box, and a pixel is the same number of millimetres for all. Pictures are rectangles that hold the
brain of every scan and little else, or squares of one width (see `stratacam.scans.frame`). Where they lie is their
geometry, which leads maps back to the scan. Their channels: see `stratacam.scans.channels`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from stratacam.errors import InputError
from stratacam.scans.channels import Channels, choose_sequences, cut_channels
from stratacam.scans.frame import DIVISOR, Frame, around, square
from stratacam.scans.geometry import Geometry
from stratacam.scans.masks import extent
from stratacam.scans.planes import AXES, Plane
from stratacam.scans.prepared import PreparedScan, PreparedVolume
from stratacam.scans.resampling import Grid


class PictureSettings(BaseModel):
    """How slices become pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(
        default=128,
        ge=32,
        multiple_of=DIVISOR,
        description="pixels along the longer side of a picture; the other side is as short as the brains allow, in "
        f"steps of {DIVISOR}",
    )
    width_mm: float | None = Field(
        default=None,
        gt=0,
        description="width and height of square pictures in mm, such as 208; absent: pictures are cut to the brain, "
        "the longer side to the longest brain of all scans and its margins; a pixel is the same for all",
    )
    margin_mm: float = Field(
        default=4.0,
        ge=0,
        description="margin in mm on each side of the longest brain, where pictures are cut to the brain",
    )
    every: int = Field(default=1, ge=1, description="step between the slices: 2 takes every other kept slice")
    part: tuple[float, float] = Field(
        default=(0.0, 1.0),
        description="the part of the kept slices to take, such as [0.35, 0.85]; 0 is the lowest axial, the hindmost "
        "coronal or the leftmost sagittal slice, 1 the last at the other end",
    )
    dimensions: Literal[2, 3] = Field(
        default=2,
        description="2: each slice is a picture of its own; 3: the slices of a scan are one volume, for networks of "
        "volumes",
    )
    sequences: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="prepared sequences that the network sees, in order; absent: all",
    )
    channels: Channels = Field(
        default="sequences",
        description='what the network\'s channels are: the "sequences" together (fewer than three fill three in turn); '
        '"each" sequence in a picture of its own; or each sequence\'s slice between its "neighbours"',
    )

    @field_validator("sequences")
    @classmethod
    def _are_distinct(cls, sequences: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if sequences and len(set(sequences)) < len(sequences):
            raise ValueError("every sequence must be named once")
        return sequences

    @field_validator("part")
    @classmethod
    def _is_a_part(cls, part: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= part[0] < part[1] <= 1:
            raise ValueError("the part must run from a lower to a higher number between 0 and 1")
        return part

    @model_validator(mode="after")
    def _are_channels_of_volumes(self) -> Self:
        if self.dimensions == 3 and self.channels != "sequences":
            raise ValueError(
                'with dimensions = 3 the channels must be the "sequences": a volume has no other'
            )
        return self

    def frame_for(self, brains_mm: Iterable[tuple[float, float]]) -> Frame:
        """Rows, columns and resolution of pictures that hold every one of the brains.

        Args:
            brains_mm: width and height of each brain in the plane of the pictures, see `brain_mm`.

        Example:
            >>> PictureSettings(size=224, margin_mm=5).frame_for([(130, 170), (140, 160)]).shape
            (224, 192)
            >>> PictureSettings(size=128, width_mm=208).frame_for([(130, 170), (140, 160)])
            Frame(shape=(128, 128), pixel_mm=1.625)
        """
        brains = list(brains_mm)
        if self.width_mm is None and brains:
            return around(brains, self.size, self.margin_mm)
        return square(self.size, self.width_mm or self.size)  # without a brain there is nothing to cut


@dataclass(frozen=True)
class Pictures:
    """Pictures of one prepared volume, slice by slice.

    Attributes:
        images: (m, channels, rows, columns) in [0, 1]; one channel where every sequence is a picture of its own, which
            `fill_channels` gives to the network three times.
        brain: (m, rows, columns), where the brain is in each picture: pixels of which at least half are.
        slices: (m,) index of each picture's slice in the prepared volume.
        sequences: of each picture, the sequence it shows; "T1w+T2w+FLAIR" where it shows several.
        geometry: where the pictures of a sequence lie, one for each slice, and how maps of them find their way
            back.
    """

    images: NDArray[np.float32]
    brain: NDArray[np.bool_]
    slices: NDArray[np.intp]
    sequences: tuple[str, ...]
    geometry: Geometry


def brain_mm(
    mask: NDArray[np.bool_], affine: NDArray[np.float64], plane: Plane = "axial"
) -> tuple[float, float]:
    """Width and height of a brain mask's (X, Y, Z) bounding box, as slices of a plane show it."""
    spacing = voxel_sizes(affine)
    _, row, column = AXES[plane]
    (top, bottom), (left, right) = (extent(mask, axis) for axis in (row, column))
    return float((right - left) * spacing[column]), float((bottom - top) * spacing[row])


def geometry_of(volume: PreparedVolume, frame: Frame, slices: NDArray[np.intp]) -> Geometry:
    """The geometry of pictures that are centred on the brain.

    Args:
        volume: the scan.
        frame: of the pictures.
        slices: index of each picture's slice.

    Raises:
        InputError: if the brain does not fit into the pictures, or there are no slices.
    """
    if not len(slices):
        raise InputError(
            "the prepared scan has no kept slices; expected a brain: see its mask, and prepare it again."
        )
    spacing = voxel_sizes(volume.affine)
    height_mm, width_mm = frame.size_mm
    brain = brain_mm(volume.brain_mask, volume.affine, volume.plane)
    if not frame.holds(brain):
        raise InputError(
            f"pictures.width_mm: found pictures of {width_mm:.0f} x {height_mm:.0f} mm; expected at least the brain's "
            f"{brain[0]:.0f} x {brain[1]:.0f} mm: give a larger width, or none, which cuts the pictures to the brain."
        )
    _, row, column = AXES[volume.plane]
    (top, bottom), (left, right) = (extent(volume.brain_mask, axis) for axis in (row, column))
    return Geometry(
        prepared=Grid(volume.brain_mask.shape, volume.affine),
        plane=volume.plane,
        slices=tuple(slices.tolist()),
        size=frame.shape,
        centre=((top + bottom - 1) / 2, (left + right - 1) / 2),
        extent=(height_mm / float(spacing[row]), width_mm / float(spacing[column])),
    )


def part_of(kept: NDArray[np.intp], part: tuple[float, float]) -> NDArray[np.intp]:
    """The part of the kept slices from a lower to a higher share of them; at least one slice."""
    first, last = (round(share * len(kept)) for share in part)
    return kept[min(first, len(kept) - 1) : max(last, first + 1)]


def cut_pictures(
    volume: PreparedVolume,
    settings: PictureSettings,
    frame: Frame | None = None,
    *,
    sequences: Sequence[str] | None = None,
) -> Pictures:
    """Cut the kept slices of a prepared volume into pictures.

    Args:
        volume: the scan.
        settings: which slices and sequences are taken, and what the channels are.
        frame: that the pictures of the cohort share; `settings.frame_for` this brain if absent.
        sequences: names of the volume's images, in their order; if absent the volume holds `settings.sequences`
            and no others, or else the names are numbers from 1.

    Raises:
        InputError: if the brain does not fit into the pictures, or the sequences do not suit the settings.
    """
    names = sequences or settings.sequences or [str(number + 1) for number in range(len(volume.images))]
    images = dict(zip(names, volume.images, strict=True))
    seen = choose_sequences(names, settings.sequences, settings.channels)
    frame = frame or settings.frame_for([brain_mm(volume.brain_mask, volume.affine, volume.plane)])
    slices = part_of(volume.kept, settings.part)[:: settings.every]
    geometry = geometry_of(volume, frame, slices)
    pictures, shown = cut_channels({name: images[name] for name in seen}, geometry, settings.channels)
    return Pictures(
        images=pictures.clip(0, 1),
        brain=cut_mask(volume.brain_mask, geometry, len(pictures)),
        slices=np.repeat(slices, len(pictures) // len(slices)),
        sequences=shown,
        geometry=geometry,
    )


def cut_mask(mask: NDArray[np.bool_], geometry: Geometry, pictures: int) -> NDArray[np.bool_]:
    """Cut a mask (X, Y, Z) of the prepared volume as so many pictures lie: (m, rows, columns); at least half inside."""
    cut = geometry.cut(mask.astype(np.float32)) >= 0.5
    return np.repeat(cut, pictures // len(cut), axis=0)


def cut_scan(scan: PreparedScan, settings: PictureSettings, frame: Frame | None = None) -> Pictures:
    """Cut pictures of a prepared scan; only the sequences that the network sees are read.

    Raises:
        InputError: as `cut_pictures`, or if a file of the scan is missing or damaged.
    """
    seen = choose_sequences(scan.sequences, settings.sequences, settings.channels)
    return cut_pictures(replace(scan, sequences=seen).load(), settings, frame, sequences=seen)
