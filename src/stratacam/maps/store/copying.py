"""Maps are copied between folders and URLs, each store whole or not at all."""

import hashlib
import posixpath
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import TEMPORARY, check_apart, input_error_if_not_writable, temporary_name, whole_folder
from stratacam.maps.store.check import content_of
from stratacam.maps.store.places import (
    FOLDERS,
    ROOT,
    Place,
    file_system,
    files_below,
    inside,
    place_of,
    reached,
    read_file,
)
from stratacam.maps.store.root import MADE_AGAIN, Root

AT_ONCE = 8
"""Files that are copied at the same time."""

IN_STORE = ".zarr/"


@dataclass(frozen=True)
class Copied:
    """What became of a store.

    Attributes:
        name: below the source.
        copied: whether it was; where it was not, it was there.
        fault: if it is damaged, and so was not copied, what is wrong with it.
    """

    name: str
    copied: bool
    fault: str = ""


class ChangedError(InputError):
    """A file is not as it was written."""


def copy_maps(source: Path | str, target: Path | str) -> Iterator[Copied]:
    """Copy maps, and the files beside them, to another folder or to a URL.

    A store takes its place when it is whole: in a folder by renaming, at a URL by its root file, which is removed first
    and copied last. One that is there and whole is not copied again; at a URL, files count as whole by their sizes.

    Args:
        source: a store, a folder of maps, or a study, of which the folders that hold maps are copied.
        target: where they go, under the same names.

    Yields:
        Every store below the source.

    Raises:
        InputError: there are no maps, the target lies in or around the source, or cannot be written.
    """
    source, target = place_of(source), place_of(target)
    _check_apart(source, target)
    files = _maps_among(files_below(source))
    if ROOT in files:
        yield _copy_store("", source, target)
        return
    if not (stores := _stores_among(files)):
        raise InputError(
            f"{source}: holds no maps; expected a store, a folder of maps or a study: correct the path."
        )
    for store in stores:
        yield _copy_store(store, inside(source, store), inside(target, store))
    with input_error_if_not_writable(target) if isinstance(target, Path) else nullcontext():
        _copy([name for name in files if IN_STORE not in name], source, target)


def others_at(source: Path | str, target: Path | str) -> list[str]:
    """Names of the stores at the target of a copy that are not at its source."""
    here = _maps_among(files_below(place_of(source)))
    if ROOT in here:
        return []
    of_study = any(name.startswith(tuple(f"{one}/" for one in FOLDERS)) for name in here)
    there = [
        name
        for name in files_below(place_of(target))
        if name.startswith(tuple(f"{one}/" for one in FOLDERS) if of_study else "sub-")
    ]
    return [name for name in _stores_among(there) if name not in _stores_among(here)]


def remove_stores(place: Path | str, stores: Iterable[str]) -> None:
    """Remove stores below a place, and the files beside them of the same scan and method."""
    place = place_of(place)
    system, root = file_system(place)
    for store in stores:
        folder, _, name = store.rpartition("/")
        scan, _, method = name.removesuffix(".zarr").rpartition("_")
        with reached(place):
            _remove_store(system, f"{root}/{store}")
            for path in (
                system.ls(f"{root}/{folder}", detail=False) if system.exists(f"{root}/{folder}") else ()
            ):
                beside = str(path).rpartition("/")[2]
                if beside.startswith(f"{scan}_") and beside.partition(".")[0].endswith(f"_{method}"):
                    system.rm_file(path)


def _check_apart(source: Place, target: Place) -> None:
    """Raise InputError if the target is, or lies in or around, the source."""
    source, target = (
        place_of(place.rpartition("::")[2]) if isinstance(place, str) else place for place in (source, target)
    )
    if isinstance(source, Path) and isinstance(target, Path):
        check_apart([source], target)
        return
    (of_source, below), (of_target, above) = file_system(source), file_system(target)
    below, above = (f"{posixpath.normpath(path)}/" for path in (below, above))
    if of_source == of_target and (below.startswith(above) or above.startswith(below)):
        raise InputError(
            f"{target}: is, lies inside or around the input {source}; expected a place of its own: choose another."
        )


def _maps_among(files: Iterable[str]) -> list[str]:
    """Of a study the files of its folders of maps; but none that is being written."""
    whole = [name for name in files if TEMPORARY not in name]
    of_study = [name for name in whole if name.startswith(tuple(f"{one}/" for one in FOLDERS))]
    return of_study or whole


def _stores_among(files: Iterable[str]) -> list[str]:
    """Names of the stores that files belong to."""
    return list(dict.fromkeys(name.partition(IN_STORE)[0] + ".zarr" for name in files if IN_STORE in name))


def _copy_store(name: str, source: Place, target: Place) -> Copied:
    """Copy a store unless it is damaged, or there already."""
    try:
        root = content_of(source)
        content = read_file(inside(source, ROOT))
    except InputError as fault:
        return Copied(name, copied=False, fault=str(fault))
    with suppress(FileNotFoundError, NotADirectoryError, InputError):
        if read_file(inside(target, ROOT)) == content:
            content_of(target)
            return Copied(name, copied=False)
    try:
        if isinstance(target, Path):
            with whole_folder(target) as folder:
                _copy(root.files, source, folder, root)
                (folder / ROOT).write_bytes(content)
        else:
            system, path = file_system(target)
            with reached(target):
                _remove_store(system, path)
            _copy(root.files, source, target, root)
            with reached(target):
                system.pipe_file(f"{path}/{ROOT}", content)
            content_of(target)
    except ChangedError as fault:
        if not isinstance(target, Path):
            with reached(target):
                _remove_store(system, path)
        return Copied(name, copied=False, fault=str(fault))
    return Copied(name, copied=True)


def _remove_store(system: Any, path: str) -> None:  # noqa: ANN401 - fsspec has no types
    """Remove a store, its root file first, so that what is left if that fails is none."""
    if system.exists(path):
        if system.exists(f"{path}/{ROOT}"):
            system.rm_file(f"{path}/{ROOT}")
        if system.exists(path):
            system.rm(path, recursive=True)


def _copy(names: Iterable[str], source: Place, target: Place, root: Root | None = None) -> None:
    """Copy files, several at once.

    Files of a store, whose root is given, are compared with their SHA-256. Others get a temporary name and are renamed.

    Raises:
        ChangedError: a file of a store is not as it was written.
    """
    (from_system, below), (to_system, above) = file_system(source), file_system(target)
    known: Mapping[str, tuple[int, str]] = root.files if root else {}

    def copy(name: str) -> None:
        path = f"{above}/{name}"
        written_to = path if root else str(temporary_name(Path(path)))
        to_system.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            with (
                from_system.open(f"{below}/{name}", "rb") as read,
                to_system.open(written_to, "wb") as written,
            ):
                shutil.copyfileobj(hashed := _Hashed(read), written)
            if root and hashed.digest.hexdigest() != known[name][1]:
                raise ChangedError(f"{source}: {name} was changed after it was written; {MADE_AGAIN}")
            if not root:
                to_system.mv(written_to, path)
        finally:
            if not root and to_system.exists(written_to):
                to_system.rm_file(written_to)

    with reached(target), ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in threads.map(copy, names):
            pass


class _Hashed:
    """A file that is read, and the SHA-256 of what has been read."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - fsspec has no types
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = bytes(self._file.read(size))
        self.digest.update(block)
        return block
