"""The scans of a cohort and their groups, from a BIDS folder or from a plain table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import check_apart, check_writable
from stratacam.scans.cohort.bids import LeftOut, Scan, find_scans
from stratacam.scans.cohort.choice import Choose
from stratacam.scans.cohort.delimited import SEPARATORS
from stratacam.scans.cohort.participants import read_scan_groups
from stratacam.scans.cohort.spelling import check_spelling, in_common
from stratacam.scans.cohort.table import find_listed_scans, listed_files, read_listed_groups
from stratacam.scans.derivatives import bids_root, made_by_stratacam
from stratacam.scans.sequences import DEFAULT_SEQUENCES


def find_cohort_scans(
    source: Path | str, sequences: Sequence[str] = DEFAULT_SEQUENCES, choose: Choose | None = None
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
            "that (`check` takes a study's TOML file as --config)."
        )
    if not is_table(source):
        return find_scans(source, sequences, choose)
    if choose:
        raise InputError(
            f"cohort.choose: found a choice of {', '.join(choose)} for the table {source}, which names each file; "
            "expected none: take it away."
        )
    return find_listed_scans(source, sequences)


def read_cohort_groups(source: Path | str, scans: Sequence[Scan], column: str = "group") -> dict[str, str]:
    """Read the groups of scans.

    Args:
        source: the BIDS folder or table that the scans were found in.
        scans: whose groups are read.
        column: of participants.tsv and sessions.tsv, or of the table.

    Returns:
        Name of the scan ("sub-01_ses-2") to group; scans without one are left out.

    Raises:
        InputError: the groups cannot be read, or one seems to be spelled in several ways.
    """
    source = Path(source)
    if is_table(source):
        listed = read_listed_groups(source, column)
        groups = {scan.name: listed[scan.name] for scan in scans if scan.name in listed}
    else:
        groups = read_scan_groups(source, scans, column)
    check_spelling(
        f"{source if is_table(source) else source / 'participants.tsv'}: column {column}", groups.values()
    )
    return groups


def group_fault(
    source: Path,
    scan: Scan,
    groups: Mapping[str, str],
    column: str,
    wanted: Sequence[str] | None,
    *,
    given: bool = False,
) -> str | None:
    """Say why a scan has no group that a study can use; None if it has one.

    Args:
        source: the BIDS folder or table.
        scan: found in it.
        groups: as `read_cohort_groups` gives them.
        column: that holds the group.
        wanted: the groups of the study; any if None.
        given: they are the classes of a trained classifier, which no setting changes.
    """
    table = source if is_table(source) else source / "participants.tsv"
    group = groups.get(scan.name)
    if group is None:
        return (
            f"{table}: no value for {scan.name} in column {column} (n/a, unknown and the like are none); "
            "fill it in, or remove the scan."
        )
    if wanted is not None and group not in wanted:
        whose, remedy = (
            ("classifier's classes", "accept that it is left out (--accept-left-out)")
            if given
            else ("study's groups", "name it in cohort.groups")
        )
        return (
            f"{table}: {scan.name} has {column} {group!r}, which is none of the {whose} ({', '.join(wanted)}); "
            f"correct it, or {remedy}."
        )
    return None


def check_groups(
    source: Path, groups: Mapping[str, str], column: str, wanted: Sequence[str] | None, *, given: bool = False
) -> None:
    """Refuse groups of a study of which the cohort spells some otherwise, or has none.

    Args:
        source: the BIDS folder or table.
        groups: as `read_cohort_groups` gives them.
        column: that holds the group.
        wanted: the groups of the study; any if None.
        given: they are the classes of a trained classifier.

    Raises:
        InputError: they are such.
    """
    there = sorted(set(groups.values()))
    if wanted is None or not there:
        return
    table = source if is_table(source) else source / "participants.tsv"
    others = [group for group in there if group not in wanted]
    alike = [
        (name, group)
        for name in wanted
        for group in others
        if name not in there and in_common(name) == in_common(group)
    ]
    setting, whose = ("model.classes", "classifier") if given else ("cohort.groups", "study")
    hint = "".join(f"did you mean {group!r} by {name!r}? " for name, group in alike)
    if alike or not set(there) & set(wanted):
        raise InputError(
            f"{table}: column {column} holds {', '.join(there)}; expected the groups of the {whose}, "
            f"{', '.join(wanted)} ({setting}); {hint}Write them alike."
        )


def check_out(out: Path, *sources: Path, may_hold_subjects: bool = False) -> None:
    """Check, before anything is written, that a folder can hold results and that no input is touched.

    Args:
        out: of the results.
        sources: BIDS folders, tables of scans and folders of results that are read; those that are not there are
            passed over.
        may_hold_subjects: whether folders sub-* without a description are taken for our own, left by a killed run.

    Raises:
        InputError: `out` is, or lies in or around, one of `sources` (see `check_apart`); holds a data set that
            stratacam did not make; or cannot be written.
    """
    check_apart([place for source in sources for place in input_places(source)], out)
    check_writable(out)
    ours = made_by_stratacam(out)
    if ours is False or (ours is None and not may_hold_subjects and any(out.glob("sub-*"))):
        raise InputError(
            f"{out}: holds a BIDS data set that stratacam did not make; expected a new folder, or one of earlier "
            "results: choose another."
        )


def input_places(source: Path) -> list[Path]:
    """Where the files of a source lie: folders that no result may be written into, and single files.

    Links to folders of subjects and sessions are followed. The folder of a table may hold results beside it.
    """
    if not is_table(source):
        linked = [link for link in (*source.glob("sub-*"), *source.glob("sub-*/*")) if link.is_symlink()]
        return [source, *linked]
    if not source.is_file():
        return []
    files = [file.resolve() for file in listed_files(source)]
    beside = source.resolve().parents
    roots = {file: bids_root(file) for file in files}
    loose = [file for file, root in roots.items() if root == file.parent and root in beside]
    return [source, *loose, *(root for file, root in roots.items() if file not in loose)]


def is_table(source: Path) -> bool:
    """Whether a source is a table by its name, rather than a folder."""
    return source.suffix.lower() in SEPARATORS and not source.is_dir()
