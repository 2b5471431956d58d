"""ROAD's noisy linear imputation: a removed pixel is the weighted mean of its eight neighbours, removed or not.

Y. Rong et al., "A consistent and efficient evaluation strategy for attribution methods" (ICML 2022). A picture with
black holes shows a network where something was taken; a smooth filling does not.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from stratacam.maps.heat import Heat

WEIGHTS = {
    **dict.fromkeys(((0, 1), (1, 0), (0, -1), (-1, 0)), 1 / 6),
    **dict.fromkeys(((1, 1), (1, -1), (-1, 1), (-1, -1)), 1 / 12),
}
"""Of the neighbours, by how far down and right they are. At the edge of the picture those there are weigh more."""


def impute(image: Heat, removed: NDArray[np.bool_]) -> Heat:
    """Fill in removed pixels, without noise.

    Args:
        image: (channels, rows, columns).
        removed: (rows, columns), not all of it.

    Returns:
        (channels, rows, columns).
    """
    filled = image.copy()
    places = np.argwhere(removed)
    if not len(places):
        return filled
    number = np.full(removed.shape, -1)
    number[removed] = np.arange(len(places))
    diagonal = np.zeros(len(places))
    known = np.zeros((len(places), len(image)))
    rows, columns, weights = [], [], []
    for offset, weight in WEIGHTS.items():
        there = places + offset
        inside = ((there >= 0) & (there < removed.shape)).all(axis=1)
        pixels = np.flatnonzero(inside)
        down, right = there[inside].T
        diagonal[pixels] += weight
        other = number[down, right]
        unknown = other >= 0
        rows.append(pixels[unknown])
        columns.append(other[unknown])
        weights.append(np.full(int(unknown.sum()), -weight))
        known[pixels[~unknown]] += weight * image[:, down[~unknown], right[~unknown]].T
    count = np.arange(len(places))
    system = sparse.csc_matrix(
        (
            np.concatenate([*weights, diagonal]),
            (np.concatenate([*rows, count]), np.concatenate([*columns, count])),
        ),
        shape=(len(places), len(places)),
    )
    # The system is symmetric and diagonally dominant: it needs no pivoting, and the ordering may be a symmetric one.
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    filled[:, removed] = factors.solve(known).T
    return filled
