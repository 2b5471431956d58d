"""What the tables of a cohort say of people besides their group: age, sex, family, site."""

from collections.abc import Sequence
from pathlib import Path

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.delimited import Table, read_table
from stratacam.scans.cohort.participants import PARTICIPANTS, bids_tables, labelled, values_of_scans
from stratacam.scans.cohort.sources import is_table
from stratacam.scans.cohort.table import NEEDED, read_listed_groups


def read_people(
    source: Path, scans: Sequence[Scan], columns: Sequence[str], *, required: bool = False
) -> dict[str, dict[str, str]]:
    r"""Read columns of a cohort's tables for every scan; the case of the columns' names does not matter.

    In a BIDS folder a session's value in `sub-<label>/sub-<label>_sessions.tsv` goes before that of its subject in
    `participants.tsv`; neither table need be there. "n/a" and empty fields are absent.

    Args:
        source: the BIDS folder or table (`stratacam.scans.cohort.table`) that the scans were found in.
        scans: whose values are wanted.
        columns: that are wanted, such as "age".
        required: whether every column must be there; its fields may still be empty.

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
    tables = {"": read_table(source, NEEDED)} if is_table(source) else bids_tables(source, scans)
    for column in columns:
        spelled = {owner: name for owner, table in tables.items() if (name := _spelling(table, column))}
        if required and not spelled:
            raise InputError(_not_there(source, list(tables.values()), column))
        if is_table(source):
            values = read_listed_groups(source, spelled[""]) if spelled else {}
        else:
            values = values_of_scans(
                scans, {owner: labelled(tables[owner], name) for owner, name in spelled.items()}
            )
        for scan in scans:
            if scan.name in values:
                people[scan.name][column] = values[scan.name]
    return people


def _spelling(table: Table, column: str) -> str | None:
    """The table's spelling of a column, exact if it is there, else in any case; None if it has no such column."""
    if column in table.columns:
        return column
    alike = [name for name in table.columns if name.casefold() == column.casefold()]
    if len(alike) > 1:
        raise InputError(
            f"{table.path}: has the columns {' and '.join(alike)} for {column!r}; expected one: rename one."
        )
    return alike[0] if alike else None


def _not_there(source: Path, tables: Sequence[Table], column: str) -> str:
    if not tables:
        return (
            f"{source / PARTICIPANTS}: no such file; expected a table with the columns participant_id and "
            f"{column}: write one, or name no column."
        )
    kinds = {
        table.columns: table.path.name for table in reversed(tables)
    }  # one table for each set of columns
    there = "; ".join(f"{name} has {', '.join(columns)}" for columns, name in reversed(kinds.items()))
    return f"{tables[0].path}: has no column {column!r}; {there}; expected it in one: add it, or name another column."
