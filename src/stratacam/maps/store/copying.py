"""Maps are copied between folders and URLs, each store whole or not at all."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import TEMPORARY, check_apart
from stratacam.maps.store.check import sizes_of
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

AT_ONCE = 8
"""Files that are copied at the same time."""


def copy_maps(source: Path | str, target: Path | str) -> Iterator[tuple[str, bool]]:
    """Copy maps, and the files beside them, to another folder or to a URL.

    The root file of a store is removed first and copied last, so that a copy that was broken off is no store; a store
    that is there already is not copied again.

    Args:
        source: a store, a folder of maps, or a study, of which the folders that hold maps are copied.
        target: where they go, under the same names.

    Yields:
        Name of every store below the source, and whether it was copied; False where it was there.

    Raises:
        InputError: there are no maps, a store lacks files, or the target cannot be written.
    """
    source, target = place_of(source), place_of(target)
    if isinstance(source, Path) and isinstance(target, Path):
        check_apart([source], target)
    files = [name for name in files_below(source) if TEMPORARY not in name]
    if any(name.startswith(tuple(f"{one}/" for one in FOLDERS)) for name in files):
        files = [name for name in files if name.partition("/")[0] in FOLDERS]
    roots = [name for name in files if name.endswith(f".zarr/{ROOT}") or name == ROOT]
    if not roots:
        raise InputError(
            f"{source}: holds no maps; expected a store, a folder of maps or a study: correct the path."
        )
    for root in roots:
        store = root.removesuffix(ROOT).rstrip("/")
        yield store, _copy_store(_below(source, store), _below(target, store))
    _copy([name for name in files if ".zarr/" not in name and ROOT not in roots], source, target)


def _copy_store(source: Place, target: Place) -> bool:
    """Copy a store unless it is there; whether it was copied."""
    sizes_of(source)
    content = read_file(inside(source, ROOT))
    try:
        if read_file(inside(target, ROOT)) == content:
            sizes_of(target)
            return False
    except (FileNotFoundError, InputError):
        pass
    system, path = file_system(target)
    with reached(target):
        if system.exists(path):
            if system.exists(f"{path}/{ROOT}"):
                system.rm_file(f"{path}/{ROOT}")
            system.rm(path, recursive=True)
    _copy([name for name in files_below(source) if name != ROOT], source, target)
    _copy([ROOT], source, target)
    sizes_of(target)
    return True


def _copy(names: list[str], source: Place, target: Place) -> None:
    """Copy files, several at once."""
    (from_system, below), (to_system, above) = file_system(source), file_system(target)

    def copy(name: str) -> None:
        to_system.makedirs(f"{above}/{name}".rpartition("/")[0], exist_ok=True)
        with (
            from_system.open(f"{below}/{name}", "rb") as read,
            to_system.open(f"{above}/{name}", "wb") as written,
        ):
            shutil.copyfileobj(read, written)

    with reached(target), ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in threads.map(copy, names):
            pass


def _below(place: Place, name: str) -> Place:
    return inside(place, name) if name else place
