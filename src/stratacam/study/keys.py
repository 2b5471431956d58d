"""What decides the result of a task, derived from its fields."""

import hashlib
import json
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stratacam.source_code import Entries

NOT_IN_KEY = {"in_key": False}
"""Metadata of a field of a dataclass that says where something is, or that decides no result."""

HASH = re.compile(r"[0-9a-f]{32,64}")

Parts = dict[str, str]
"""What decides a result, by name: plain values as JSON, hashes of everything else."""


def entries_used(
    *, sequences: Iterable[str] = (), architectures: Iterable[str] = (), methods: Iterable[str] = ()
) -> Entries:
    """The entries of registries that a task uses; a registry of which none is named is used whole."""
    registries = (
        ("stratacam.scans.sequences", "SEQUENCES", sequences),
        ("stratacam.networks.registry", "ARCHITECTURES", architectures),
        ("stratacam.cam.methods", "REGISTRY", methods),
    )
    return frozenset((module, registry, name) for module, registry, names in registries for name in names)


def short_hash(text: str) -> str:
    """A hash that is as good as the text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def derive_parts(
    task: object,
    outputs: Sequence[Path],
    *,
    made: Mapping[Hashable, str],
    content: Callable[[Path], str],
) -> Parts:
    """What decides the result of a task.

    Args:
        task: a dataclass.
        outputs: of the task; a path at or above one of them is only a place.
        made: what earlier tasks make, be it a path or an object that names it, and the keys of these tasks.
        content: the hash of a file.

    Raises:
        TypeError: a field is of a kind that cannot be told from another of its kind, or a folder that no task makes.
    """
    places = frozenset(place for output in outputs for place in (output, *output.parents))
    deriving = _Deriving(places, made, content)
    return {
        name: part
        for one, value in _inside("", task).items()
        for name, part in deriving.parts(one, value).items()
    }


def is_plain(part: str) -> bool:
    """Whether a part is a value that a reader knows, and no hash."""
    try:
        value = json.loads(part)
    except json.JSONDecodeError:
        return False
    return len(part) < 80 and not (isinstance(value, str) and HASH.fullmatch(value))


@dataclass(frozen=True)
class _Deriving:
    places: frozenset[Path]
    made: Mapping[Hashable, str]
    content: Callable[[Path], str]

    def parts(self, name: str, value: Any) -> Parts:  # noqa: ANN401 - whatever a task is given
        """The parts of a value."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return {name: json.dumps(value)}
        if isinstance(value, Path) and value in self.places:
            return {}  # a place, also where others read what is made there
        if _is_hashable(value) and value in self.made:
            return {name: self.made[value]}
        if isinstance(value, Path):
            if not value.is_file():
                raise TypeError(f"{name}: {value} is no file, and no task makes it")
            return {name: self.content(value)}
        if isinstance(value, (list, tuple)):
            return {name: self._of_sequence(value)}
        found: Parts = {}
        if isinstance(value, Mapping):  # whose order may decide, such as which evaluation is the first
            found[name] = json.dumps([str(key) for key in value])
        for one, part in _inside(name, value).items():
            found |= self.parts(f"{name}.{one}".strip("."), part)
        return found or {name: "{}"}

    def _of_sequence(self, values: Sequence[Any]) -> str:
        if all(one is None or isinstance(one, (bool, int, float, str)) for one in values):
            return json.dumps(values)
        return short_hash(json.dumps([self.parts("", one) for one in values], sort_keys=True))


def _inside(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
    """What a value is made of, by name."""
    if isinstance(value, BaseModel):
        return {one: getattr(value, one) for one in type(value).model_fields}
    if is_dataclass(value):
        return {
            one.name: getattr(value, one.name) for one in fields(value) if one.metadata.get("in_key", True)
        }
    if isinstance(value, Mapping):
        return {str(key): one for key, one in value.items()}
    raise TypeError(f"{name}: a {type(value).__name__} has no key")


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
