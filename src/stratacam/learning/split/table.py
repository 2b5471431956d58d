"""The split as a table: read from the user, and written beside the model."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import write_table
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.split.parts import PARTS, SLICES_OF_ONE_PERSON, AnySplit, Split


@dataclass(frozen=True)
class TableParts:
    """What a table says: one split, or by fold the subjects that it holds out."""

    split: Split | None
    folds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_parts(file: Path, labels: Mapping[str, str]) -> TableParts:
    """Read a table with the columns `subject` and `part`, or `subject` and `fold`.

    Args:
        file: tab-separated, with a header. Subjects that the cohort does not have are passed over.
        labels: the subjects that must be in the table.

    Raises:
        InputError: the table cannot be read, lacks a column or a subject, or names one twice.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as table:
            rows = list(csv.DictReader(table, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise InputError(
            f"split.table: {file} cannot be read ({fault}); name a tab-separated table"
        ) from fault
    columns = set(rows[0]) if rows else set()
    column = "part" if "part" in columns else "fold"
    if not {"subject", column} <= columns:
        raise InputError(
            f"split.table: {file} has the columns {', '.join(sorted(map(str, columns))) or 'none'}; expected subject, "
            "and part or fold, separated by tabs"
        )
    value_of, faults = _values(rows, column)
    missing = sorted(set(labels) - set(value_of))
    if missing:
        faults.append(f"no row for {', '.join(missing)}; expected every usable subject: add the rows")
    if faults:
        raise InputError("\n".join(f"split.table: {file}, {fault}" for fault in faults))
    values = {value_of[subject] for subject in labels}
    if column == "part":
        if values != set(PARTS):
            raise InputError(
                f"split.table: {file}, part: found {', '.join(sorted(values))}; expected each of {', '.join(PARTS)}"
            )
        return TableParts(Split(*(tuple(sorted(s for s in labels if value_of[s] == part)) for part in PARTS)))
    if len(values) < 2:
        raise InputError(
            f"split.table: {file}, fold: found {', '.join(sorted(values))} alone; expected at least two folds"
        )
    ordered = sorted(values, key=lambda value: (not value.isdigit(), value.zfill(9)))
    return TableParts(
        None, {value: tuple(sorted(s for s in labels if value_of[s] == value)) for value in ordered}
    )


def _values(rows: Sequence[Mapping[str, str | None]], column: str) -> tuple[dict[str, str], list[str]]:
    """Subject to part or fold, and everything that is wrong with the rows."""
    value_of: dict[str, str] = {}
    faults = []
    for line, row in enumerate(rows, start=2):
        subject, value = "sub-" + (row["subject"] or "").removeprefix("sub-"), (row[column] or "").strip()
        if subject in value_of:
            faults.append(f"row {line}: names {subject} again; remove one row")
        if not value or (column == "part" and value not in PARTS):
            allowed = ", ".join(PARTS) if column == "part" else "a fold"
            faults.append(f"row {line}, {subject}: {column} is {value!r}; expected {allowed}")
        value_of[subject] = value
    return value_of, faults


def write_split(file: Path, split: AnySplit, dataset: SliceDataset) -> None:
    """Write the split as a table: subject, group and part of each subject, or of each slice where slices were split."""
    if isinstance(split, Split):
        part_of = split.part_of()
        groups = dict(zip(dataset.subjects, dataset.subject_labels(), strict=True))
        rows: list[tuple[str, ...]] = [
            (subject, dataset.classes[groups[subject]], part_of[subject]) for subject in dataset.subjects
        ]
        header: tuple[str, ...] = ("subject", "group", "part")
    else:
        header = ("subject", "scan", "slice", "group", "part", "warning")
        parts = split.rows(dataset)
        rows = [
            (
                dataset.subjects[dataset.subject[row]],
                dataset.scans[dataset.scan[row]].scan,
                str(dataset.slice_index[row]),
                dataset.classes[dataset.label[row]],
                part,
                SLICES_OF_ONE_PERSON,
            )
            for part in PARTS
            for row in parts[part]
        ]
    write_table(file, [header, *rows])
