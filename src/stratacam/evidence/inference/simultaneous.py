"""Many means over the same subjects at once: bounds and p-values that hold for all of them together.

The largest studentised mean over all columns, under random signs of the subjects' rows (max-T; P. Westfall, S. Young,
"Resampling-based multiple testing", 1993; sign flips: A. Winkler et al., "Permutation inference for the general linear
model", 2014). Valid where a subject's differences are symmetric about their mean.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.draws import generator
from stratacam.evidence.inference.means import LEVEL

Floats = NDArray[np.float64]

MINIMUM_SUBJECTS = 10
"""Fewer say nothing: "cannot say"."""

FLIPS = 4000


class Simultaneous(NamedTuple):
    """Means over subjects, with bounds that all hold together.

    Attributes:
        mean: (columns,).
        low: (columns,) lower bounds; each one-sided. Minus infinity where there are too few subjects.
        high: (columns,) upper bounds; each one-sided. Infinity where there are too few subjects.
        p: (columns,) two-sided family-wise p-values of a mean of `null`; 1 where there are too few subjects.
        subjects: (columns,) how many have a value.
    """

    mean: Floats
    low: Floats
    high: Floats
    p: Floats
    subjects: NDArray[np.int_]


def simultaneous(
    values: Floats, *, null: float | Floats = 0.0, level: float = LEVEL, seed: int = 0
) -> Simultaneous:
    """Bounds and p-values of the means of all columns together.

    Args:
        values: (subjects, columns), NaN where there is none.
        null: mean that the p-values test, one for all columns or (columns,).
        level: family-wise error rate of all lower bounds together, and of all upper bounds together.
        seed: of the signs.
    """
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    mean = np.divide(
        np.where(known, values, 0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0
    )
    usable = count >= MINIMUM_SUBJECTS
    low, high = np.full(mean.shape, -np.inf), np.full(mean.shape, np.inf)
    p = np.ones(mean.shape)
    if usable.any():
        centred = np.where(known, values - mean, 0)[:, usable]
        flipped = _studentised(centred, known[:, usable], generator(seed, "signs"))
        error = np.sqrt((centred**2).sum(axis=0) / (count[usable] - 1) / count[usable])
        low[usable] = mean[usable] - np.quantile(flipped.max(axis=1), 1 - level) * error
        high[usable] = mean[usable] + np.quantile(-flipped.min(axis=1), 1 - level) * error
        # under the null hypothesis the values less that mean are as likely with either sign
        shifted = np.where(known, values - null, 0)[:, usable]
        drawn = np.abs(_studentised(shifted, known[:, usable], generator(seed, "signs"))).max(axis=1)
        observed = np.abs(_t(shifted.sum(axis=0), (shifted**2).sum(axis=0), count[usable]))
        p[usable] = (1 + (drawn[:, None] >= observed - 1e-9).sum(axis=0)) / (1 + FLIPS)
    return Simultaneous(mean, low, high, p, count)


def _studentised(values: Floats, known: NDArray[np.bool_], random: np.random.Generator) -> Floats:
    """Student's t of every column, (FLIPS, columns), with random signs of the rows; values are 0 where not known."""
    signs = random.choice([-1.0, 1.0], size=(FLIPS, len(values)))
    return _t(signs @ values, (values**2).sum(axis=0), known.sum(axis=0))


def _t(total: Floats, squares: Floats, count: NDArray[np.int_]) -> Floats:
    """Student's t from sums over subjects; 0 where nothing varies about 0, infinite where all values are one number."""
    mean = total / count
    variance = (squares - count * mean**2) / (count - 1)
    error = np.sqrt(np.maximum(variance, 0) / count)
    tiny = 1e-9 * np.sqrt(squares / count)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(
            error > tiny,
            mean / np.where(error > tiny, error, 1),
            np.where(np.abs(mean) > tiny, np.sign(mean) * np.inf, 0.0),
        )
