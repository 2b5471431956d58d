"""Stand-ins for packages that others import without needing them for what is measured here."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _Named(type):
    """Classes of which every attribute is its own name, as members of an enumeration would be."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Absent(ModuleType):
    """A module in which every name is a class that can be subclassed, called and given to `isinstance`."""

    __path__: list[str] = []  # noqa: RUF012 - as a package has it

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = _Named(name, (), {"__init__": lambda _self, *_args, **_kwargs: None})
        setattr(self, name, found)
        return found


@contextmanager
def stand_in(*names: str) -> Iterator[None]:
    """Let modules `names`, parents first, be imported although they are absent."""
    missing = [name for name in names if find_spec(name.partition(".")[0]) is None]
    for name in missing:
        module = _Absent(name)
        module.__spec__ = ModuleSpec(name, None, is_package=True)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]
