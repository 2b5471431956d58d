"""Files that are whole or absent: written to a temporary name and renamed."""

import errno
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stratacam.errors import InputError

TEMPORARY = "-unfinished-"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` when the block ends without an exception.

    The temporary name keeps the suffixes of `path`, so that writers which choose a format by suffix work.
    Missing parent folders are made.

    Raises:
        InputError: there is no room on the disk, or it may only be read.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with whole_file(folder / "a.txt") as temporary:
        ...     _ = temporary.write_text("done")
        >>> (folder / "a.txt").read_text()
        'done'
    """
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as fault:
        if fault.errno not in NO_ROOM:
            raise
        raise InputError(
            f"{path}: cannot be written ({fault.strerror}); make room or choose another folder, and run again"
        ) from fault
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write `content` to `path` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Mapping[str, Any]:
    """The JSON object in `path`; empty if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def temporary_name(path: Path) -> Path:
    """The name beside `path` that this process gives to `path` while it is being written."""
    return path.with_name(f".{os.getpid()}{TEMPORARY}{path.name}")


def remove_leftovers(folder: Path, processes: Collection[int] | None = None) -> None:
    """Remove what killed processes left half written below `folder`.

    Args:
        folder: where to look.
        processes: whose files are removed; if absent everybody's, and nobody else may be writing there.
    """
    for path in list(folder.rglob(f".*{TEMPORARY}*")):
        process = path.name[1:].partition(TEMPORARY)[0]
        if processes is not None and process not in map(str, processes):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
