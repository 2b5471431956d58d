"""Random splits, stratified by group: one split, or folds that hold every subject out once."""

from collections import Counter
from collections.abc import Mapping, Sequence

from stratacam.errors import InputError
from stratacam.learning.split.parts import PARTS, AnySplit, SliceSplit, Split
from stratacam.learning.split.settings import SplitSettings
from stratacam.learning.split.share import share_folds, share_out, take_clusters
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
            them is a cluster by itself.

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
    if settings.maximum_folds == 1 and len(set(together.values())) == len(together):
        return (_checked(labels, share_out(labels, settings.fractions, seed), "split"),)
    if settings.maximum_folds == 1:
        held_out = take_clusters(labels, together, settings.test, seed)
        return (_hold_out(labels, together, held_out, settings, seed, where="split"),)
    return _folds(labels, together, sizes, settings, seed)


def hold_out_again(
    labels: Mapping[str, str],
    held_out: Sequence[str],
    settings: SplitSettings,
    *,
    seed: int = 0,
    clusters: Mapping[str, str] | None = None,
) -> Split:
    """Hold the same subjects out with other groups: training and validation are shared out again.

    Args:
        labels: subject to group.
        held_out: the subjects for test.
        settings: see `SplitSettings`.
        seed: as for `make_splits`.
        clusters: as for `make_splits`.

    Raises:
        InputError: a group is in no part for training or validation.
    """
    together = {subject: (clusters or {}).get(subject, f"only {subject}") for subject in labels}
    return _hold_out(labels, together, held_out, settings, seed, where="fold")


def _folds(
    labels: Mapping[str, str],
    together: Mapping[str, str],
    sizes: Counter[str],
    settings: SplitSettings,
    seed: int,
) -> tuple[Split, ...]:
    """The configured number of folds, or the usual one as far as the smallest group allows."""
    possible = min(len(set(together.values())), *sizes.values())
    if settings.folds is not None:
        return _in_folds(labels, together, _checked_folds(settings.folds, possible, sizes), settings, seed)
    for folds in range(min(settings.maximum_folds, possible), 2, -1):
        try:
            return _in_folds(labels, together, folds, settings, seed)
        except InputError:
            continue
    return _in_folds(labels, together, 2, settings, seed)


def _in_folds(
    labels: Mapping[str, str], together: Mapping[str, str], folds: int, settings: SplitSettings, seed: int
) -> tuple[Split, ...]:
    """A split for each fold. A fold's test part may lack a group, as predictions of all folds are pooled."""
    return tuple(
        _hold_out(labels, together, held_out, settings, seed, where=f"fold {number} of {folds}")
        for number, held_out in enumerate(share_folds(labels, together, folds, seed), start=1)
    )


def _checked_folds(folds: int, possible: int, sizes: Counter[str]) -> int:
    if folds > possible:
        smallest = min(sizes, key=lambda group: sizes[group])
        raise InputError(
            f"split.folds: found {folds}; the smallest group, {smallest}, has {sizes[smallest]} subjects, and with "
            f"those who stay together at most {possible} folds are possible; expected no more: lower or leave it out."
        )
    return folds


def _by_table(
    labels: Mapping[str, str], parts: TableParts, settings: SplitSettings, seed: int
) -> tuple[Split, ...]:
    where = f"split.table, {settings.table}"
    if parts.split is not None:
        return (_checked(labels, [getattr(parts.split, part) for part in PARTS], where),)
    single = {subject: subject for subject in labels}
    return tuple(
        _hold_out(labels, single, fold, settings, seed, where=f"{where}, fold {name}")
        for name, fold in parts.folds.items()
    )


def _hold_out(
    labels: Mapping[str, str],
    together: Mapping[str, str],
    held_out: Sequence[str],
    settings: SplitSettings,
    seed: int,
    *,
    where: str,
) -> Split:
    """The split with `held_out` as test; of the rest, a part of every group becomes validation."""
    rest = {subject: group for subject, group in labels.items() if subject not in set(held_out)}
    share = settings.validation / (settings.train + settings.validation)
    if rest and len({together[subject] for subject in rest}) == len(rest):
        train, validation = share_out(rest, (1 - share, share), seed)
    else:
        validation = take_clusters(rest, together, share, seed)
        train = [subject for subject in rest if subject not in set(validation)]
    return _checked(labels, (train, validation, held_out), where, folds=where != "split")


def _checked(
    labels: Mapping[str, str], parts: Sequence[Sequence[str]], where: str, *, folds: bool = False
) -> Split:
    """The split of these parts. Each must have every group; the test part of a fold need only have a subject."""
    split = Split(*(tuple(sorted(part)) for part in parts))
    for part in PARTS:
        present = {labels[subject] for subject in getattr(split, part)}
        missing = sorted(set(labels.values()) - present)
        if missing and not (folds and part == "test" and present):
            raise InputError(
                f"{where}: no subject of {', '.join(missing)} came into the part for {part}; expected every group: "
                "another number of folds, other fractions, another column in split.group_by (groups must be "
                "mixed among those who stay together), or another table of the split."
            )
    return split


def _group_sizes(labels: Mapping[str, str]) -> Counter[str]:
    """Count the subjects of every group.

    Raises:
        InputError: fewer than two groups, or one with fewer subjects than there are parts.
    """
    sizes = Counter(labels.values())
    if len(sizes) < 2:
        raise InputError(
            f"participants.tsv, group: found {len(sizes)} group ({', '.join(sizes) or 'none'}) among the "
            "usable subjects; expected at least 2: add subjects of another group, or choose another "
            "column."
        )
    for group, size in sorted(sizes.items()):
        if size < len(PARTS):
            subjects = sorted(subject for subject, label in labels.items() if label == group)
            raise InputError(
                f'participants.tsv, group: "{group}" has {size} usable subject'
                f"{'s' if size > 1 else ''} ({', '.join(subjects)}); expected at least "
                f"{len(PARTS)}: one each to train, validate and test; add subjects, merge the group "
                "with another, or leave it out."
            )
    return sizes
