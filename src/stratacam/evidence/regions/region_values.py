"""Heat of every region of one scan."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.evidence.heat import Heat
from stratacam.evidence.regions.atlas import Atlas
from stratacam.files import write_text

FEWEST_PIXELS = 20
"""Of a region in the slices explained; smaller parts are left out."""


class RegionValue(NamedTuple):
    """Heat of one region.

    Attributes:
        method: that made the map.
        layer: whose map it is.
        region: name.
        mean: over the region's pixels that were explained.
        maximum: of these.
        share: of all heat in the brain.
    """

    method: str
    layer: str
    region: str
    mean: float
    maximum: float
    share: float


def region_values(
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
            method,
            layer,
            name,
            float(totals[label] / counts[label]),
            float(highest[label]),
            float(totals[label] / in_brain) if in_brain > 0 else 0.0,
        )
        for label, name in atlas.names.items()
        if counts[label] >= FEWEST_PIXELS
    ]


def write_region_values(path: Path, rows: Sequence[RegionValue]) -> None:
    """Write rows as a table."""
    lines = ["\t".join(RegionValue._fields)]
    lines += ["\t".join(f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row) for row in rows]
    write_text(path, "\n".join(lines) + "\n")


def read_region_values(path: Path) -> list[RegionValue]:
    """Read what `write_region_values` wrote.

    Raises:
        InputError: the table is missing or damaged.
    """
    try:
        header, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        found = [
            RegionValue(method, layer, region, float(mean), float(maximum), float(share))
            for method, layer, region, mean, maximum, share in rows
        ]
    except (OSError, ValueError) as fault:
        raise InputError(
            f"{path}: cannot be read ({fault}); remove it and run `stratacam evidence` again."
        ) from fault
    if tuple(header) != RegionValue._fields:
        raise InputError(
            f"{path}: has columns {', '.join(header)}; remove it and run `stratacam evidence` again."
        )
    return found
