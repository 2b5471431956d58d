"""Subjects shared out at random, group by group: one split, or folds that hold everybody out once."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from stratacam.errors import InputError
from stratacam.learning.split.parts import PARTS, AnySplit, SliceSplit, Split
from stratacam.learning.split.settings import SplitSettings
from stratacam.learning.split.table import TableParts, read_parts


def make_splits(
    labels: Mapping[str, str],
    settings: SplitSettings | None = None,
    *,
    seed: int = 0,
    clusters: Mapping[str, str] | None = None,
) -> tuple[AnySplit, ...]:
    """Share subjects or slices out as the settings say: one split, or one for each fold.

    Args:
        labels: subject to group. All sessions of a subject follow it.
        settings: see `SplitSettings`.
        seed: same labels, settings and seed, same splits, in whatever order the labels come.
        clusters: subject to what it shares with those it stays together with; a subject that is not among
            them stands alone.

    Raises:
        InputError: fewer than two groups, groups too small to be in every part, or a table that does not fit.

    Example:
        >>> splits = make_splits({f"sub-{i:02}": "AB"[i % 2] for i in range(20)}, seed=1)
        >>> [(len(split.train), len(split.validation), len(split.test)) for split in splits]
        [(14, 2, 4), (14, 2, 4), (14, 2, 4), (14, 2, 4), (14, 2, 4)]
    """
    settings = settings or SplitSettings()
    if settings.unit == "slice":
        return (SliceSplit(settings.fractions, seed),)
    sizes = _group_sizes(labels)
    together = {subject: (clusters or {}).get(subject, f"only {subject}") for subject in labels}
    if settings.table is not None:
        return _by_table(labels, read_parts(settings.table, labels), settings, seed)
    if settings.most_folds == 1 and not clusters:
        return (_checked(labels, _share_out(labels, settings.fractions, seed)),)
    if settings.most_folds == 1:
        held_out = _take(labels, together, settings.test, seed)
        return (_hold_out(labels, together, held_out, settings, seed),)
    folds = min(settings.most_folds, *sizes.values())
    return tuple(
        _hold_out(labels, together, held_out, settings, seed)
        for held_out in _folds(labels, together, folds, seed)
    )


def _by_table(
    labels: Mapping[str, str], parts: TableParts, settings: SplitSettings, seed: int
) -> tuple[Split, ...]:
    if parts.split is not None:
        return (_checked(labels, [getattr(parts.split, part) for part in PARTS]),)
    alone = {subject: subject for subject in labels}
    return tuple(_hold_out(labels, alone, fold, settings, seed) for fold in parts.folds)


def _hold_out(
    labels: Mapping[str, str],
    together: Mapping[str, str],
    held_out: Sequence[str],
    settings: SplitSettings,
    seed: int,
) -> Split:
    """The split with `held_out` as test; of the rest, a part of every group becomes validation."""
    rest = {subject: group for subject, group in labels.items() if subject not in held_out}
    share = settings.validation / (settings.train + settings.validation)
    if len({together[subject] for subject in rest}) == len(rest):
        train, validation = _share_out(rest, (1 - share, share), seed)
    else:
        validation = _take(rest, together, share, seed)
        train = [subject for subject in rest if subject not in validation]
    return _checked(labels, (train, validation, held_out))


def _checked(labels: Mapping[str, str], parts: Sequence[Sequence[str]]) -> Split:
    """The split of these parts, each of which has every group."""
    split = Split(*(tuple(sorted(part)) for part in parts))
    for part in PARTS:
        missing = sorted(set(labels.values()) - {labels[subject] for subject in getattr(split, part)})
        if missing:
            raise InputError(
                f"split: no subject of {', '.join(missing)} came into the part for {part}, as subjects stay together "
                "or are few; expected every group in every part. Remedy: more or fewer folds, other fractions, another "
                "column in split.group_by, or a table of the split"
            )
    return split


def _share_out(labels: Mapping[str, str], fractions: Sequence[float], seed: int) -> list[list[str]]:
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


def _take(labels: Mapping[str, str], together: Mapping[str, str], fraction: float, seed: int) -> list[str]:
    """About a fraction of the subjects, with every group among them; more where those who stay together ask for it."""
    wanted = set(labels.values())
    most = min(max(2, round(1 / fraction)), len({together[subject] for subject in labels}))
    for folds in range(most, 1, -1):
        for taken in _folds(labels, together, folds, seed):
            if {labels[subject] for subject in taken} == wanted:
                return taken
    return []


def _folds(labels: Mapping[str, str], together: Mapping[str, str], folds: int, seed: int) -> list[list[str]]:
    """Share the subjects out into folds of like groups; those of one cluster are in one fold."""
    subjects = np.array(sorted(labels))
    names = sorted({together[subject] for subject in subjects})
    if len(names) < folds:
        raise InputError(
            f"split: found {len(names)} sets of subjects that stay together ({', '.join(names[:5])} ...), expected "
            f"at least {folds}. Remedy: fewer folds, other fractions, or another column in split.group_by"
        )
    groups = [labels[subject] for subject in subjects]
    if len(names) == len(subjects):
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(subjects, groups)
    else:
        cluster = [together[subject] for subject in subjects]
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        parts = splitter.split(subjects, groups, cluster)
    return [subjects[test].tolist() for _, test in parts]


def _group_sizes(labels: Mapping[str, str]) -> Counter[str]:
    """Count the subjects of every group.

    Raises:
        InputError: fewer than two groups, or one with fewer subjects than there are parts.
    """
    sizes = Counter(labels.values())
    if len(sizes) < 2:
        raise InputError(
            f"participants.tsv, group: found {len(sizes)} group ({', '.join(sizes) or 'none'}) among the "
            "usable subjects, expected at least 2. Remedy: add subjects of another group, or choose another "
            "column"
        )
    for group, size in sorted(sizes.items()):
        if size < len(PARTS):
            subjects = sorted(subject for subject, label in labels.items() if label == group)
            raise InputError(
                f'participants.tsv, group: "{group}" has {size} usable subject'
                f"{'s' if size > 1 else ''} ({', '.join(subjects)}), expected at least "
                f"{len(PARTS)}: one each to train, validate and test. Remedy: add subjects, merge the group "
                "with another, or leave it out"
            )
    return sizes
