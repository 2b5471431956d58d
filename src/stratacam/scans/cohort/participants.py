"""Values that the tables of a BIDS folder give to scans: `participants.tsv` and the tables of sessions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.delimited import Table, is_missing, read_table, without_prefix

Labelled = Mapping[str, str | None]
"""Label ("sub-01" or "ses-1") to value, None where it is missing."""
PARTICIPANTS = "participants.tsv"


def read_scan_groups(bids: Path, scans: Sequence[Scan], column: str = "group") -> dict[str, str]:
    """Read the group of every scan of a BIDS folder.

    A session's group in `sub-<label>/sub-<label>_sessions.tsv` (columns `session_id` and `column`) goes before
    that of its subject in `participants.tsv`, which need not be there if the sessions name all groups.

    Args:
        bids: the folder with `participants.tsv` and the `sub-*` folders.
        scans: whose groups are wanted.
        column: the column that holds the group, in either table.

    Returns:
        Name of the scan ("sub-01_ses-2") to group; scans without one are left out.

    Raises:
        InputError: a table is missing, is not tab-separated UTF-8, lacks a column, has a row of another length,
            names a subject or session twice, or spells it in another way than its folder (case, zeros).
    """
    tables = bids_tables(bids, scans)
    labels = {owner: labelled(table, column) for owner, table in tables.items()}
    of_sessions = values_of_scans(scans, {**labels, "": {}})
    rest = [scan for scan in scans if scan.name not in of_sessions]
    participants = tables.get("")
    if rest and (participants is None or column not in participants.columns):
        read_table(bids / PARTICIPANTS, ["participant_id", column])  # raises, and names what is there
    folders: dict[str, list[str]] = {"": [f"sub-{scan.subject}" for scan in rest]}
    for scan in scans:
        if scan.session:
            folders.setdefault(f"sub-{scan.subject}", []).append(f"ses-{scan.session}")
    for owner, table in tables.items():
        _check_spelling(table.path, labels[owner], folders.get(owner, []), bids / owner)
    return values_of_scans(scans, labels)


def bids_tables(bids: Path, scans: Iterable[Scan]) -> dict[str, Table]:
    """The tables that are there: by subject ("sub-01") that of its sessions, and `participants.tsv` under ""."""
    files = {"": (bids / PARTICIPANTS, "participant_id")}
    for subject in sorted({f"sub-{scan.subject}" for scan in scans if scan.session}):
        files[subject] = (bids / subject / f"{subject}_sessions.tsv", "session_id")
    return {owner: read_table(path, [key]) for owner, (path, key) in files.items() if path.is_file()}


def labelled(table: Table, column: str, key: str | None = None) -> Labelled:
    """What a table gives every label in a column; nothing if it has no such column.

    Args:
        table: one of `bids_tables`, or any with a column of subjects.
        column: of the values.
        key: column of the subjects, if it is none of `bids_tables`.

    Raises:
        InputError: a subject or session is named twice, or two differ only in case.
    """
    values: dict[str, str | None] = {}
    if column not in table.columns:
        return values
    people = key is not None or table.path.name == PARTICIPANTS
    prefix = "sub-" if people else "ses-"
    key = key or ("participant_id" if people else "session_id")
    seen: dict[str, str] = {}
    for row in table.rows:
        label = prefix + without_prefix(row[key], prefix)
        before = seen.setdefault(label.casefold(), label)
        if label in values:
            raise InputError(
                f"{table.path}: row {row.line} names {label} again; expected one row for each: remove one."
            )
        if before != label:
            raise InputError(
                f"{table.path}: row {row.line} names {label}, another row {before}; expected labels that differ in "
                "more than case: rename one, or remove one."
            )
        values[label] = None if is_missing(row[column]) else row[column]
    return values


def values_of_scans(scans: Iterable[Scan], labels: Mapping[str, Labelled]) -> dict[str, str]:
    """Name of the scan to the value of its session, or else of its subject, where there is one."""
    values = {}
    for scan in scans:
        subject = f"sub-{scan.subject}"
        of_session = labels.get(subject, {}).get(f"ses-{scan.session}") if scan.session else None
        value = of_session or labels.get("", {}).get(subject)
        if value:
            values[scan.name] = value
    return values


def _check_spelling(path: Path, labels: Iterable[str], folders: Iterable[str], parent: Path) -> None:
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
            f"{path}: names {', '.join(other)}; expected the folder's own spelling, with the same case and zeros: "
            "correct the table."
        )


def _near(label: str) -> str:
    """What labels that may be meant for one have in common: sub-01, sub-1, sub-sub_01, sub-001."""
    plain = re.sub(r"[^a-z0-9]|^(sub|ses)[^a-z0-9]*(sub|ses)?", "", label.casefold())
    return re.sub(r"0*(\d+)", r"\1", plain)
