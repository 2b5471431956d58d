"""Files that are whole or absent: written to a temporary name and renamed. Folders of results lie apart from inputs."""

import csv
import errno
import json
import math
import os
import shutil
import socket
import tomllib
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.fence import check_fence

TEMPORARY = "-unfinished-"
RECORDS = ".stratacam"
"""Folder of the records of what is done, in every folder that work is done in."""

NOT_WRITABLE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EIO,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.EPERM,
    errno.EROFS,
    errno.ESTALE,
}
"""What keeps a file from being written, whatever the program does."""


def check_apart(inputs: Iterable[Path], out: Path) -> None:
    """Raise InputError if results at `out` would be written into, over or around an input.

    Links and `..` are resolved. Inputs that do not exist are passed over.

    Args:
        inputs: folders, in or around which `out` may not lie, and files, which may not lie in it.
        out: folder or file of the results; need not exist.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> check_apart([folder / "scans"], folder / "prepared")
    """
    for given in inputs:
        with input_error_if_not_writable(out):
            if not given.exists():
                continue
            around, inside = _is_inside(given, out), _is_inside(out, given)
        if around or inside:
            place = "lies around" if not inside else "lies inside" if not around else "is"
            raise InputError(
                f"{out}: {place} the input {given}; expected a place of its own, as inputs are never written to: "
                "choose another for the results, such as a folder beside the input"
            )


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether `path` is `folder` or lies below it."""
    path, folder = _real(path), _real(folder)
    return folder.exists() and any(
        place.exists() and place.samefile(folder) for place in (path, *path.parents)
    )


def _real(path: Path) -> Path:
    """Without links and `..`; where links lead in a circle, the path as it is, which the system then refuses."""
    return Path(os.path.realpath(path))


def check_writable(folder: Path) -> None:
    """Raise InputError unless files can be written in a folder; one that is not there is made and removed again."""
    with input_error_if_not_writable(folder):
        folder = _real(folder)
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        trial = temporary_name(folder / "trial")
        trial.touch()
        trial.unlink()
    with suppress(OSError):
        for place in missing:
            place.rmdir()


@contextmanager
def input_error_if_not_writable(path: Path) -> Iterator[None]:
    """Turn what the system says about a place that cannot be written into an InputError that names `path`."""
    try:
        yield
    except OSError as fault:
        place = _real(path)
        named = _real(Path(fault.filename)) if isinstance(fault.filename, str) else place
        elsewhere = place.parent not in (named, *named.parents) and named not in place.parents
        if elsewhere or fault.errno not in NOT_WRITABLE:
            raise
        raise InputError(
            f"{path}: cannot be written ({_reason(path, fault)}); make room, give yourself the right to write there, "
            "or choose another folder, and run again"
        ) from fault


def _reason(path: Path, fault: OSError) -> str:
    """What the system says; and the file that stands where a folder should, if there is one."""
    if fault.errno in {errno.EEXIST, errno.ENOTDIR}:
        in_the_way = next((parent for parent in (path, *path.parents) if parent.is_file()), path)
        return f"{in_the_way} is a file, not a folder"
    return str(fault.strerror)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` when the block ends without an exception.

    The temporary name keeps the suffixes of `path`, so that writers which choose a format by suffix work.
    Missing parent folders are made.

    Raises:
        InputError: the file cannot be written: no room on the disk, no right to write, a file where a folder should be.

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
        with input_error_if_not_writable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            check_fence()
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path` that takes its place when the block ends without an exception.

    Raises:
        InputError: it cannot be written, as for `whole_file`.
    """
    temporary = temporary_name(path)
    try:
        with input_error_if_not_writable(path):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            yield temporary
            put_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def put_folder(folder: Path, path: Path) -> None:
    """Rename `folder`, which has a temporary name, to `path`; what was there goes whole: no part is ever left there."""
    check_fence()
    if path.is_symlink():
        path.unlink()
    if not path.is_dir():
        folder.rename(path)
        return
    before = folder.with_name(f"{folder.name}-before")
    shutil.rmtree(before, ignore_errors=True)
    path.rename(before)
    folder.rename(path)
    shutil.rmtree(before, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_private(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all, so that only its owner can read it (mode 0600 from the start)."""
    with whole_file(path) as temporary:
        opened = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(content)


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write `content` to `path` as indented JSON, whole or not at all; NaN and infinity, which JSON lacks, as null."""
    text = json.dumps(without_nan(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def without_nan(content: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """The same content with None for NaN and infinity, which JSON lacks."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_nan(value) for value in content]
    return content


def read_json(path: Path, remedy: str = "") -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: the file.
        remedy: what to do about a file that is missing or damaged; without a remedy it counts as empty.

    Raises:
        InputError: there is a remedy, and the file is missing, damaged or holds no JSON object.
    """
    found: object = "it holds no JSON object"
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as fault:
        if not remedy and not isinstance(fault, FileNotFoundError | ValueError):
            raise
        found = fault
    else:
        if isinstance(content, dict):
            return content
    if remedy:
        raise InputError(f"{path}: cannot be read ({found}); {remedy}")
    return {}


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a tab-separated table, each by its columns."""
    with path.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def write_table(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write rows, of which the first names the columns, as a tab-separated table, whole or not at all."""
    write_text(path, "".join("\t".join(map(str, row)) + "\n" for row in rows))


def read_toml(path: Path, remedy: str) -> dict[str, Any]:
    """The content of a TOML file; `remedy` is for one that cannot be read.

    Raises:
        InputError: the file cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise InputError(f"{path}: cannot be read ({fault.strerror}); {remedy}") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise InputError(f"{path}: is not TOML ({fault}); correct that line") from fault


def temporary_name(path: Path) -> Path:
    """The name beside `path` that this process of this machine gives to `path` while it is being written."""
    return path.with_name(f".{_writer(os.getpid())}{TEMPORARY}{path.name}")


def _writer(process: int) -> str:
    """A process of this machine, as no other machine that writes to the same folders names its own."""
    return f"{_machine()}-{process}"


@cache
def _machine() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def remove_leftovers(folder: Path, processes: Collection[int] | None = None) -> None:
    """Remove what killed processes left half written below `folder`.

    Args:
        folder: where to look.
        processes: of this machine, whose files are removed; if absent everybody's: nobody else may be writing there.
    """
    writers = None if processes is None else set(map(_writer, processes))
    for path in list(folder.rglob(f".*{TEMPORARY}*")):
        if writers is not None and path.name[1:].partition(TEMPORARY)[0] not in writers:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
