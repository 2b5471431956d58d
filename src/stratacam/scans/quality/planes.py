"""Which planes of a scan its quality page shows, and how volumes are cut along them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.scans.masks import extent
from stratacam.scans.planes import AXES, SIDES, Plane

MARGIN = 20.0  # mm around the brain, so that the skin is seen
KEPT_SHARES = (0.15, 0.5, 0.8)  # where in the run of kept slices the planes across it lie
OFF_MIDLINE = 0.06  # of the brain's width: the sagittal plane beside the gap between the hemispheres
NAMES: Mapping[int, Plane] = {axes[0]: name for name, axes in AXES.items()}


@dataclass(frozen=True)
class ShownPlane:
    """One plane of the prepared grid that a page shows."""

    axis: int  # 0 sagittal, 1 coronal, 2 axial
    index: int  # along that axis
    position: float  # mm, the world coordinate along that axis in the middle of the plane

    @property
    def name(self) -> str:
        """Such as "axial 24, 12 mm"."""
        return f"{NAMES[self.axis]} {self.index}, {self.position:.0f} mm"

    @property
    def letters(self) -> tuple[str, str, str]:
        """Where the left, right and upper border of the picture lie: the patient's right is on the left."""
        return *SIDES[NAMES[self.axis]], "A" if self.axis == 2 else "S"


@dataclass(frozen=True)
class Planes:
    """The planes that a quality page shows, the same for every sequence, and the brain mask on them."""

    planes: tuple[ShownPlane, ...]
    box: tuple[tuple[int, int], ...]  # first and last+1 voxel shown along each axis
    voxel: tuple[float, ...]  # mm
    axis: int  # of the slices
    kept: tuple[int, int]  # first and last+1 kept slice
    mask: tuple[NDArray[np.bool_], ...]  # the brain mask on each plane, as a picture

    @classmethod
    def through(
        cls, brain_mask: NDArray[np.bool_], affine: NDArray[Any], kept: NDArray[np.intp], axis: int = 2
    ) -> Self:
        """Choose three planes across the kept slices, and one along each other axis through the brain's centre.

        Args:
            brain_mask: (X, Y, Z), axes towards right, anterior and superior.
            affine: (4, 4), voxels to RAS millimetres.
            kept: indices of the kept slices, ascending.
            axis: along which the slices are numbered: 0 sagittal, 1 coronal, 2 axial.

        Raises:
            InputError: the mask is empty, or no slice is kept.
        """
        if not brain_mask.any() or not len(kept):
            raise InputError("the brain mask is empty or no slice is kept; expected a brain: check the mask.")
        voxel = voxel_sizes(np.asarray(affine))
        extents = [extent(brain_mask, along) for along in range(3)]
        box = tuple(
            (max(0, low - round(MARGIN / mm)), min(size, high + round(MARGIN / mm)))
            for (low, high), mm, size in zip(extents, voxel, brain_mask.shape, strict=True)
        )
        middle = [round(place) for place in ndimage.center_of_mass(brain_mask)]
        middle[0] += round(OFF_MIDLINE * (extents[0][1] - extents[0][0]))
        first, last = int(kept[0]), int(kept[-1])
        places = [(axis, round(first + share * (last - first))) for share in KEPT_SHARES]
        places += [(other, middle[other]) for other in (2, 1, 0) if other != axis]
        planes = []
        for along, index in places:
            centre = np.array([*((size - 1) / 2 for size in brain_mask.shape), 1.0])
            centre[along] = index
            planes.append(ShownPlane(along, index, float((np.asarray(affine) @ centre)[along])))
        chosen = cls(tuple(planes), box, tuple(voxel.tolist()), axis, (first, last + 1), ())
        return replace(chosen, mask=tuple(cut > 0 for cut in chosen.cut(brain_mask)))

    def cut(self, volume: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the planes of `volume` (X, Y, Z) as pictures (rows, columns), each a copy.

        Row 0 is superior (anterior in axial planes), column 0 the patient's right (anterior in sagittal planes).
        """
        cuts = []
        for plane in self.planes:
            where = tuple(plane.index if a == plane.axis else slice(*self.box[a]) for a in range(3))
            cuts.append(np.ascontiguousarray(volume[where].T[::-1, ::-1]))
        return cuts

    def pixel(self, plane: ShownPlane) -> tuple[float, float]:
        """Height and width of a pixel of the plane's picture, mm."""
        across, up = (mm for a, mm in enumerate(self.voxel) if a != plane.axis)
        return up, across

    def size(self, plane: ShownPlane) -> tuple[float, float]:
        """Height and width of the plane's picture, mm."""
        across, up = (
            (high - low) * mm
            for a, ((low, high), mm) in enumerate(zip(self.box, self.voxel, strict=True))
            if a != plane.axis
        )
        return up, across

    def left_out(self, plane: ShownPlane) -> list[tuple[float, float, float, float]]:
        """Return the two parts of the plane's picture beyond the kept slices: x, y, width, height in mm.

        Empty for a plane that lies along the slices.
        """
        if plane.axis == self.axis:
            return []
        height, width = self.size(plane)
        low, high = self.box[self.axis]
        mm = self.voxel[self.axis]
        after = max(0, high - self.kept[1]) * mm  # pictures count downwards and from the patient's right
        before = max(0, self.kept[0] - low) * mm
        upright = self.axis == max(a for a in range(3) if a != plane.axis)
        if upright:
            return [(0.0, 0.0, width, after), (0.0, height - before, width, before)]
        return [(0.0, 0.0, after, height), (width - before, 0.0, before, height)]
