"""The cache: what has been done, from which inputs, settings and code, so that it is not done again."""

import hashlib
import json
import time
from collections import UserDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from stratacam.files import read_json, write_json
from stratacam.scans.image_file import image_files
from stratacam.source_code import code_of, digest_of
from stratacam.study.keys import Parts, derive_parts, is_plain, short_hash
from stratacam.study.stamps import Stamp, is_as_left, looks_as_left, stamps

SETTLED_NS = 2_000_000_000
"""Age of a file from which on its time tells whether it has changed."""


class Task(Protocol):
    """A piece of work: a frozen dataclass whose fields say everything that decides its result.

    A task that uses registries may say of which entries, as `entries`; see `stratacam.study.keys.entries_used`.
    """

    @property
    def outputs(self) -> Sequence[Path]:
        """Files and folders that it leaves."""

    def do(self) -> None:
        """Do it, in any process."""


@dataclass(frozen=True)
class Entry:
    """A task in the cache, and what decides its result."""

    task: Task
    parts: Parts

    @property
    def key(self) -> str:
        """One hash of everything that decides the result."""
        return short_hash(json.dumps(self.parts, sort_keys=True))


class Made(UserDict[Hashable, str]):
    """What tasks make, and their keys; paths are kept as text, which takes a fraction of their memory."""

    def __getitem__(self, thing: Hashable) -> str:
        return super().__getitem__(_as_text(thing))

    def __setitem__(self, thing: Hashable, key: str) -> None:
        super().__setitem__(_as_text(thing), key)

    def __contains__(self, thing: object) -> bool:
        return super().__contains__(_as_text(thing))


def _as_text(thing: Any) -> Any:  # noqa: ANN401 - any key, which stays as it is
    return str(thing) if isinstance(thing, Path) else thing


