"""Files of a finished study, read with errors that name the command which makes them."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stratacam.errors import InputError

Row = Mapping[str, str]


def expect(path: Path, what: str, command: str = "stratacam run") -> None:
    """Check that a file is there.

    Raises:
        InputError: it is not.
    """
    if not path.is_file():
        raise missing(path, what, command)


def missing(path: Path, what: str, command: str) -> InputError:
    """The error of a file or folder that is not there."""
    return InputError(f"{path}: not found; expected {what}: the study is unfinished, go on with `{command}`.")


def read_table(path: Path) -> tuple[Row, ...]:
    """Read the rows of a tab-separated table."""
    with path.open(encoding="utf-8", newline="") as table:
        return tuple(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def read_table_if_there(path: Path) -> tuple[Row, ...]:
    """Read the rows of a tab-separated table; none where there is no such file."""
    return read_table(path) if path.is_file() else ()


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as fault:
        raise InputError(
            f"{path}: cannot be read ({fault}); repeat the study with `stratacam run`."
        ) from fault
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object; repeat the study with `stratacam run`.")
    return content


def read_json_if_there(path: Path) -> Mapping[str, Any]:
    """Read a JSON object; an empty one where there is no such file."""
    return read_json(path) if path.is_file() else {}
