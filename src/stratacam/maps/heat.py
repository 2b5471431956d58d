"""Maps of every layer as the reader sees them: heat, rectified, on the grid of the picture."""

import numpy as np
import torch
from numpy.typing import NDArray

from stratacam.cam import view

Heat = NDArray[np.float32]

HEAT_SCALE = 0.99
"""Quantile of the brain's heat by which the maps of different scans are brought to one scale."""


def heat_of(raw: Heat, shape: tuple[int, int]) -> Heat:
    """Heat of raw maps (n, h, w): rectified, then linearly upsampled to (n, *shape); in units of the raw map."""
    return np.asarray(view(torch.from_numpy(raw)[:, None], size=shape, normalise="none")[:, 0].numpy())


def scale_of(heat: Heat, brain: NDArray[np.bool_]) -> float:
    """The `HEAT_SCALE` quantile of heat over the brain in all slices: one hot pixel does not set the scale.

    The maximum in the brain where less of the brain than that is lit; 0 where nothing is lit.

    Args:
        heat: (n, rows, columns).
        brain: (n, rows, columns).
    """
    inside = heat[brain]
    if not inside.size:
        return 0.0
    return float(np.quantile(inside, HEAT_SCALE)) or float(inside.max())


def scale_of_signed(raw: Heat, brain: NDArray[np.bool_]) -> float:
    """The scale of signed maps (n, h, w), by which they are joined with others: that of their absolute value.

    By their heat alone, a map that speaks against the class nearly everywhere would have a scale near 0, and outweigh
    every other.
    """
    rows, columns = brain.shape[1:]
    laid = view(torch.from_numpy(raw)[:, None], size=(rows, columns), relu=False, normalise="none")
    return scale_of(np.abs(laid[:, 0].numpy()), brain)


def by_scale(heat: Heat, brain: NDArray[np.bool_]) -> Heat:
    """Heat in units of its scale, see `scale_of`; as it is where nothing is lit."""
    scale = scale_of(heat, brain)
    return np.asarray(heat / scale if scale > 0 else heat, dtype=np.float32)