@dataclass(frozen=True)
class Cache:
    """Records of finished work, one JSON file for each step and item.

    A task is not done again while its record holds the same key and its outputs are as they were left. The key is
    derived from the fields of the task, so that nothing that the task is given can be forgotten.

    Attributes:
        folder: of the records.
        made: what earlier tasks make, be it a path or an object that names it, and the keys of these tasks.
    """

    folder: Path
    made: Made = field(default_factory=Made)

    def at(self, folder: Path) -> "Cache":
        """A cache with records in another folder, for results that several studies share."""
        return Cache(folder, self.made)

    def entry(self, task: Task, *, makes: Iterable[Hashable] = ()) -> Entry:
        """Derive the key of a task; later tasks know by it what this one makes.

        In the key are the code that the task uses; of its fields the values; of files the content; of what earlier
        tasks make, their keys. Paths at or above an output are only places.

        Args:
            task: of plain values, dataclasses, settings, paths of files, and collections of these.
            makes: objects by which later tasks name its outputs.

        Raises:
            TypeError: a field is of another kind, or a folder that no task makes.
        """
        code = code_of(type(task), getattr(task, "entries", frozenset()))
        parts = {"code": digest_of(code)}
        note = self.folder / "code" / f"{parts['code']}.json"
        if not note.is_file():
            write_json(note, code)
        entry = Entry(task, parts | derive_parts(task, task.outputs, made=self.made, content=self._content))
        self.is_made(entry.key, *task.outputs, *makes)
        return entry

    def content_of(self, files: Iterable[Path]) -> str:
        """One hash of what is in some files; a file that is not there counts as such."""
        return short_hash(
            json.dumps([self._content(file) if file.is_file() else None for file in sorted(files)])
        )

    def is_made(self, key: str, *things: Hashable) -> None:
        """Say that a task with this key makes these paths, or what these objects name."""
        self.made.update(dict.fromkeys(things, key))

    def is_done(self, step: str, item: str, entry: Entry) -> bool:
        """Whether a task was finished, and its outputs are as they were left."""
        record = self._record(step, item)
        if record.get("parts") != entry.parts:
            return False
        left = record["outputs"]
        if left is not None and all(
            looks_as_left(path, left.get(self._named(path))) for path in entry.task.outputs
        ):
            return True
        if self._changed(record, entry):
            return False
        self.finish(step, item, entry)  # copied: the next look need not read it
        return True

    def why(self, step: str, item: str, entry: Entry) -> list[str]:
        """Why a task that was finished before is to be done again; empty if it never was."""
        record = self._record(step, item)
        if "parts" not in record:
            return []
        before: Parts = record["parts"]
        found = [
            self._difference(name, before.get(name), entry.parts.get(name))
            for name in sorted({*before, *entry.parts})
            if before.get(name) != entry.parts.get(name)
        ]
        if self.is_forgotten(step, item):
            return [*found, "--force asks for it"]
        return found or [f"{name} was changed or removed" for name in self._changed(record, entry)]

    def finish(self, step: str, item: str, entry: Entry, left: Sequence[Stamp | None] | None = None) -> None:
        """Record that a task was finished, with the stamps of its outputs where whoever did it has made them."""
        outputs = entry.task.outputs
        found = stamps(outputs) if left is None else left
        named = {self._named(path): one for path, one in zip(outputs, found, strict=True)}
        write_json(self._file(step, item), {"key": entry.key, "parts": entry.parts, "outputs": named})
        self._failed(step, item).unlink(missing_ok=True)

    def fail(self, step: str, item: str, entry: Entry, reason: str) -> None:
        """Record that a task failed, and why; it counts as not done."""
        write_json(self._failed(step, item), {"key": entry.key, "reason": reason})

    def failure(self, step: str, item: str, entry: Entry) -> str | None:
        """Why a task failed when it was last tried; None if it was not, or since something has changed."""
        record = read_json(self._failed(step, item))
        return str(record["reason"]) if record.get("key") == entry.key else None

    def forget(self, step: str) -> None:
        """Count every task of a step, and of steps such as "step network", as not done."""
        for folder in (self.folder / step, *self.folder.glob(f"{step} *")):
            for path in folder.glob("*.json"):
                write_json(path, {**read_json(path), "outputs": None})

    def is_forgotten(self, step: str, item: str) -> bool:
        """Whether a task that was finished is to be done again because `forget` said so."""
        record = self._record(step, item)
        return "parts" in record and record["outputs"] is None

    def key_of(self, step: str, item: str) -> str | None:
        """The key of a task that was finished; None if there is none."""
        return self._record(step, item).get("key")

    def parts_of(self, step: str, item: str) -> Parts:
        """What decided the result of a task that was finished; empty if there is none."""
        return dict(self._record(step, item).get("parts", {}))

    def keys_of(self, step: str) -> dict[str, str]:
        """The keys of all tasks of a step that were finished, by item."""
        return {
            path.stem: read_json(path).get("key", "") for path in sorted((self.folder / step).glob("*.json"))
        }

    def _difference(self, name: str, before: str | None, now: str | None) -> str:
        """In words, what is another value of a field than it was."""
        if name == "code":
            old, new = (read_json(self.folder / "code" / f"{digest}.json") for digest in (before, now))
            changed = sorted(one for one in {*old, *new} if old.get(one) != new.get(one)) or ["everything"]
            return f"the code has changed ({', '.join(changed[:3])}{' ...' if len(changed) > 3 else ''})"
        if all(one is None or is_plain(one) for one in (before, now)):
            return f"{name} was {before or 'absent'} and is {now or 'absent'}"
        return f"it reads other {name}"

    def _changed(self, record: Mapping[str, Any], entry: Entry) -> list[str]:
        """The outputs that are not as they were left."""
        left = record.get("outputs") or {}
        return [
            name for path in entry.task.outputs if not is_as_left(path, left.get(name := self._named(path)))
        ]

    def _named(self, path: Path) -> str:
        """An output relative to the folder that the records are in, so that the whole can be moved or copied."""
        root, whole = f"{self.folder.parent.as_posix()}/", path.as_posix()
        return whole.removeprefix(root) if whole.startswith(root) else str(path)

    def _file(self, step: str, item: str) -> Path:
        return self.folder / step / f"{item}.json"

    def _failed(self, step: str, item: str) -> Path:
        return self.folder / "failed" / step / f"{item}.json"

    def _record(self, step: str, item: str) -> Mapping[str, Any]:
        return read_json(self._file(step, item))

    def _content(self, path: Path) -> str:
        """The hash of a file, and of the header beside it if it is an image of a pair."""
        hashes = [self._hash(file) for file in image_files(path) if file == path or file.is_file()]
        return hashes[0] if len(hashes) == 1 else short_hash(json.dumps(hashes))

    def _hash(self, path: Path) -> str:
        """The hash of a file, from memory where the file is the one that was hashed, and has been at rest since."""
        found = path.stat()
        stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
        memory = self.folder / "hashes" / f"{short_hash(str(path))}.json"
        record = read_json(memory)
        if record.get("stamp") == stamp:
            return str(record["sha256"])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > SETTLED_NS:
            write_json(memory, {"path": str(path), "stamp": stamp, "sha256": digest})
        return digest
