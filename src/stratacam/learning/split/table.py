"""The split as a table: read from the user, and written beside the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import write_table
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.split.parts import PARTS, SLICES_OF_ONE_PERSON, AnySplit, Split
from stratacam.scans.cohort.delimited import SEPARATORS, read_table
from stratacam.scans.cohort.participants import labelled


@dataclass(frozen=True)
class TableParts:
    """What a table says: one split, or by fold the subjects that it holds out."""

    split: Split | None
    folds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_parts(file: Path, labels: Mapping[str, str]) -> TableParts:
    """Read a table with the columns `subject` and `part`, or `subject` and `fold`.

    Args:
        file: `.tsv` or `.csv`, with a header. Subjects that the cohort does not have are passed over.
        labels: the subjects that must be in the table.

    Raises:
        InputError: the table cannot be read, lacks a column or a subject, or names one twice.
    """
    if file.suffix.lower() not in SEPARATORS:
        raise InputError(
            f"split.table: {file} ends in {file.suffix!r}; expected one of {', '.join(SEPARATORS)}: "
            "save it as one of these."
        )
    table = read_table(file, ["subject"])
    column = "part" if "part" in table.columns else "fold"
    if column not in table.columns:
        raise InputError(
            f"split.table: {file} has the columns {', '.join(table.columns)}; expected subject, and part or fold: "
            "add them."
        )
    value_of = {label: value or "" for label, value in labelled(table, column, key="subject").items()}
    known = {value for value in value_of.values() if value in PARTS or (value and column == "fold")}
    faults = [
        f"row {row.line}, {subject}: {column} is {value!r}; expected "
        + (", ".join(PARTS) if column == "part" else "a fold")
        + ": correct it"
        for row, (subject, value) in zip(table.rows, value_of.items(), strict=True)
        if value not in known
    ]
    missing = sorted(set(labels) - set(value_of))
    if missing:
        faults.append(f"no row for {', '.join(missing)}; expected every usable subject: add the rows")
    if faults:
        raise InputError("\n".join(f"split.table: {file}, {fault}." for fault in faults))
    held = {value: tuple(sorted(one for one in labels if value_of[one] == value)) for value in known}
    present = sorted(value for value in held if held[value])
    if column == "part" and set(present) != set(PARTS):
        raise InputError(
            f"split.table: {file}, part: found {', '.join(present)}; expected each of {', '.join(PARTS)}: "
            "correct the table."
        )
    if column == "part":
        return TableParts(Split(*(held[part] for part in PARTS)))
    if len(present) < 2:
        raise InputError(
            f"split.table: {file}, fold: found only {', '.join(present)}; expected at least two folds: "
            "correct the table."
        )
    ordered = sorted(present, key=lambda value: (not value.isdigit(), value.zfill(9)))
    return TableParts(None, {value: held[value] for value in ordered})


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
