"""One scan opened for the figures: its slices as pictures, and its maps laid over them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stratacam.maps import ScanMaps, frame_of
from stratacam.networks import ModelCard
from stratacam.report.content import StudyContent, subject_label
from stratacam.scans.frame import square
from stratacam.scans.geometry import Geometry
from stratacam.scans.labels import read_lesions
from stratacam.scans.pictures import brain_mm, geometry_of, part_of
from stratacam.scans.planes import AXES, slices_first
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
        position_mm: of every slice of the volume, as recorded when it was prepared.
        lesions: (X, Y, Z), or None where the data set has no truth.
        geometry: of the pictures as they are drawn, one for each slice of the volume: squares that hold what the
            network saw.
        width_mm: of these squares.
        seen: indices of the slices that the network is for.
        maps: of the scan, or None.
    """

    name: str
    group: str | None
    volume: PreparedVolume
    sequences: tuple[str, ...]
    position_mm: NDArray[np.float64]
    lesions: NDArray[np.bool_] | None
    geometry: Geometry
    width_mm: float
    seen: NDArray[np.intp]
    maps: ScanMaps | None

    @property
    def explained(self) -> ScanMaps:
        """The maps of a scan that has them."""
        if self.maps is None:
            raise ValueError(f"{self.name} has no maps")
        return self.maps

    def under(self, layer: str, sequence: str) -> str:
        """The sequence that a map lies on: of late fusion that of the layer's branch; `sequence` of all others."""
        branches = {part.partition(".")[0] for part in layer.split("+")} & set(self.sequences)
        return branches.pop() if len(branches) == 1 else sequence

    def picture(self, sequence: str, index: int) -> Picture:
        """The slice `index` of a sequence, (PIXELS, PIXELS), as prepared: in [0, 1]."""
        return self._cut(self.volume.images[self.sequences.index(sequence)], index)

    def lesion_picture(self, index: int) -> Picture | None:
        """Share of lesion in each pixel of slice `index`, (PIXELS, PIXELS); None without truth."""
        return None if self.lesions is None else self._cut(self.lesions, index)

    @cached_property
    def lesion_areas(self) -> NDArray[np.intp] | None:
        """Lesion voxels in each slice of the volume; None without truth or without lesions."""
        if self.lesions is None or not self.lesions.any():
            return None
        return np.asarray(slices_first(self.lesions, self.volume.plane).sum(axis=(1, 2)))

    @property
    def box_mm(self) -> Box:
        """The brain with a margin."""
        lengths = brain_mm(self.volume.brain_mask, self.volume.affine, self.volume.plane)
        x, y = (min(length / 2 + MARGIN_MM, self.width_mm / 2) for length in lengths)
        return -x, x, -y, y

    def heat(self, layer: str, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Heat of one layer over the slices `indices`, (n, PIXELS, PIXELS) in [0, 1].

        ReLU, upsampled linearly, divided by the one maximum of the layer over all explained slices.
        """
        maps = self.explained
        drawn = maps.geometry.redraw(maps.heat(layer), self.geometry)
        return np.asarray(drawn[np.searchsorted(maps.slices, indices)] / (drawn.max() or 1))

    def signed(self, layer: str, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Raw maps of one layer over the slices `indices`, (n, PIXELS, PIXELS), upsampled linearly, in their unit."""
        maps = self.explained
        places = np.searchsorted(maps.slices, indices)
        return np.asarray(maps.geometry.redraw(maps.raw(layer), self.geometry)[places])

    def agreement(self, layer: str, indices: NDArray[np.intp]) -> NDArray[np.float32] | None:
        """Share of networks that agree on the heat of one layer, as `heat`; None where maps are of one network."""
        maps = self.explained
        found = maps.agreement(layer)
        if found is None:
            return None
        drawn = maps.geometry.redraw(found, self.geometry)
        return np.asarray(drawn[np.searchsorted(maps.slices, indices)])

    def _cut(self, volume: NDArray[np.generic], index: int) -> Picture:
        picture: Picture = replace(self.geometry, slices=(index,)).cut(volume)[0]
        return picture


def open_scan_of(study: StudyContent, name: str) -> ShownScan:
    """Open the scan `name` of a study, with its maps and true lesions where there are any.

    Raises:
        InputError: if a file of the scan is missing or damaged.
    """
    scan = study.scans[name]
    return open_scan(
        scan,
        study.maps.get(name),
        study.card,
        group=study.group.get(subject_label(name), "unknown group"),
        lesions=read_lesions(study.delivered, scan),
    )


def open_scan(
    scan: PreparedScan,
    maps: ScanMaps | None,
    card: ModelCard,
    *,
    group: str | None = None,
    lesions: NDArray[np.bool_] | None = None,
) -> ShownScan:
    """Open a prepared scan, with its maps, group and lesions, for pictures like those of a model.

    Raises:
        InputError: if a file of the scan is missing or damaged.
    """
    volume = scan.load()
    width_mm = max(maps.geometry.size_mm if maps else frame_of(card).size_mm)
    every_slice = np.arange(volume.brain_mask.shape[AXES[volume.plane][0]])
    return ShownScan(
        name=scan.name,
        group=group,
        volume=volume,
        sequences=scan.sequences,
        position_mm=scan.read_slices().position_mm,
        lesions=lesions,
        geometry=geometry_of(volume, square(PIXELS, width_mm), every_slice),
        width_mm=width_mm,
        seen=part_of(volume.kept, card.input["part"]),
        maps=maps,
    )
