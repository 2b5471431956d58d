"""The scans of a cohort and their groups, from a BIDS folder or from a plain table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import Choose, LeftOut, Scan, find_scans
from stratacam.scans.cohort.delimited import SEPARATORS
from stratacam.scans.cohort.participants import read_scan_groups
from stratacam.scans.cohort.table import find_listed_scans, read_listed_groups


def find_cohort_scans(
    source: Path | str, sequences: Sequence[str] = ("T1w", "T2w", "FLAIR"), choose: Choose | None = None
) -> tuple[list[Scan], list[LeftOut]]:
    """Find the scans of a cohort.

    Args:
        source: a BIDS folder (`stratacam.scans.cohort.bids`), or a table of files (`stratacam.scans.cohort.table`).
        sequences: that every scan must have, "T1w" among them.
        choose: by sequence, the BIDS entities that its file must have; for BIDS folders only.

    Returns:
        The scans, sorted by name, and those that cannot be used, with the reason.

    Raises:
        InputError: the source as a whole cannot be used.
    """
    source = Path(source)
    if source.is_file() and not is_table(source):
        raise InputError(
            f"{source}: is a file; expected a BIDS folder, or a table (.csv, .tsv) of the scans as delivered: name "
            "that (`check` takes a study's TOML file as --config)"
        )
    if not is_table(source):
        return find_scans(source, sequences, choose)
    if choose:
        raise InputError(
            f"cohort.choose: found a choice of {', '.join(choose)} for the table {source}, which names each file; "
            "expected none: take it away"
        )
    return find_listed_scans(source, sequences)


def read_cohort_groups(source: Path | str, scans: Sequence[Scan], column: str = "group") -> dict[str, str]:
    """Read the groups of scans.

    Args:
        source: the BIDS folder or table that the scans were found in.
        scans: whose groups are asked for.
        column: of participants.tsv and sessions.tsv, or of the table.

    Returns:
        Name of the scan ("sub-01_ses-2") to group; scans without one are left out.

    Raises:
        InputError: the groups cannot be read.
    """
    source = Path(source)
    if not is_table(source):
        return read_scan_groups(source, scans, column)
    groups = read_listed_groups(source, column)
    return {scan.name: groups[scan.name] for scan in scans if scan.name in groups}


def group_fault(
    source: Path, scan: Scan, groups: Mapping[str, str], column: str, wanted: Sequence[str] | None
) -> str | None:
    """Say why a scan has no group that it could be told apart by, or None if it has one.

    Args:
        source: the BIDS folder or table.
        scan: found in it.
        groups: as `read_cohort_groups` gives them.
        column: that holds the group.
        wanted: the groups of the study; any if None.
    """
    table = source if is_table(source) else source / "participants.tsv"
    group = groups.get(scan.name)
    if group is None:
        return f"{table}: no value for {scan.name} in column {column}; fill it in, or remove the scan."
    if wanted is not None and group not in wanted:
        return (
            f"{table}: {scan.name} has {column} {group!r}, which is none of the study's groups "
            f"({', '.join(wanted)}); mend it, or name it in cohort.groups."
        )
    return None


def is_table(source: Path) -> bool:
    """Whether a source is a table by its name, rather than a folder."""
    return source.suffix.lower() in SEPARATORS and not source.is_dir()
