"""How an output was left: its sizes, times and content."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Stamp = dict[str, Any]
"""Bytes, a hash of names, sizes and times, and SHA-256, of a file, or of a folder with all that is in it."""


def stamp(path: Path) -> Stamp | None:
    """The stamp of a file or folder; None where there is none."""
    seen = _seen(path)
    return seen and {**seen, "sha256": _digest(path)}


def stamps(paths: Iterable[Path]) -> list[Stamp | None]:
    """The stamps of several."""
    return [stamp(path) for path in paths]


def looks_as_left(path: Path, left: Stamp | None) -> bool:
    """Whether an output has the sizes and times of its stamp, or neither is there."""
    seen = _seen(path)
    if seen is None or not isinstance(left, Mapping):
        return seen is None and left is None
    return seen == {name: left.get(name) for name in seen}


def is_as_left(path: Path, left: Stamp | None) -> bool:
    """Whether an output is as its stamp says: by sizes and times, or else, as after copying, by content."""
    if looks_as_left(path, left):
        return True
    seen = _seen(path)
    if seen is None or not isinstance(left, Mapping) or seen["bytes"] != left.get("bytes"):
        return False
    return _digest(path) == left.get("sha256")


def _seen(path: Path) -> Stamp | None:
    """What a look at the folder tells.

    With the time of the last change of each file's entry (ctime), which no program can set: a file that was changed, or
    copied with its times, differs.
    """
    if path.is_dir():
        found = {file.relative_to(path).as_posix(): file.stat() for file in sorted(_files(path))}
    else:
        try:
            found = {"": path.stat()}
        except FileNotFoundError:
            return None
    entries = [[name, one.st_size, one.st_mtime_ns, one.st_ctime_ns] for name, one in found.items()]
    return {
        "bytes": sum(one.st_size for one in found.values()),
        "seen": hashlib.sha256(json.dumps(entries).encode()).hexdigest()[:32],
    }


def _digest(path: Path) -> str:
    if path.is_dir():
        whole = hashlib.sha256()
        for file in sorted(_files(path)):
            whole.update(f"{file.relative_to(path).as_posix()}\0{_digest(file)}\0".encode())
        return whole.hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
