"""What strategies follow: the group, whether the network is right, age, sex, or whatever else is known of subjects."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

PERMUTATIONS = 1999


def associations(
    strategy: NDArray[np.int_], known: Mapping[str, Sequence[str]], random: np.random.Generator
) -> dict[str, float]:
    """By what is known, the p-value of it having nothing to do with the strategies, by permutation of subjects.

    Numbers are compared by their ranks (as by Kruskal and Wallis), words by how often each occurs (as by chi-squared).
    That is exact: strategies are found from maps, without any knowledge of subjects.

    Args:
        strategy: (n,) numbers.
        known: by name, a word or number of each subject; "" for none. What does not vary is left out.
        random: stream.
    """
    found = {}
    for name, words in known.items():
        there = np.array([bool(word) for word in words])
        columns = _columns([word for word in words if word])
        labels = strategy[there]
        if columns.shape[1] and len(set(labels.tolist())) > 1:
            drawn = np.array([_between(columns, random.permutation(labels)) for _ in range(PERMUTATIONS)])
            as_large = int((drawn >= _between(columns, labels) - 1e-9).sum())
            found[name] = (1 + as_large) / (1 + PERMUTATIONS)
    return found


def _columns(words: Sequence[str]) -> Floats:
    """(n, columns), each of mean 0 and length 1; none where nothing varies."""
    if not words:
        return np.zeros((0, 0))
    try:
        columns = stats.rankdata([float(word) for word in words])[:, None]
    except ValueError:
        columns = np.array([[float(word == kind) for kind in sorted(set(words))] for word in words])
    centred = columns - columns.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    return np.asarray(centred[:, lengths > 1e-9] / lengths[lengths > 1e-9])


def _between(columns: Floats, labels: NDArray[np.int_]) -> float:
    """Sum over columns of the share of variance that lies between strategies."""
    one_hot = labels[:, None] == np.unique(labels)
    return float(((one_hot.T @ columns) ** 2 / one_hot.sum(axis=0)[:, None]).sum())
