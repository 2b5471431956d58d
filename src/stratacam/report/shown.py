"""One scan opened for the figures: its slices as pictures, and its maps laid over them."""

import csv
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from stratacam.cam import view
from stratacam.maps import ScanMaps
from stratacam.networks import ModelCard
from stratacam.report.content import StudyContent, subject_label
from stratacam.scans.labels import read_lesions
from stratacam.scans.pictures import Frame, frame_of, part_of
from stratacam.scans.prepared import PreparedScan, PreparedVolume

PIXELS = 256
"""Pixels along each side of a picture as it is drawn; the millimetres are those that the network saw."""

MARGIN_MM = 10.0

Picture = NDArray[np.float32]

Box = tuple[float, float, float, float]
"""Left, right, bottom and top in millimetres from the centre of a picture."""


@dataclass(frozen=True)
class ShownScan:
    """One scan, open.

    Attributes:
        name: of the scan, "sub-01_ses-2".
        group: of the subject, or None where it is not known.
        volume: as prepared.
        sequences: of the volume, in its order.
        kept: (n,) indices of the slices that were kept.
        z_mm: (Z,) height of every slice, as recorded when it was prepared.
        lesions: (X, Y, Z), or None where the data set has no truth.
        frame: where the pictures lie as they are drawn: squares that hold what the network saw.
        width_mm: of these squares.
        part: of the kept slices that the network is for, from 0 (lowest) to 1 (highest).
        maps: of the scan, or None.
    """

    name: str
    group: str | None
    volume: PreparedVolume
    sequences: tuple[str, ...]
    z_mm: NDArray[np.float64]
    lesions: NDArray[np.bool_] | None
    frame: Frame
    width_mm: float
    part: tuple[float, float]
    maps: ScanMaps | None

    @property
    def seen(self) -> NDArray[np.intp]:
        """Indices of the slices that the network is for: its part of the kept ones."""
        return part_of(self.volume.kept, self.part)

    @property
    def explained(self) -> ScanMaps:
        """The maps of a scan that has them."""
        if self.maps is None:
            raise ValueError(f"{self.name} has no maps")
        return self.maps

    def picture(self, sequence: str, index: int) -> Picture:
        """The axial slice `index` of a sequence, (PIXELS, PIXELS), as prepared: in [0, 1]."""
        return self._cut(self.volume.images[self.sequences.index(sequence)][:, :, index])

    def lesion_picture(self, index: int) -> Picture | None:
        """Share of lesion in each pixel of slice `index`, (PIXELS, PIXELS); None without truth."""
        return None if self.lesions is None else self._cut(self.lesions[:, :, index])

    @cached_property
    def lesion_areas(self) -> NDArray[np.intp] | None:
        """Lesion voxels in each slice, (Z,); None without truth or without lesions."""
        if self.lesions is None or not self.lesions.any():
            return None
        return np.asarray(self.lesions.sum(axis=(0, 1)))

    @property
    def box_mm(self) -> Box:
        """The brain with a margin."""
        spacing = np.linalg.norm(self.volume.affine[:3, :3], axis=0)
        half = [
            float(np.ptp(np.flatnonzero(self.volume.brain_mask.any(axis=axes))) + 1) * step / 2 + MARGIN_MM
            for axes, step in zip(((1, 2), (0, 2)), spacing, strict=False)
        ]
        x, y = (min(length, self.width_mm / 2) for length in half)
        return -x, x, -y, y

    def heat(self, layer: str, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Heat of one layer over the slices `indices`, (n, PIXELS, PIXELS) in [0, 1].

        ReLU, upsampled linearly, divided by the one maximum of the layer over all explained slices.
        """
        raw = torch.from_numpy(self.explained.raw(layer))[:, None]
        across, along = (
            round(PIXELS * mine / whole)
            for mine, whole in zip(self.explained.frame.extent, self.frame.extent, strict=True)
        )
        heat = view(raw, size=(along, across), normalise="volume")[:, 0]
        left, top = (PIXELS - across) // 2, (PIXELS - along) // 2
        padded = F.pad(heat, (left, PIXELS - across - left, top, PIXELS - along - top)).numpy()
        return np.asarray(padded[np.searchsorted(self.explained.slices, indices)])

    def _cut(self, plane: NDArray[np.generic]) -> Picture:
        planes = np.ascontiguousarray(plane, dtype=np.float32)[None]
        picture: Picture = self.frame.cut(planes, (PIXELS, PIXELS))[0]
        return picture


def drawn_width_mm(card: ModelCard) -> float:
    """Width of the squares that hold the pictures that the network sees."""
    size, width_mm = card.input["size"], float(card.input["width_mm"])
    longest = float(max(card.input.get("shape", (size, size))))
    return longest * width_mm / float(size)


def open_scan_of(study: StudyContent, name: str) -> ShownScan:
    """Open the scan `name` of a study, with its maps and true lesions where there are any.

    Raises:
        InputError: if a file of the scan is missing or damaged.
    """
    scan = study.scans[name]
    low, high = study.card.input["part"]
    return open_scan(
        scan,
        study.maps.get(name),
        width_mm=drawn_width_mm(study.card),
        part=(float(low), float(high)),
        group=study.group.get(subject_label(name), "unknown group"),
        lesions=read_lesions(study.delivered, scan),
    )


def open_scan(
    scan: PreparedScan,
    maps: ScanMaps | None,
    *,
    width_mm: float,
    part: tuple[float, float] = (0.0, 1.0),
    group: str | None = None,
    lesions: NDArray[np.bool_] | None = None,
) -> ShownScan:
    """Open a prepared scan, with its maps and what is known of it.

    Raises:
        InputError: if a file of the scan is missing or damaged.
    """
    volume = scan.load()
    if maps:
        spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
        width_mm = max(span * float(step) for span, step in zip(maps.frame.extent, spacing, strict=False))
    with scan.slices_table.open(encoding="utf-8", newline="") as table:
        z_mm = [float(row["z_mm"]) for row in csv.DictReader(table, delimiter="\t")]
    return ShownScan(
        name=scan.name,
        group=group,
        volume=volume,
        sequences=scan.sequences,
        z_mm=np.array(z_mm),
        lesions=lesions,
        frame=frame_of(volume, width_mm),
        width_mm=width_mm,
        part=part,
        maps=maps,
    )
