"""The best split of a cohort's maps in two, and whether one cluster would be split as well.

Maps are points; their principal coordinates are the leading eigenvectors of their likeness (spectral clustering, with
the cosine as likeness; C. Ding, X. He, "K-means clustering via principal component analysis", 2004). A split is a
threshold on a direction of these, and its separation is the share of the variance along it that lies between the two
parts. Directions are sought from every leading coordinate on: the means of the parts of a split, in coordinates of unit
variance, give the next direction (Fisher's), which is split again.

One cluster can be elongated, skewed or heavy-tailed, and is then split well too. So the separation is held against
cohorts with the spread of the given one along every coordinate, whose leading coordinates have one mode: once with the
coordinate's own shape, smoothed until one mode remains (E. Helgeson et al., "Nonparametric cluster significance
testing with reference to a unimodal null distribution", 2021; B. Silverman, "Using kernel density estimates to
investigate multimodality", 1981), once even, which of all shapes with one mode is split best where it is symmetric.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.inference.means import LEVEL

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
"""From a stream and a number of cohorts: (cohorts, n, r) coordinates."""

LEADING, SUBJECTS_OF_EACH = 5, 8
"""A split is sought in so many leading coordinates at most, each of which needs so many subjects."""

TURNS = 4
"""So often a direction is turned to that between the means of its parts."""

COORDINATES = 30
"""Coordinates that are kept at most."""

SMALLEST = 3
"""Subjects of a part: one or two unlike all others are no cluster."""

DRAWS = 1999
"""Cohorts of one cluster, of each kind, at most."""

ENOUGH = 20
"""So many of them with as good a split end the drawing (J. Besag, P. Clifford, "Sequential Monte Carlo p-values")."""

AT_ONCE = 50
"""Cohorts that are held at once."""

GRID, STEPS, POINTS = 256, 14, 400
"""Of the search for the bandwidth: places of the density, bisections, and quantiles that stand for more points."""


class Split(NamedTuple):
    """A split of a cohort.

    Attributes:
        second: (n,) whether a subject is in the second part.
        separation: share of the variance along the direction that lies between the parts; 0 where all are alike.
    """

    second: NDArray[np.bool_]
    separation: float


def coordinates_of(profiles: Floats) -> Floats:
    """Principal coordinates (n, r) of points (n, d), the widest first; no more than `COORDINATES`."""
    centred = profiles - profiles.mean(axis=0)
    count, width = centred.shape
    products = centred @ centred.T if count <= width else centred.T @ centred
    variances, vectors = np.linalg.eigh(products)
    kept = np.argsort(variances)[::-1][: min(count - 1, width, COORDINATES)]
    if count > width:
        return np.asarray(centred @ vectors[:, kept])
    return np.asarray(vectors[:, kept] * np.sqrt(np.maximum(variances[kept], 0)))


def best_split(coordinates: Floats, *, smallest: int = SMALLEST) -> Split:
    """The split with the largest separation.

    Args:
        coordinates: (n, r), of `coordinates_of`.
        smallest: number of subjects of a part at least.
    """
    (values,), (separation,) = _best_direction(coordinates[None], smallest)
    cut = smallest + int(_separations(values, smallest).argmax())
    second = np.zeros(len(coordinates), dtype=bool)
    second[np.argsort(values, kind="stable")[cut:]] = True
    return Split(second, float(separation))


def p_of_one_cluster(
    coordinates: Floats, separation: float, random: np.random.Generator, *, draws: int = DRAWS
) -> float:
    """The p-value of a separation: the share of cohorts of one cluster that are split as well, the larger of two kinds.

    Args:
        coordinates: (n, r), of `coordinates_of`.
        separation: of their best split.
        random: stream.
        draws: number of cohorts of each kind at most.
    """
    found = 0.0
    for draw in (_smoothed(coordinates), _even(coordinates)):
        found = max(found, _share(draw, separation, random, draws))
        if found > LEVEL:
            break
    return found


def _share(draw: Draw, separation: float, random: np.random.Generator, draws: int) -> float:
    """The share of drawn cohorts with such a separation, the given one included."""
    drawn = as_good = 0
    while drawn < draws and as_good < ENOUGH:
        cohorts = draw(random, min(AT_ONCE, draws - drawn))
        cohorts -= cohorts.mean(axis=1, keepdims=True)
        _, vectors = np.linalg.eigh(np.swapaxes(cohorts, 1, 2) @ cohorts)
        _, best = _best_direction(cohorts @ vectors[:, :, ::-1][:, :, :LEADING], SMALLEST)
        as_good += int((best >= separation - 1e-12).sum())
        drawn += len(cohorts)
    return (1 + as_good) / (1 + drawn)


def _best_direction(coordinates: Floats, smallest: int) -> tuple[Floats, Floats]:
    """Of cohorts (cohorts, n, r), the values (cohorts, n) along the best direction, and its separation (cohorts,)."""
    leading = coordinates[:, :, : min(LEADING, max(1, coordinates.shape[1] // SUBJECTS_OF_EACH))]
    spread = leading.std(axis=1, keepdims=True)
    white = np.divide(leading, spread, out=np.zeros_like(leading), where=spread > 1e-12)
    values = np.swapaxes(white, 1, 2)
    best = np.full(values.shape[:2], -1.0)
    best_values = values
    for turn in range(1 + TURNS):
        shares = _separations(values, smallest)
        found = shares.max(axis=2)
        best_values = np.where((found > best)[:, :, None], values, best_values)
        best = np.maximum(best, found)
        if turn < TURNS:
            ranks = values.argsort(axis=2).argsort(axis=2)
            second = ranks >= smallest + shares.argmax(axis=2)[:, :, None]
            count = second.sum(axis=2, keepdims=True)
            towards_second = second / count - ~second / (values.shape[2] - count)
            values = towards_second @ white @ np.swapaxes(white, 1, 2)
    start = best.argmax(axis=1)
    cohorts = np.arange(len(best))
    return best_values[cohorts, start], best[cohorts, start]


def _separations(values: Floats, smallest: int) -> Floats:
    """Share of variance between the parts for every threshold, (..., n) to (..., n - 2 smallest + 1)."""
    count = values.shape[-1]
    ordered = np.sort(values, axis=-1)
    ordered = ordered - ordered.mean(axis=-1, keepdims=True)
    total = (ordered**2).sum(axis=-1, keepdims=True)
    sums = np.cumsum(ordered, axis=-1)[..., smallest - 1 : count - smallest]
    first = np.arange(smallest, count - smallest + 1)
    between = sums**2 * count / (first * (count - first))
    return np.asarray(np.divide(between, total, out=np.zeros(between.shape), where=total > 1e-18))


def _smoothed(coordinates: Floats) -> Draw:
    """Cohorts whose leading coordinates are resampled and smoothed, each until it has one mode; the others normal."""
    count, width = coordinates.shape
    spread = coordinates.std(axis=0)
    leading = min(LEADING, width)
    bandwidths = np.array([bandwidth_of_one_mode(column) for column in coordinates.T[:leading]])
    kept = np.sqrt(spread[:leading] ** 2 / np.maximum(spread[:leading] ** 2 + bandwidths**2, 1e-300))

    def draw(random: np.random.Generator, cohorts: int) -> Floats:
        found = random.standard_normal((cohorts, count, width))
        for column in range(leading):
            chosen = coordinates[random.integers(count, size=(cohorts, count)), column]
            found[:, :, column] = (chosen + bandwidths[column] * found[:, :, column]) * kept[column]
        found[:, :, leading:] *= spread[leading:]
        return found

    return draw


def _even(coordinates: Floats) -> Draw:
    """Cohorts whose leading coordinates are even; the others normal."""
    count, width = coordinates.shape
    spread = coordinates.std(axis=0)
    leading = min(LEADING, width)

    def draw(random: np.random.Generator, cohorts: int) -> Floats:
        found = random.standard_normal((cohorts, count, width))
        found[:, :, :leading] = random.uniform(-(3**0.5), 3**0.5, size=(cohorts, count, leading))
        return np.asarray(found * spread)

    return draw


def bandwidth_of_one_mode(values: Floats) -> float:
    """The smallest bandwidth with which a Gaussian kernel density of values (n,) has one mode."""
    points = np.quantile(values, np.linspace(0, 1, POINTS)) if len(values) > POINTS else values
    low, high = 0.0, 2 * float(np.ptp(points))
    for _ in range(STEPS if high else 0):
        bandwidth = (low + high) / 2
        places = np.linspace(points.min() - bandwidth, points.max() + bandwidth, GRID)
        density = np.exp(-(((places[:, None] - points) / bandwidth) ** 2) / 2).sum(axis=1)
        modes = ((density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])).sum()
        low, high = (bandwidth, high) if modes > 1 else (low, bandwidth)
    return high
