"""Intervals of means over subjects each of whom is compared with a few others, who serve several subjects.

Values of two subjects who are compared with the same person are not independent, and an interval that takes them for
such covers too seldom. Leaving out one person at a time, as subject and as the one who is compared with, has the
chance of both in it.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.inference.means import LEVEL

Floats = NDArray[np.float64]


def jackknife(
    subjects: Sequence[str],
    others: Sequence[str],
    values: Floats,
    weights: Floats,
    score: Callable[[Floats], Floats],
    *,
    level: float = LEVEL,
) -> tuple[Floats, Floats, Floats]:
    """The mean over subjects of a score of their mean values, with an interval over subjects and others.

    Student's, with one degree of freedom less than there are subjects or others, whichever are fewer. Simulated, it
    covers in 96 to 99 %, where Student's interval over subjects alone covers in 63 to 92 %.

    Args:
        subjects: (pairs,) whose values they are.
        others: (pairs,) whom each is compared with; no pair twice.
        values: (pairs, v).
        weights: (pairs,) of the pairs of a subject.
        score: of mean values (n, v), (n, s) row by row.
        level: share of samples whose interval misses the mean.

    Returns:
        Mean, low and high, each (s,); low and high are NaN where fewer than two of either are there.
    """
    names, subject = np.unique(subjects, return_inverse=True)
    others_names, other = np.unique(others, return_inverse=True)
    total = np.bincount(subject, weights)
    summed = _sums(subject, weights[:, None] * values)
    scores = score(summed / total[:, None])
    mean = scores.mean(axis=0)
    fewest = min(len(names), len(others_names))
    if fewest < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    # each pair's subject without that pair; without any pair left the subject is left out too
    left = total[subject] - weights
    remains = left > 1e-9 * total[subject]
    rest = (summed[subject] - weights[:, None] * values)[remains] / left[remains, None]
    change = -scores[subject]
    change[remains] += score(rest)
    without_subject = (scores.sum(axis=0) - scores) / (len(names) - 1)
    counts = len(names) - np.bincount(other, ~remains)[:, None]
    without_other = np.divide(
        scores.sum(axis=0) + _sums(other, change),
        counts,
        out=np.full((len(others_names), len(mean)), np.nan),
        where=counts > 0,
    )
    means = np.concatenate([without_subject, without_other])
    deviations = ((means - means.mean(axis=0)) ** 2).sum(axis=0)
    error = np.sqrt(deviations * (len(means) - 1) / len(means))
    reach = stats.t.ppf(1 - level / 2, fewest - 1) * error
    return mean, mean - reach, mean + reach


def _sums(places: NDArray[np.intp], values: Floats) -> Floats:
    """Sums of rows (rows, v) by place, (places, v)."""
    return np.stack([np.bincount(places, column) for column in values.T], axis=1)
