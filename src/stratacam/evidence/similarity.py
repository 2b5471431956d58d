"""How alike two maps are: rank correlation and structural similarity, inside the brain."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from stratacam.evidence.measures import SIGNED, Measure
from stratacam.evidence.values import Value
from stratacam.maps.heat import Heat

Mask = NDArray[np.bool_]

SIGMA = 1.5
TRUNCATE = 3.5
"""Of the Gaussian window of SSIM: 11 x 11 pixels."""


def likeness(first: Heat, second: Heat, brain: Mask) -> NDArray[np.float64]:
    """Rank correlation and structural similarity of two maps of the same slices, slice by slice.

    Args:
        first: (n, rows, columns).
        second: (n, rows, columns).
        brain: (n, rows, columns).

    Returns:
        (n, 2), NaN where one of the two maps is blank.
    """
    found = np.full((len(first), 2), np.nan)
    for index, inside in enumerate(brain):
        a, b = first[index : index + 1], second[index : index + 1]
        if a.any() and b.any() and inside.any():
            found[index] = rank_correlation(a, b, inside)[0], ssim(a, b, inside)[0]
    return found


def likeness_pair(name: str, title: str, definition: str, **shown: Any) -> tuple[Measure, Measure]:  # noqa: ANN401
    """Measures of rank correlation, `NAME_rank`, and of structural similarity, `NAME_ssim`.

    Args:
        name: what both begin with.
        title: of the rank correlation.
        definition: what a map is compared with, after "rank correlation".
        shown: where the rank correlation is shown, see `Measure`.
    """
    return (
        Measure(f"{name}_rank", title, f"rank correlation {definition}", limits=SIGNED, **shown),
        Measure(
            f"{name}_ssim", f"{title} (SSIM)", f"`{name}_rank` by SSIM", better=shown["better"], limits=SIGNED
        ),
    )


def likeness_rows(
    measures: tuple[Measure, Measure], method: str, layer: str, found: NDArray[np.float64], against: str
) -> list[Value]:
    """What `likeness` gives as rows of the measures of rank correlation and of structural similarity."""
    ranks, structures = found.T
    return [
        *measures[0].rows(method, layer, ranks, against),
        *measures[1].rows(method, layer, structures, against),
    ]


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
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.divide((a * b).sum(axis=1), norms, out=np.full(len(a), np.nan), where=norms > 0))


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
