"""Tables as text, separated by tabs (`.tsv`) or commas (`.csv`), read strictly."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError

SEPARATORS = {".tsv": ("\t", "tabs"), ".csv": (",", "commas")}
NOT_AVAILABLE = {"", "n/a", "N/A", "na", "NA", "nan", "NaN"}


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
    r"""Read a table with a head line; a byte order mark, Windows line ends and empty lines do not matter.

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
        raise InputError(f"{path}: is empty; expected the columns {' and '.join(needed)}")
    columns = tuple(name.strip() for name in lines[0][1])
    for column in needed:
        if column not in columns:
            raise InputError(
                f"{path}: has no column {column!r}; it has {', '.join(columns)}; "
                + _hint(columns, separator, separated)
            )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(f"{path}: has the column {', '.join(twice)} twice; expected it once: remove one")
    rows = []
    for line, fields in lines[1:]:
        if len(fields) != len(columns):
            raise InputError(
                f"{path}: row {line} has {len(fields)} fields; expected {len(columns)}, separated by "
                f"{separated}: write n/a where a value is missing"
            )
        rows.append(Row(line, dict(zip(columns, (field.strip() for field in fields), strict=True))))
    return Table(path, columns, tuple(rows))


def _lines(path: Path, separator: str, expected: str) -> list[tuple[int, list[str]]]:
    """The lines that hold anything, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected {expected}: write one") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8 text") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected {expected}") from error
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
    )
    try:
        return [(reader.line_num, fields) for fields in reader if any(field.strip() for field in fields)]
    except csv.Error as error:
        raise InputError(
            f"{path}: line {reader.line_num} cannot be read ({error}); mend that line"
        ) from error


def _hint(columns: tuple[str, ...], separator: str, separated: str) -> str:
    others = (sign for sign in "\t,; " if len(columns) == 1 and sign != separator and sign in columns[0])
    found = next(others, None)
    if found is None:
        return "name the column that there is, or add it"
    return f"it seems to be separated by {found!r}: save it with {separated}"
