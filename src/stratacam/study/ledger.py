"""What has been done, from which inputs and with which settings, so that it is not done again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stratacam.files import write_json


@dataclass(frozen=True)
class Ledger:
    """Records of finished work, one JSON file for each step and item.

    A piece of work has a key: the hash of its step, its settings, the package's version, and the content of
    the files it reads. It need not be done again while its record holds the same key and its outputs are as
    they were left.
    """

    folder: Path

    def key(self, step: str, settings: Any, inputs: Sequence[Path] = ()) -> str:  # noqa: ANN401 - any JSON
        """The key of a piece of work.

        Args:
            step: what is done.
            settings: everything else that decides the result, as JSON; keys of earlier work among it.
            inputs: files that are read. A file is hashed once: again only if its size or time has changed.
        """
        content = {
            "step": step,
            "version": version("stratacam"),
            "settings": settings,
            "inputs": [self._hash(path) for path in inputs],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def is_done(self, step: str, item: str, key: str) -> bool:
        """Whether `item` of `step` was finished under `key`, and its outputs are as they were left."""
        record = read_json(self._record(step, item))
        return record.get("key") == key and all(
            _stamp(self.folder.parent / path) == stamp for path, stamp in record["outputs"].items()
        )

    def finish(self, step: str, item: str, key: str, outputs: Sequence[Path]) -> None:
        """Record that `item` of `step` was finished under `key` and left `outputs`."""
        stamps = {self._named(path): _stamp(path) for path in outputs}
        write_json(self._record(step, item), {"key": key, "outputs": stamps})

    def keys_of(self, step: str) -> dict[str, str]:
        """The keys of everything that was finished in a step, by item."""
        return {
            path.stem: read_json(path).get("key", "") for path in sorted((self.folder / step).glob("*.json"))
        }

    def _named(self, path: Path) -> str:
        """An output relative to the folder that the records are in, so that the whole can be moved or copied."""
        root = self.folder.parent
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _record(self, step: str, item: str) -> Path:
        return self.folder / step / f"{item}.json"

    def _hash(self, path: Path) -> str:
        stamp = _stamp(path)
        memory = self.folder / "hashes" / f"{hashlib.sha256(str(path).encode()).hexdigest()[:32]}.json"
        record = read_json(memory)
        if stamp is not None and record.get("stamp") == stamp:
            return str(record["sha256"])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        write_json(memory, {"path": str(path), "stamp": stamp, "sha256": digest})
        return digest


def _stamp(path: Path) -> list[int] | None:
    """Size and time of a file; of a folder only that it is there; None if there is nothing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return [] if path.is_dir() else [found.st_size, found.st_mtime_ns]


def read_json(path: Path) -> Mapping[str, Any]:
    """The JSON object in `path`; empty if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
