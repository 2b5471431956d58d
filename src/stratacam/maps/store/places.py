"""Where a store lies: in a folder, or at a URL that fsspec knows, such as `s3://bucket/maps`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore

from stratacam.errors import InputError

Place = Path | str
"""A path, or a URL."""

ROOT = "zarr.json"
"""The file that makes a folder a store; it is written last."""

STORE = re.compile(r"sub-[^/]+/(?:ses-[^/]+/)?anat/[^./][^/]*\.zarr(?=/)")
"""Where a store lies below a folder of maps."""

LOCAL = ("file://", "local://")
"""How URLs of folders of this machine begin."""

ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)(.*)")
"""A URL that lacks a slash, as `Path` writes it: taken for a path it would be a new folder where the program runs."""

FOLDERS = ("maps", "recommended")
"""Of a study, that hold maps."""


def place_of(given: Path | str) -> Place:
    """A URL as it is, without a slash at its end; one of this machine, and anything else, as a path.

    Raises:
        InputError: it is neither a URL nor a path.

    Example:
        >>> place_of("s3://bucket/maps/"), str(place_of("file:///data/maps"))
        ('s3://bucket/maps', '/data/maps')
    """
    if lacking := ONE_SLASH.match(str(given)):
        raise InputError(
            f"{given}: is neither a URL nor a path; expected {lacking[1]}://{lacking[2]}, or the absolute path of a "
            "folder of that name: correct it."
        )
    if not (isinstance(given, str) and is_url(given)):
        return Path(given)
    if given.startswith(LOCAL):
        path = Path(given.partition("://")[2])
        if not path.is_absolute():
            raise InputError(f"{given}: is no folder; expected file:///, then its absolute path: correct it.")
        return path
    return given.rstrip("/")


def is_url(given: Path | str) -> bool:
    """Whether a place is a URL.

    Example:
        >>> is_url("s3://bucket/maps"), is_url("maps"), is_url(Path("maps"))
        (True, False, False)
    """
    return isinstance(given, str) and "://" in given


def inside(place: Place, name: str) -> Place:
    """What lies below a place by the name of `name`, which may have slashes."""
    return place / name if isinstance(place, Path) else f"{place}/{name}"


def parent_of(place: Place) -> Place:
    """The place that a place lies in."""
    return place.parent if isinstance(place, Path) else place.rpartition("/")[0]


def name_of(place: Place) -> str:
    """The last part of a place."""
    return place.name if isinstance(place, Path) else place.rpartition("/")[2]


def zarr_store(place: Place) -> Store:
    """What zarr reads a store from."""
    if isinstance(place, Path):
        return LocalStore(place, read_only=True)
    with reached(place):
        return FsspecStore.from_url(place, read_only=True)


def read_file(place: Place) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: it is not there.
        InputError: the URL cannot be read.
    """
    if isinstance(place, Path):
        return place.read_bytes()
    system, path = file_system(place)
    with reached(place):
        return bytes(system.cat_file(path))


def files_below(place: Place) -> dict[str, int]:
    """Name and bytes of every file below a place, sorted by name; none where there is no such place."""
    system, root = file_system(place)
    with reached(place):
        system.invalidate_cache()
        found = system.find(root, detail=True)
    return {name[len(root) :].lstrip("/"): int(one["size"]) for name, one in sorted(found.items())}


def stores_below(place: Place) -> list[Place]:
    """The stores below a folder of maps, sorted by name; none where there are none."""
    if isinstance(place, Path):
        return sorted(
            path for anat in ("anat", "ses-*/anat") for path in place.glob(f"sub-*/{anat}/[!.]*.zarr")
        )
    names = {found[0] for name in files_below(place) if (found := STORE.match(name))}
    return [inside(place, name) for name in sorted(names)]


def stores_at(given: Path | str) -> list[Place]:
    """The stores of what a place is: a store, a folder of maps, or a study.

    Raises:
        InputError: it is none of these.
    """
    place = place_of(given)
    if name_of(place).endswith(".zarr"):
        return [place]
    found = [
        store for one in (place, *(inside(place, name) for name in FOLDERS)) for store in stores_below(one)
    ]
    if not found:
        raise InputError(
            f"{place}: holds no maps; expected a store, a folder of maps or a study, or the URL of one: correct it."
        )
    return found


def file_system(place: Place) -> tuple[Any, str]:
    """The file system of a place, and the path in it."""
    with reached(place):
        system, path = fsspec.url_to_fs(str(place.absolute()) if isinstance(place, Path) else place)
        return system, path.rstrip("/")


@contextmanager
def reached(place: Place) -> Iterator[None]:
    """Turn what a file system says of a URL that cannot be used into an InputError."""
    try:
        yield
    except (FileNotFoundError, InputError):
        raise
    except ImportError as fault:
        raise InputError(
            f"{place}: needs a package that is not installed ({fault}); expected the file system of the URL: "
            "install it, for s3:// with `pip install '.[cloud]'` in a clone of stratacam."
        ) from fault
    except Exception as fault:
        if isinstance(place, Path):
            raise
        raise InputError(
            f"{place}: cannot be used ({type(fault).__name__}: {fault}); expected a URL that fsspec knows, which this "
            "machine may read or write: correct the URL, the address of the service or the credentials."
        ) from fault
