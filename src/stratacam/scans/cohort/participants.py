"""The groups that the tables of a BIDS folder give to subjects and to sessions."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.delimited import Table, is_missing, read_table, without_prefix


def read_groups(bids: Path, column: str = "group") -> dict[str, str]:
    r"""Read the group of every subject from `participants.tsv`.

    Args:
        bids: the folder with `participants.tsv`.
        column: the column that holds the group.

    Returns:
        Subject ("sub-01") to group; subjects whose group is "n/a" or empty are left out.

    Raises:
        InputError: the table is missing, is not tab-separated UTF-8, lacks a column, has a row of another
            length, or names a subject twice, be it in other case.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> table = "participant_id\tgroup\nsub-01\tRRMS\nsub-02\tn/a\n"
        >>> _ = (folder / "participants.tsv").write_text(table)
        >>> read_groups(folder)
        {'sub-01': 'RRMS'}
    """
    return _known(_participants(bids, column))


def read_scan_groups(bids: Path, scans: Sequence[Scan], column: str = "group") -> dict[str, str]:
    """Read the group of every scan of a BIDS folder.

    A session's group in `sub-<label>/sub-<label>_sessions.tsv` (columns `session_id` and `column`) goes before
    that of its subject in `participants.tsv`, which need not be there if the sessions name all groups.

    Args:
        bids: the folder with `participants.tsv` and the `sub-*` folders.
        scans: whose groups are asked for.
        column: the column that holds the group, in either table.

    Returns:
        Name of the scan ("sub-01_ses-2") to group; scans without one are left out.

    Raises:
        InputError: a table cannot be read (see `read_groups`), or spells subjects or sessions in another way than
            their folders: in other case, or with other zeros.
    """
    groups: dict[str, str] = {}
    by_subject: dict[str, list[Scan]] = {}
    for scan in scans:
        by_subject.setdefault(f"sub-{scan.subject}", []).append(scan)
    for subject, own_scans in by_subject.items():
        path = bids / subject / f"{subject}_sessions.tsv"
        if not path.is_file():
            continue
        of_session = _labelled(read_table(path, ["session_id"]), "session_id", "ses-", column)
        own = {f"ses-{scan.session}": scan.name for scan in own_scans if scan.session}
        _check_spelling(path, of_session, own, bids / subject)
        groups |= {own[label]: group for label, group in _known(of_session).items() if label in own}
    rest = [scan for scan in scans if scan.name not in groups]
    if rest:
        of_subject = _participants(bids, column)
        _check_spelling(bids / "participants.tsv", of_subject, [f"sub-{scan.subject}" for scan in rest], bids)
        known = _known(of_subject)
        groups |= {scan.name: known[label] for scan in rest if (label := f"sub-{scan.subject}") in known}
    return groups


def _participants(bids: Path, column: str) -> dict[str, str | None]:
    table = read_table(bids / "participants.tsv", ["participant_id", column])
    return _labelled(table, "participant_id", "sub-", column)


def _labelled(table: Table, id_column: str, prefix: str, column: str) -> dict[str, str | None]:
    """Label ("sub-01") to group, None where it is not available; nothing if there is no such column."""
    groups: dict[str, str | None] = {}
    seen: dict[str, str] = {}
    if column not in table.columns:
        return groups
    for row in table.rows:
        label = prefix + without_prefix(row[id_column], prefix)
        before = seen.setdefault(label.casefold(), label)
        if label in groups:
            raise InputError(
                f"{table.path}: row {row.line} names {label} again; expected one row for each: remove one"
            )
        if before != label:
            raise InputError(
                f"{table.path}: row {row.line} names {label}, another row {before}; expected labels that differ in "
                "more than case: rename one, or remove one"
            )
        groups[label] = None if is_missing(row[column]) else row[column]
    return groups


def _known(groups: dict[str, str | None]) -> dict[str, str]:
    return {label: group for label, group in groups.items() if group is not None}


def _check_spelling(path: Path, labels: dict[str, str | None], folders: Iterable[str], parent: Path) -> None:
    """Raise InputError where a folder without a row has one that is spelled nearly so and has no folder itself."""
    there = {folder.name for folder in parent.iterdir()}
    near = {_near(label): label for label in labels if label not in there}
    other = [
        f"{near[_near(folder)]} (folder {folder})"
        for folder in sorted(set(folders))
        if folder not in labels and _near(folder) in near
    ]
    if other:
        raise InputError(
            f"{path}: names {', '.join(other)}; expected the folder's own spelling, with the same case and zeros: mend "
            "the table"
        )


def _near(label: str) -> str:
    """What labels have in common that may be meant for one: sub-01, sub-1, sub-sub_01, sub-001."""
    plain = re.sub(r"[^a-z0-9]|^(sub|ses)[^a-z0-9]*(sub|ses)?", "", label.casefold())
    return re.sub(r"0*(\d+)", r"\1", plain)
