"""Tables of evidence: rows of one kind, a `NamedTuple` of words and numbers, as tab-separated text."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from stratacam.errors import InputError
from stratacam.files import write_table

Row = TypeVar("Row", bound=tuple[Any, ...])

NONE = "n/a"
"""What is written for a number that is none."""

READ: dict[type, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: lambda cell: math.nan if cell == NONE else float(cell),
}


def write_rows(path: Path, rows: Sequence[Row], kind: type[Row]) -> None:
    """Write rows of one kind; numbers with six digits."""
    write_table(path, [kind.__annotations__, *(map(_cell, row) for row in rows)])


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read what `write_rows` wrote.

    Raises:
        InputError: the table is missing or damaged.
    """
    columns = kind.__annotations__
    readers = [READ[column] for column in columns.values()]
    try:
        header, *lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        rows = [kind(*(read(cell) for read, cell in zip(readers, line, strict=True))) for line in lines]
        found = f"columns {', '.join(header)}"
    except (OSError, ValueError) as fault:
        header, found = [], str(fault)
    if header != list(columns):
        raise InputError(
            f"{path}: cannot be read ({found}); expected columns {', '.join(columns)}: remove it and run "
            "`stratacam evidence` again."
        )
    return rows


def _cell(value: object) -> str:
    if isinstance(value, float):
        return NONE if math.isnan(value) else f"{value:.6g}"
    return str(value)
