"""Tables as text, separated by tabs (`.tsv`) or commas (`.csv`), read strictly."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError

SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n')
QUOTED = re.compile(r'"(.*)"')
SEPARATORS = {".tsv": ("\t", "tabs"), ".csv": (",", "commas")}
MISSING = {
    "", "n/a", "na", "n.a.", "#n/a", "<na>", "nan", "none", "null", "nil", "unknown", "unk", "missing", "not available",
    "undefined", "-", "--", "?", ".",
}  # fmt: skip
"""Words, in small letters, that say that a value is missing."""


def is_missing(value: str) -> bool:
    """Whether a field says that its value is missing.

    Example:
        >>> is_missing("N/A"), is_missing("Unknown"), is_missing("control")
        (True, True, False)
    """
    return value.strip(" \"'").casefold() in MISSING


def without_prefix(label: str, prefix: str) -> str:
    """A label without its prefix, in any case.

    Example:
        >>> without_prefix("SUB-01", "sub-"), without_prefix("01", "sub-")
        ('01', '01')
    """
    return label[len(prefix) :] if label.casefold().startswith(prefix) else label


@dataclass(frozen=True)
class Row:
    """A row: its line in the file, counted from 1, and its fields by column, without spaces around them."""

    line: int
    fields: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.fields[column]


@dataclass(frozen=True)
class Table:
    """The columns and rows of a file."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path, needed: Sequence[str]) -> Table:
    r"""Read a table with a head line.

    A byte order mark, Windows line ends, empty lines, separators at the end of a line, quotes around the fields and
    a first line `sep=,`, as Excel writes it, do not matter.

    Args:
        path: `.tsv` (tabs, no quotes) or `.csv` (commas, fields may be in double quotes), UTF-8.
        needed: columns that must be there, in any order, among others.

    Raises:
        InputError: the file is missing, unreadable, empty, not UTF-8 or separated by something else, lacks a
            column or names one twice, or has a row of another length.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "scans.csv"
        >>> _ = path.write_text("subject,path\r\n01,scans/a.nii\r\n")
        >>> read_table(path, ["subject"]).rows[0]["path"]
        'scans/a.nii'
    """
    separator, separated = SEPARATORS[path.suffix.lower()]
    lines = _lines(
        path, separator, f"a table with the columns {' and '.join(needed)}, separated by {separated}"
    )
    if not lines:
        raise InputError(
            f"{path}: is empty; expected the columns {' and '.join(needed)}: write them and the rows."
        )
    columns = tuple(_without_empty_end(lines[0][1]))
    for column in needed:
        if column not in columns:
            raise InputError(
                f"{path}: has no column {column!r}; it has {', '.join(columns)}; expected {column!r}: "
                + _hint(columns, separator, separated)
            )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(f"{path}: has the column {', '.join(twice)} twice; expected it once: remove one.")
    rows = []
    for line, fields in lines[1:]:
        cells = [*fields[: len(columns)], *_without_empty_end(fields[len(columns) :])]
        if len(cells) != len(columns):
            raise InputError(
                f"{path}: row {line} has {len(cells)} fields; expected {len(columns)}, separated by "
                f"{separated}: write n/a where a value is missing."
            )
        rows.append(Row(line, dict(zip(columns, cells, strict=True))))
    return Table(path, columns, tuple(rows))


def _without_empty_end(fields: Sequence[str]) -> list[str]:
    """The fields up to the last that holds anything."""
    filled = max((place for place, field in enumerate(fields, start=1) if field), default=0)
    return list(fields[:filled])


def _lines(path: Path, separator: str, expected: str) -> list[tuple[int, list[str]]]:
    """The lines that hold anything, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected {expected}: write one.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not UTF-8 (byte {error.start}); expected UTF-8: save it as that."
        ) from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected {expected}: check its permissions."
        ) from error
    named = SEPARATOR_LINE.match(text)
    if named:
        separator = named.group(1)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
        skipinitialspace=True,
    )
    try:
        lines = [(reader.line_num, [field.strip() for field in fields]) for fields in reader]
    except csv.Error as error:
        raise InputError(
            f"{path}: line {reader.line_num} cannot be read ({error}); correct that line."
        ) from error
    lines = [(line, fields) for line, fields in lines[1 if named else 0 :] if any(fields)]
    if lines and any(map(QUOTED.fullmatch, lines[0][1])):  # a table of tabs with quotes throughout
        lines = [(line, [_unquoted(field) for field in fields]) for line, fields in lines]
    return lines


def _unquoted(field: str) -> str:
    quoted = QUOTED.fullmatch(field)
    return quoted.group(1).replace('""', '"').strip() if quoted else field


def _hint(columns: tuple[str, ...], separator: str, separated: str) -> str:
    others = (sign for sign in "\t,; " if len(columns) == 1 and sign != separator and sign in columns[0])
    found = next(others, None)
    if found is None:
        return "name the column that there is, or add it."
    return f"it seems to be separated by {found!r}: save it with {separated}."
