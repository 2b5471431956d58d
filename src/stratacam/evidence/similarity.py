"""How alike two maps are: rank correlation and structural similarity, inside the brain."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from stratacam.evidence.heat import Heat

Mask = NDArray[np.bool_]

SIGMA = 1.5
TRUNCATE = 3.5
"""Of the Gaussian window of SSIM: 11 x 11 pixels."""


def rank_correlation(first: Heat, second: Heat, brain: Mask) -> NDArray[np.float64]:
    """Spearman's correlation of the brain's pixels, tied ones with their mean rank.

    Args:
        first: (m, rows, columns).
        second: (m, rows, columns).
        brain: (rows, columns).

    Returns:
        (m,), NaN where one of the two maps is the same everywhere.
    """
    a, b = (stats.rankdata(maps[:, brain], axis=1) for maps in (first, second))
    return _correlation(a, b)


def rank_matrix(maps: Heat, brain: Mask) -> NDArray[np.float64]:
    """Spearman's correlation of all pairs of maps (m, rows, columns): (m, m); NaN for maps without differences."""
    ranks = stats.rankdata(maps[:, brain], axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(ranks, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((ranks @ ranks.T) / np.outer(norms, norms))


def ssim(first: Heat, second: Heat, brain: Mask) -> NDArray[np.float64]:
    """Structural similarity, each map by its own maximum, averaged over the brain's pixels.

    Z. Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004): Gaussian window
    of 1.5 pixels, K1 = 0.01, K2 = 0.03, range 1.

    Args:
        first: (m, rows, columns), not negative.
        second: (m, rows, columns), not negative.
        brain: (rows, columns).

    Returns:
        (m,); a blank map is 0 everywhere.
    """
    a, b = (_by_maximum(maps) for maps in (first, second))
    mean_a, mean_b = _window(a), _window(b)
    variance_a = _window(a * a) - mean_a**2
    variance_b = _window(b * b) - mean_b**2
    covariance = _window(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    )
    return np.asarray(similarity[:, brain].mean(axis=1))


def _by_maximum(maps: Heat) -> NDArray[np.float64]:
    highest = maps.max(axis=(1, 2), keepdims=True)
    return np.asarray(maps / np.where(highest > 0, highest, 1), dtype=np.float64)


def _window(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(ndimage.gaussian_filter(maps, (0, SIGMA, SIGMA), truncate=TRUNCATE))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation of rows (m, pixels)."""
    a, b = (values - values.mean(axis=1, keepdims=True) for values in (a, b))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.divide((a * b).sum(axis=1), norms, out=np.full(len(a), np.nan), where=norms > 0))
