"""Heat of every region of one scan."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.regions.atlas import Atlas
from stratacam.maps.heat import Heat

MINIMUM_PIXELS = 20
"""Of a region in the slices explained; smaller parts are left out."""


class RegionValue(NamedTuple):
    """Heat of one region.

    Attributes:
        explained: the class that the map explains in everybody, or "own class".
        method: that made the map.
        layer: whose map it is.
        region: name.
        mean: over the region's pixels that were explained.
        maximum: of these.
        share: of all heat in the brain.
    """

    explained: str
    method: str
    layer: str
    region: str
    mean: float
    maximum: float
    share: float


def region_values(
    explained: str,
    method: str,
    layer: str,
    heat: Heat,
    *,
    regions: NDArray[np.integer],
    brain: NDArray[np.bool_],
    atlas: Atlas,
) -> list[RegionValue]:
    """Heat of the regions that the explained slices reach; others are left out, they are not zero.

    Args:
        explained: see `RegionValue`.
        method: that made the map.
        layer: whose map it is.
        heat: (n, rows, columns).
        regions: (n, rows, columns), labels.
        brain: (n, rows, columns).
        atlas: names of the labels.
    """
    labels = np.where(brain, regions, 0)
    counts = np.bincount(labels.ravel(), minlength=max(atlas.names) + 1)
    totals = np.bincount(labels.ravel(), weights=heat.ravel(), minlength=len(counts))
    highest = np.zeros(len(counts), dtype=np.float32)
    np.maximum.at(highest, labels.ravel(), heat.ravel())
    in_brain = float(heat[brain].sum(dtype=np.float64))
    return [
        RegionValue(
            explained,
            method,
            layer,
            name,
            float(totals[label] / counts[label]),
            float(highest[label]),
            float(totals[label] / in_brain) if in_brain > 0 else 0.0,
        )
        for label, name in atlas.names.items()
        if counts[label] >= MINIMUM_PIXELS
    ]
