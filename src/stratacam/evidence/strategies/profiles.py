"""What two subjects' maps are compared by: heat over regions and over coarse cells of MNI152 space."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CELL_MM = 12.0
"""Edge of a cell: coarse enough for brains that an affine transform lays only roughly on one another."""

KNOWN = 0.5
"""Share of a cell's voxels that slices must reach for its heat to count."""

MINIMUM_CELLS = 8
"""Cells that the slices of all subjects reach: with fewer nothing is compared."""


class Profiles(NamedTuple):
    """What maps are compared by.

    Attributes:
        points: (subjects that are lit, d), of length 1, so that a product is the likeness of two subjects: the mean of
            the cosines of their heat over regions and over cells.
        lit: (subjects,) whether a subject has any heat.
        regions: number of regions that all subjects have.
        cells: number of cells.
    """

    points: Floats
    lit: NDArray[np.bool_]
    regions: int
    cells: int


def profiles_of(cells: Floats, regions: Floats) -> Profiles:
    """Points of the subjects, of the cells and regions that the slices of all subjects reach.

    Args:
        cells: (subjects, c), of `pooled`; NaN where slices do not reach.
        regions: (subjects, r), mean heat; NaN where slices do not reach.
    """
    known = [part[:, ~np.isnan(part).any(axis=0)].astype(np.float64) for part in (cells, regions)]
    lengths = [np.linalg.norm(part, axis=1) for part in known]
    lit = np.any([length > 0 for length in lengths], axis=0)
    units = [
        np.divide(part, length[:, None], out=np.zeros_like(part), where=length[:, None] > 0)[lit]
        for part, length in zip(known, lengths, strict=True)
    ]
    points = np.hstack(units) / np.sqrt(2)
    return Profiles(points, lit, regions=known[1].shape[1], cells=known[0].shape[1])


def pooled(volume: NDArray[np.float32], voxel_mm: float) -> Floats:
    """Mean heat of cubic cells of about `CELL_MM`, (cells,), NaN where fewer than `KNOWN` of a cell's voxels are known.

    Args:
        volume: (X, Y, Z) in MNI152 space, with what lies outside the brain; NaN where slices do not reach.
        voxel_mm: edge of a voxel.
    """
    edge = max(1, round(CELL_MM / voxel_mm))
    padded = np.pad(volume, [(0, -length % edge) for length in volume.shape], constant_values=np.nan)
    x, y, z = (length // edge for length in padded.shape)
    blocks = padded.reshape(x, edge, y, edge, z, edge).transpose(0, 2, 4, 1, 3, 5).reshape(x * y * z, -1)
    known = ~np.isnan(blocks)
    count = known.sum(axis=1)
    total = np.where(known, blocks, 0).sum(axis=1, dtype=np.float64)
    enough = count >= KNOWN * edge**3
    return np.asarray(np.divide(total, count, out=np.full(len(blocks), np.nan), where=enough))
