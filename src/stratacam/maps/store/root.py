"""The root file of a store: attributes, the arrays' metadata, and the size and SHA-256 of every other file.

It is written last, so that a folder without it is no store, and its own SHA-256 is among its attributes: whatever is
changed, lost or added afterwards can be found.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import without_nan, write_json
from stratacam.maps.store.places import ROOT, Place, inside, read_file

FORMAT = 2
"""Of stores; without a number they are of version 0.5 or before."""

MADE_AGAIN = "expected it as it was written: remove the store and make it again."
"""What to do with a damaged store."""


@dataclass(frozen=True)
class Root:
    """The root file as it was read.

    Attributes:
        attributes: of the store.
        arrays: metadata of every array, by name.
        files: size in bytes and SHA-256 of every other file, by name.
        root_bytes: its size.
    """

    attributes: Mapping[str, Any]
    arrays: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, tuple[int, str]]
    root_bytes: int

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return self.root_bytes + sum(size for size, _ in self.files.values())


def write_root(folder: Path, attributes: Mapping[str, Any]) -> None:
    """Finish a store whose arrays are written."""
    paths = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / ROOT
    }
    nodes = {
        name.rpartition("/")[0]: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.name == ROOT
    }
    files = {name: [path.stat().st_size, _digest_of(path)] for name, path in paths.items()}
    content = without_nan(
        {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {"format": FORMAT, **attributes, "files": files},
            "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": nodes},
        }
    )
    content["attributes"]["sha256"] = _digest(content)
    write_json(folder / ROOT, content)


def read_root(place: Place) -> Root:
    """Read the root file of a store.

    Raises:
        InputError: there is none, it cannot be read, it is of another version, or was changed after it was written.
    """
    with damage_named(place, ROOT):
        read = read_file(inside(place, ROOT))
        content = json.loads(read)
        written = content["attributes"].get("format")
    if written != FORMAT:
        by = "version 0.5 of stratacam, or one before" if written is None else "another version of stratacam"
        raise InputError(
            f"{place}: was written by {by}; expected a store of format {FORMAT}: make it again with `stratacam run`, "
            "or with `stratacam explain`."
        )
    with damage_named(place, ROOT):
        attributes = dict(content["attributes"])
        digest, files = attributes.pop("sha256"), attributes.pop("files")
        if digest != _digest(content):
            raise InputError(f"{place}: {ROOT} was changed after it was written; {MADE_AGAIN}")
        nodes = content["consolidated_metadata"]["metadata"]
        return Root(
            attributes=attributes,
            arrays={name: node for name, node in nodes.items() if node["node_type"] == "array"},
            files={name: (int(size), str(known)) for name, (size, known) in files.items()},
            root_bytes=len(read),
        )


@contextmanager
def damage_named(place: Place, part: str) -> Iterator[None]:
    """Say which part of a store is damaged, whatever zarr or a codec says of it; or that there is no store."""
    try:
        yield
    except InputError:
        raise
    except (FileNotFoundError, NotADirectoryError) as fault:
        if part == ROOT:
            raise InputError(
                f"{place}: holds no maps, as {ROOT} is missing; make them with `stratacam explain`."
            ) from fault
        raise InputError(f"{place}: {part} is missing; {MADE_AGAIN}") from fault
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as fault:
        raise InputError(
            f"{place}: {part} is damaged ({type(fault).__name__}: {fault}); {MADE_AGAIN}"
        ) from fault


def digest_of(content: bytes) -> str:
    """SHA-256 of the content of a file."""
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a root file's content, however it is laid out, without the SHA-256 in it."""
    attributes = {name: value for name, value in content["attributes"].items() if name != "sha256"}
    return digest_of(json.dumps({**content, "attributes": attributes}, sort_keys=True).encode())
