"""What the tables of a cohort say of people besides their group: age, sex, family, site."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.delimited import Table, is_missing, read_table, without_prefix
from stratacam.scans.cohort.participants import read_groups
from stratacam.scans.cohort.sources import is_table
from stratacam.scans.cohort.table import NEEDED, read_listed_groups

People = Mapping[str, Mapping[str, str]]
"""Name of the scan ("sub-01_ses-2") to column, as asked for, to value, where there is one."""


def read_people(
    source: Path, scans: Sequence[Scan], columns: Sequence[str], *, required: bool = False
) -> dict[str, dict[str, str]]:
    r"""Read what a cohort's tables say of every scan in some columns, however the columns are capitalised.

    In a BIDS folder a session's value in `sub-<label>/sub-<label>_sessions.tsv` goes before that of its subject in
    `participants.tsv`; neither table need be there. "n/a" and empty fields are absent.

    Args:
        source: the BIDS folder or table (`stratacam.scans.cohort.table`) that the scans were found in.
        scans: who is asked for.
        columns: asked for, such as "age".
        required: whether every column must be there; what is in its fields may still be absent.

    Returns:
        Name of every scan to column, as asked for, to value; values that are absent are left out.

    Raises:
        InputError: a table cannot be read, has two columns that differ from the one asked for in case only,
            names a person or session twice, or gives a scan two values; or a column is required and not there.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> table = "participant_id\tAge\tsex\nsub-01\t34\tF\nsub-02\tn/a\tM\n"
        >>> _ = (folder / "participants.tsv").write_text(table)
        >>> read_people(folder, [Scan("01", None, {}), Scan("02", None, {})], ["age", "sex"])
        {'sub-01': {'age': '34', 'sex': 'F'}, 'sub-02': {'sex': 'M'}}
    """
    people: dict[str, dict[str, str]] = {scan.name: {} for scan in scans}
    tables = [read_table(source, NEEDED)] if is_table(source) else _bids_tables(source, scans)
    for column in columns:
        spelled = {table.path: spelling for table in tables if (spelling := _spelling(table, column))}
        if required and not spelled:
            raise InputError(_not_there(source, tables, column))
        if is_table(source):
            values = read_listed_groups(source, spelled[source]) if spelled else {}
        else:
            values = _bids_values(source, scans, tables, spelled)
        for scan in scans:
            if scan.name in values:
                people[scan.name][column] = values[scan.name]
    return people


def _bids_tables(bids: Path, scans: Sequence[Scan]) -> list[Table]:
    """`participants.tsv` and the tables of sessions, of these scans, that are there."""
    subjects = sorted({scan.subject for scan in scans if scan.session})
    wanted = [(bids / "participants.tsv", "participant_id")]
    wanted += [(_sessions_file(bids, subject), "session_id") for subject in subjects]
    return [read_table(path, [key]) for path, key in wanted if path.is_file()]


def _bids_values(
    bids: Path, scans: Sequence[Scan], tables: Sequence[Table], spelled: Mapping[Path, str]
) -> dict[str, str]:
    """Name of the scan to its value of the column that `spelled` gives by table."""
    participants = bids / "participants.tsv"
    of_subject = read_groups(bids, spelled[participants]) if participants in spelled else {}
    of_session = {
        table.path: _sessions(table, spelled[table.path])
        for table in tables
        if table.path in spelled and table.path != participants
    }
    values = {}
    for scan in scans:
        own = of_session.get(_sessions_file(bids, scan.subject), {})
        value = own.get(f"ses-{scan.session}", of_subject.get(f"sub-{scan.subject}"))
        if value is not None:
            values[scan.name] = value
    return values


def _sessions(table: Table, column: str) -> dict[str, str]:
    """Session ("ses-1") to value."""
    values: dict[str, str] = {}
    seen: set[str] = set()
    for row in table.rows:
        label = "ses-" + without_prefix(row["session_id"], "ses-")
        if label in seen:
            raise InputError(
                f"{table.path}: row {row.line} names {label} again; expected one row for each: remove one"
            )
        seen.add(label)
        if not is_missing(row[column]):
            values[label] = row[column]
    return values


def _sessions_file(bids: Path, subject: str) -> Path:
    return bids / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"


def _spelling(table: Table, column: str) -> str | None:
    """How the table spells a column: as asked for if it does, else in any case; None if it has no such column."""
    if column in table.columns:
        return column
    alike = [name for name in table.columns if name.casefold() == column.casefold()]
    if len(alike) > 1:
        raise InputError(
            f"{table.path}: has the columns {' and '.join(alike)} for {column!r}; expected one: rename one"
        )
    return alike[0] if alike else None


def _not_there(source: Path, tables: Sequence[Table], column: str) -> str:
    if not tables:
        return (
            f"{source / 'participants.tsv'}: no such file; expected a table with the columns participant_id and "
            f"{column}: write one, or name no column"
        )
    there = "; ".join(f"{table.path.name} has {', '.join(table.columns)}" for table in _kinds(tables))
    return (
        f"{tables[0].path}: has no column {column!r}; {there}; name a column that there is, or add this one"
    )


def _kinds(tables: Sequence[Table]) -> list[Table]:
    """One table for each set of columns."""
    return list({table.columns: table for table in reversed(tables)}.values())[::-1]
