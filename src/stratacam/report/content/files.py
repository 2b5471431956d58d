"""Files of a finished study, read with errors that name the command which makes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import read_json, read_table

Row = Mapping[str, str]

REPEAT = "repeat the study with `stratacam run`."


def expect(path: Path, what: str) -> Path:
    """Return a path where there is a file.

    Raises:
        InputError: there is none.
    """
    if not path.is_file():
        raise missing(path, what)
    return path


def missing(path: Path, what: str) -> InputError:
    """The error of a file or folder that is not there."""
    return InputError(
        f"{path}: not found; expected {what}: the study is unfinished, go on with `stratacam run` and its TOML file."
    )


def json_if_there(path: Path) -> Mapping[str, Any]:
    """The JSON object of a file; empty where there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    return read_json(path, REPEAT) if path.is_file() else {}


def table_if_there(path: Path) -> tuple[Row, ...]:
    """The rows of a tab-separated table; none where there is no such file."""
    return tuple(read_table(path)) if path.is_file() else ()
