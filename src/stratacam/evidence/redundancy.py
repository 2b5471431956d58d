"""Which layers say the same."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from stratacam.evidence.inference import simultaneous
from stratacam.evidence.measures import SIGNED, ExplainedScan, Kind, Measure, Need
from stratacam.evidence.similarity import rank_matrix
from stratacam.evidence.values import SubjectTable, Summary, Value

ALIKE = 0.8
"""Mean rank correlation that two layers must be shown to reach to be taken to say the same."""

CORRELATION = Measure(
    name="correlation",
    title="rank correlation of two layers",
    definition="rank correlation of the maps of two layers",
    limits=SIGNED,
)


def redundancy(explained: ExplainedScan) -> list[Value]:
    """Rank correlation of the heat of all pairs of layers inside the brain, over slices where neither is blank."""
    maps, scan = explained.maps, explained.scan
    heat = np.stack([maps.heat(layer, scan.shape) for layer in maps.layers], axis=1)
    matrices = np.stack([rank_matrix(heat[index], scan.brain[index]) for index in range(len(scan))])
    return [
        value
        for row, layer in enumerate(maps.layers)
        for column, other in enumerate(maps.layers)
        if row < column
        for value in CORRELATION.rows(maps.method, layer, matrices[:, row, column], other)
    ]


def correlation_matrix(
    summaries: Sequence[Summary], layers: Sequence[str], method: str
) -> NDArray[np.float64]:
    """Mean correlations as a matrix (layers, layers); NaN where two layers were never both to be seen."""
    matrix = np.full((len(layers), len(layers)), np.nan)
    np.fill_diagonal(matrix, 1.0)
    place = {layer: number for number, layer in enumerate(layers)}
    for summary in summaries:
        if (summary.measure, summary.method) == (CORRELATION.name, method) and {
            summary.layer,
            summary.against,
        } <= {*place}:
            row, column = place[summary.layer], place[summary.against]
            matrix[row, column] = matrix[column, row] = summary.value
    return matrix


def alike_layers(
    table: SubjectTable, methods: Sequence[str], layers: Sequence[str], *, seed: int = 0
) -> dict[str, list[tuple[str, ...]]]:
    """By method, groups of layers that were shown to say the same.

    That two layers are not known to differ is no reason to take them for the same: the lower bound of their mean rank
    correlation has to reach `ALIKE`. The bounds hold for all pairs and methods together.

    Args:
        table: of all subjects.
        methods: of the maps.
        layers: shallow to deep.
        seed: of random signs.
    """
    pairs = [(first, second) for number, first in enumerate(layers) for second in layers[number + 1 :]]
    if not pairs:
        return {method: [tuple(layers)] for method in methods}
    columns = [
        table.column((method, first, CORRELATION.name, second))
        for method in methods
        for first, second in pairs
    ]
    low = simultaneous(np.stack(columns, axis=1), null=None, seed=seed).low.reshape(len(methods), len(pairs))
    found = {}
    for method, bounds in zip(methods, low, strict=True):
        matrix = squareform(np.maximum(bounds, -1.0))
        np.fill_diagonal(matrix, 1.0)
        found[method] = clusters(matrix, layers)
    return found


def clusters(
    matrix: NDArray[np.float64], layers: Sequence[str], threshold: float = ALIKE
) -> list[tuple[str, ...]]:
    """Groups of layers, shallow to deep, in which the correlation of every pair reaches the threshold.

    Args:
        matrix: (layers, layers) correlations.
        layers: their names.
        threshold: least correlation of two layers of a group.

    Example:
        >>> clusters(np.array([[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]]), ["a", "b", "c"])
        [('a', 'b'), ('c',)]
    """
    if len(layers) == 1:
        return [(layers[0],)]
    tree = linkage(squareform(1 - matrix, checks=False), method="complete")
    labels = fcluster(tree, 1 - threshold + 1e-9, criterion="distance")
    found: dict[int, list[str]] = {}
    for layer, label in zip(layers, labels.tolist(), strict=True):
        found.setdefault(label, []).append(layer)
    return [tuple(group) for group in found.values()]


KIND = Kind(
    name="redundancy",
    question="which layers say the same",
    needs=Need.MAPS,
    measures=(CORRELATION,),
    of_scan=redundancy,
)
