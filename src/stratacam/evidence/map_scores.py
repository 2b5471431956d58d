"""The few scores that the claims are tested by, of many maps of one slice at once."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.focus import BLANK, GINI, LIT_SHARE, gini
from stratacam.evidence.localisation import AVERAGE_PRECISION, ROUNDING
from stratacam.evidence.measures import Measure
from stratacam.maps.heat import Heat

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Score(IntEnum):
    """The columns of `map_scores`."""

    BLANK = 0
    LIT_SHARE = 1
    GINI = 2
    AVERAGE_PRECISION = 3

    @property
    def measure(self) -> Measure:
        """The measure in the registry."""
        return (BLANK, LIT_SHARE, GINI, AVERAGE_PRECISION)[self]


def map_scores(heat: Heat, brain: Mask, truth: Mask | None) -> Floats:
    """Every score of maps of one slice.

    Args:
        heat: (m, rows, columns), not negative.
        brain: (rows, columns).
        truth: (rows, columns); None where it is not known.

    Returns:
        (m, scores). Of a blank map the lit share and the Gini index are NaN; without truth in the brain, the average
        precision; without a brain, everything.
    """
    found = np.full((len(heat), len(Score)), np.nan)
    if not brain.any():
        return found
    highest = heat.max(axis=(1, 2))
    blank = ~(highest > 0)
    inside = heat.reshape(len(heat), -1)[:, np.flatnonzero(brain)]
    found[:, Score.BLANK] = blank
    found[:, Score.LIT_SHARE] = (inside >= highest[:, None] / 2).mean(axis=1)
    found[:, Score.GINI] = gini(inside)
    found[np.ix_(blank, [Score.LIT_SHARE, Score.GINI])] = np.nan
    if truth is not None and truth[brain].any():
        found[:, Score.AVERAGE_PRECISION] = average_precision(inside, truth[brain])
    return found


def average_precision(values: Heat, truth: Mask) -> Floats:
    """Area under the precision-recall curve of many maps, with a threshold at each value that occurs.

    Args:
        values: (m, pixels), not negative.
        truth: (pixels,), somewhere true.

    Returns:
        (m,); the share of truth for a map without differences.
    """
    ordered, true = np.sort(values, axis=1), np.sort(values[:, truth], axis=1)
    thresholds = true * np.float32(1 - ROUNDING)
    selected, found = (
        rows.shape[1] - np.array([np.searchsorted(*row) for row in zip(rows, thresholds, strict=True)])
        for rows in (ordered, true)
    )
    return np.asarray((found / selected).mean(axis=1))
