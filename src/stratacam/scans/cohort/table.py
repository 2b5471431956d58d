"""A plain table of scans, one row for each file, for those without BIDS."""

from collections.abc import Sequence
from pathlib import Path

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import SESSION, SUBJECT, LeftOut, Scan, check_sequences, scan_name
from stratacam.scans.cohort.delimited import Row, Table, is_missing, read_table, without_prefix
from stratacam.scans.image_file import conversion, image_end
from stratacam.scans.sequences import DEFAULT_SEQUENCES

NEEDED = ("subject", "sequence", "path")
BRAIN_MASK = "brain_mask"


def find_listed_scans(
    path: Path, sequences: Sequence[str] = DEFAULT_SEQUENCES
) -> tuple[list[Scan], list[LeftOut]]:
    """Find the scans that a table lists.

    Columns: `subject` and `session` (which may be absent or empty): letters and digits; `sequence`: "T1w", "T2w",
    ..., or "brain_mask" for a mask on the grid of the T1w, in any case; `path`: an image, relative to the table's
    folder.
    Rows of sequences that are not asked for are passed over.

    Args:
        path: `.csv` or `.tsv`.
        sequences: that every scan must have, "T1w" among them.

    Returns:
        The scans, sorted by name, and those that lack a sequence or a file, with the reason.

    Raises:
        InputError: the table cannot be read, or rows are wrong; all of them are named.
    """
    check_sequences(sequences)
    by_scan: dict[str, dict[str, Row]] = {}  # by scan and sequence, in small letters
    for row in _checked(path).rows:
        by_scan.setdefault(scan_name(*labels(row)), {})[row["sequence"].casefold()] = row
    names = {sequence: sequence.casefold() for sequence in (*sequences, BRAIN_MASK)}
    scans: list[Scan] = []
    left_out: list[LeftOut] = []
    for name, rows in sorted(by_scan.items()):
        missing = [sequence for sequence in sequences if names[sequence] not in rows]
        faults = []
        if missing:
            faults.append(
                f"no {', '.join(missing)}: add the row, or ask for fewer sequences (--sequences, cohort.sequences)"
            )
        faults += [
            f"row {row.line}: its sequence {row['sequence']!r} is not known; write {sequence} if it is that"
            for sequence, name in names.items()
            for key, row in rows.items()
            if name not in rows and _near(key) == _near(name)
        ]
        wanted = [rows[name] for name in names.values() if name in rows]
        faults += [fault for row in wanted if (fault := _file_fault(path, row))]
        if faults:
            left_out.append(LeftOut(name, f"{path}: {'; '.join(faults)}."))
            continue
        subject, session = labels(wanted[0])
        mask = path.parent / rows[BRAIN_MASK]["path"] if BRAIN_MASK in rows else None
        images = {sequence: path.parent / rows[names[sequence]]["path"] for sequence in sequences}
        scans.append(Scan(subject, session, images, mask))
    return scans, left_out


def read_listed_groups(path: Path, column: str = "group") -> dict[str, str]:
    """Read the group of every scan from a table of scans; rows that leave it empty follow the others.

    Returns:
        Name of the scan ("sub-01_ses-2") to group; scans without one are left out.

    Raises:
        InputError: the table cannot be read or lacks the column, rows are wrong, or the rows of one scan name
            two groups.
    """
    groups: dict[str, str] = {}
    faults = []
    for row in _checked(path, column).rows:
        group = row[column]
        name = scan_name(*labels(row))
        if not is_missing(group) and groups.setdefault(name, group) != group:
            faults.append(
                f"{path}: row {row.line} gives {name} the {column} {group!r}, an earlier row {groups[name]!r}; "
                "expected one for each scan: correct one."
            )
    if faults:
        raise InputError("\n".join(faults))
    return groups


def listed_files(path: Path) -> list[Path]:
    """The files that a table names, whether or not they are there."""
    return [path.parent / row["path"] for row in read_table(path, NEEDED).rows if row["path"]]


def labels(row: Row) -> tuple[str, str | None]:
    """The subject and session of a row, without "sub-" and "ses-"."""
    session = row.fields.get("session", "")
    return without_prefix(row["subject"], "sub-"), (
        None if is_missing(session) else without_prefix(session, "ses-")
    )


def _checked(path: Path, *columns: str) -> Table:
    """The table, whose rows can all be used; every wrong one is named."""
    table = read_table(path, [*NEEDED, *columns])
    if not table.rows:
        raise InputError(f"{path}: lists no scan; expected one row for each file: add the rows.")
    if faults := [*(fault for row in table.rows for fault in _label_faults(row)), *_clashes(table)]:
        raise InputError("\n".join(f"{path}: {fault}." for fault in faults))
    return table


def _label_faults(row: Row) -> list[str]:
    subject, session = labels(row)
    wrong = [] if SUBJECT.fullmatch(f"sub-{subject}") else ["subject"]
    if session is not None and not SESSION.fullmatch(f"ses-{session}"):
        wrong.append("session")
    faults = [
        f"row {row.line}: {what} {row[what]!r} is no label; expected letters and digits only: rename it"
        for what in wrong
    ]
    faults += [
        f"row {row.line}: {column} is empty; expected a value: fill it in"
        for column in NEEDED[1:]
        if not row[column]
    ]
    return faults


def _clashes(table: Table) -> list[str]:
    """Rows that cannot stand beside earlier ones."""
    faults = []
    spelled: dict[str, str] = {}
    files: dict[Path, tuple[str, int]] = {}
    places: dict[tuple[str, str], int] = {}
    for row in table.rows:
        name, sequence = scan_name(*labels(row)), row["sequence"].casefold()
        before = spelled.setdefault(name.casefold(), name)
        if before != name:
            faults.append(
                f"row {row.line}: {name} differs from {before} of an earlier row only in case; expected one "
                "spelling, or labels that differ in more: rename one"
            )
        first = places.setdefault((name, sequence), row.line)
        if first != row.line:
            faults.append(
                f"row {row.line}: {name} has {row['sequence']} in row {first} already; expected one: remove one"
            )
            continue
        owner, line = files.setdefault((table.path.parent / row["path"]).resolve(), (name, row.line))
        if line != row.line:
            faults.append(
                f"row {row.line}: {row['path']} is the file of row {line} ({owner}); expected a file of its own: "
                "correct the path"
            )
    return faults


def _near(sequence: str) -> str:
    """What a sequence has in common with those that it may be meant for: T1 and T1w, brain-mask and brain_mask."""
    return "".join(filter(str.isalnum, sequence.casefold())).removesuffix("w")


def _file_fault(path: Path, row: Row) -> str | None:
    file = path.parent / row["path"]
    if not image_end(file.name):
        remedy = conversion(row["path"]) or f"{row['path']} is no NIfTI file; convert it to .nii.gz"
        return f"row {row.line}: {remedy}"
    if not file.is_file():
        return f"row {row.line}: {file}: no such file; expected a path relative to the table's folder: correct it"
    return None
