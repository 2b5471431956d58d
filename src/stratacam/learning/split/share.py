"""Subjects shared out at random: one by one within each group, or in clusters that stay together."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

ORDERS = 200
"""Random orders of those who stay together, of which the best is taken."""


def share_out(labels: Mapping[str, str], fractions: Sequence[float], seed: int) -> list[list[str]]:
    """Share subjects out at random, group by group, so that every group is in every part."""
    generator = np.random.default_rng(seed)
    owed = np.zeros(len(fractions))
    parts: list[list[str]] = [[] for _ in fractions]
    for group in sorted(set(labels.values())):
        subjects = sorted(subject for subject, label in labels.items() if label == group)
        shuffled = iter(generator.permutation(subjects).tolist())
        shares = np.array(fractions) * len(subjects)
        counts = _apportion(shares, owed)
        owed += shares - counts
        for part, count in zip(parts, counts, strict=True):
            part += [next(shuffled) for _ in range(count)]
    return parts


def _apportion(shares: npt.NDArray[np.float64], owed: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Round `shares` to whole subjects of the same sum, up where most is left over or `owed` by other groups.

    A part that would be empty takes one subject from the largest part.
    """
    counts = np.floor(shares + 1e-9).astype(np.int64)
    over = round(shares.sum()) - counts.sum()
    whole = shares - counts < 1e-9  # needs no rounding, whatever is owed
    counts[np.argsort(np.where(whole, np.inf, counts - shares - owed), kind="stable")[:over]] += 1
    for part in np.flatnonzero(counts == 0):
        counts[counts.argmax()] -= 1
        counts[part] = 1
    return counts


def share_folds(
    labels: Mapping[str, str], together: Mapping[str, str], folds: int, seed: int
) -> list[list[str]]:
    """Share the subjects out into folds of like groups; those of one cluster are in one fold.

    Args:
        labels: subject to group.
        together: subject to its cluster; clusters are at least as many as folds.
        folds: no more than the smallest group has subjects.
        seed: of the order.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # noqa: PLC0415 - a second, with pandas

    subjects = np.array(sorted(labels))
    groups = [labels[subject] for subject in subjects]
    cluster = [together[subject] for subject in subjects]
    if len(set(cluster)) == len(subjects):
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(subjects, groups)
    else:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # of groups that are not in every fold, which is seen to elsewhere
            warnings.simplefilter("ignore", UserWarning)
            parts = iter(list(splitter.split(subjects, groups, cluster)))
    return [subjects[test].tolist() for _, test in parts]


def take_clusters(
    labels: Mapping[str, str], together: Mapping[str, str], fraction: float, seed: int
) -> list[str]:
    """Take whole clusters that are about a fraction of every group, with every group among them and among the rest.

    Of the beginnings of random orders of the clusters, the one whose groups are nearest to the fraction is taken.

    Returns:
        The subjects; none if clusters cannot be parted so.
    """
    members: dict[str, list[str]] = {}
    for subject in sorted(labels):
        members.setdefault(together[subject], []).append(subject)
    sizes = Counter(labels.values())
    groups, names = sorted(sizes), sorted(members)
    total = np.array([sizes[group] for group in groups])
    counts = np.array(
        [[sum(labels[one] == group for one in members[name]) for group in groups] for name in names]
    )
    generator = np.random.default_rng([seed, 1])
    best: tuple[float, list[str]] = (np.inf, [])
    for _ in range(ORDERS):
        order = generator.permutation(len(names))
        taken = counts[order].cumsum(0)
        parted = (taken > 0).all(1) & (taken < total).all(1)
        distance = np.where(parted, np.abs(taken - fraction * total).sum(1), np.inf)
        end = int(distance.argmin())
        if distance[end] < best[0]:
            best = float(distance[end]), [one for place in order[: end + 1] for one in members[names[place]]]
    return best[1]
