"""What code a task runs: definitions of its package that it uses, and the versions of other packages.

A definition is followed by the names in it: those of its own module, and those that the module imports. Of an imported
module only what is used counts; where the module itself is named (`from package import module`), all of it does. Of
other files (tables, templates) those count that a definition names.
"""

import ast
import hashlib
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from stratacam.source_files import Code, data_beside, file_of, version_of
from stratacam.source_statements import PLACES, Statement, bound_name, entries_of, finds_files, statements_of

Place = tuple[str, str | None]
"""A definition: module and name; without a name all of the module."""

Entries = frozenset[tuple[str, str, str]]
"""Which entries of registries are used: module of the registry, its name there, name of the entry.

Registries that are not named are used whole. Of those that are, an entry counts as well if the code names it.
"""


@cache
def code_of(thing: type | Callable[..., object], entries: Entries = frozenset()) -> Code:
    """The code that a class or function depends on, as it was when this was first asked; see `code_in`.

    A class may name packages in `NOT_IN_CODE` that only show its results to people; these do not count.
    """
    following = _Following(thing.__module__, None, getattr(thing, "NOT_IN_CODE", ()), entries)
    return following.code((thing.__module__, thing.__qualname__.partition(".")[0]))


def code_in(module: str, file: Path | None = None) -> Code:
    """The code that a module depends on.

    Imports within functions count, those for types alone do not. Comments, docstrings and layout are no part of a
    hash.

    Args:
        module: its name; the package that it is in is followed, wherever it is installed.
        file: its file, where Python does not find it by its name; modules beside it are followed too.
    """
    following = _Following(module, file.resolve().parent if file else None)
    if file:
        following.files[module] = file
    return following.code((module, None))


def digest_of(code: Code) -> str:
    """One hash of all the code."""
    return hashlib.sha256(repr(code).encode()).hexdigest()[:16]


@dataclass
class _Following:
    """Follows what is used from one definition to the next.

    Attributes:
        root: the module that is followed, with its package.
        beside: folder of modules that are followed too.
        without: packages that are not followed.
        entries: of registries, that count.
        files: of modules.
        kept: the statements of each module that count, by their number.
    """

    root: str
    beside: Path | None
    without: tuple[str, ...] = ()
    entries: Entries = frozenset()
    files: dict[str, Path | None] = field(default_factory=dict)
    kept: dict[str, dict[int, Statement]] = field(default_factory=dict)

    def code(self, place: Place) -> Code:
        """What a definition depends on."""
        wanted, seen = [place], {place}
        found: Code = {"python": ".".join(map(str, sys.version_info[:2]))}
        while wanted or (wanted := list(self._entries_named() - seen)):
            seen.update(wanted)
            module, name = wanted.pop()
            if any(f"{module}.".startswith(f"{package}.") for package in self.without):
                continue
            path = self.file(module)
            if path is None:
                found |= version_of(module.partition(".")[0])
                continue
            wanted += set(self._used(module, path, name)) - seen
        for module, statements in self.kept.items():
            text = repr([statements[number].text for number in sorted(statements)])
            found[module] = hashlib.sha256(text.encode()).hexdigest()[:16]
        if self.beside is None:
            found |= self._data()
        return dict(sorted(found.items()))

    def file(self, module: str) -> Path | None:
        """The source of a module that is followed; None of others."""
        if module not in self.files:
            self.files[module] = file_of(module, self.beside, self.root)
        return self.files[module]

    def _data(self) -> Code:
        """Hashes of the files beside the modules that are no Python, and that the kept statements read.

        Those are the files that a statement names, and the files that these name in turn. A module that finds files
        by its own place and names none reads all that lie beside it.
        """
        beside: dict[Path, set[Path]] = {}
        named: set[str] = set()
        for module, statements in self.kept.items():
            path = self.file(module)
            if path is None:
                continue
            files = beside.setdefault(path.parent, data_beside(path.parent))
            strings = {text.rpartition("/")[2] for one in statements.values() for text in one.strings}
            imported = {one for node in statements_of(path.read_bytes()) for one in node.imports}
            finds = any(one.uses & PLACES for one in statements.values()) or any(map(finds_files, imported))
            if finds and not strings & {file.name for file in files}:
                strings = {file.name for file in files}
            named |= strings
        files = {file for found in beside.values() for file in found}
        read: set[Path] = set()
        while more := {file for file in files - read if file.name in named}:
            read |= more
            texts = [file.read_bytes() for file in more]
            named |= {file.name for file in files if any(file.name.encode() in text for text in texts)}
        return {
            f"{file.parent.name}/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest()[:16]
            for file in read
        }

    def _used(self, module: str, path: Path, name: str | None) -> Iterator[Place]:
        """What the statements that define a name use; of all statements without a name, or where none defines it."""
        statements = self._split(module, statements_of(path.read_bytes()))
        defined = frozenset().union(*(one.defines for one in statements if not one.is_import))
        imports = [one for one in statements if one.is_import]
        named = frozenset().union(*(one.uses for one in statements))
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        kept = self.kept.setdefault(module, {})
        for number, one in enumerate(statements):
            others = (
                bool(one.defines & named) if one.is_import else bool(one.defines) and name not in one.defines
            )
            if (
                name in defined and others
            ):  # what defines nothing, or nothing that is used, is there for its effect
                continue
            kept[number] = one
            yield from ((module, used) for used in one.uses & defined)
            for node in one.imports:
                yield from self._imported(node, package, None)
            for node in (node for other in imports if other.defines & one.uses for node in other.imports):
                yield from self._imported(node, package, one.uses)

    def _split(self, module: str, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """The statements, of registries whose entries are counted singly one for each entry and one for the rest."""
        registries = {registry for home, registry, _ in self.entries if home == module}
        found: list[Statement] = []
        for one in statements:
            registry = next(iter(one.defines & registries), None)
            found += (
                [one]
                if registry is None or one.is_import
                else entries_of(registry, one, partial(self._name_of, module))
            )
        return tuple(found)

    def _name_of(self, module: str, node: ast.expr) -> str | None:
        """The name of an entry: a text; of a call its first text or its `name`; of a name, that of what it means."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Call):
            given = [*node.args, *(one.value for one in node.keywords if one.arg == "name")]
            texts = [one for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            return str(texts[0].value) if texts else None
        path = self.file(module)
        if not isinstance(node, ast.Name) or path is None:
            return None
        for one in statements_of(path.read_bytes()):
            if node.id in one.defines and one.is_import:
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                places = [place for way in one.imports for place in self._imported(way, package, {node.id})]
                return self._name_of(places[0][0], ast.Name(places[0][1] or "", ast.Load()))
            if node.id in one.defines and isinstance(one.node, (ast.Assign, ast.AnnAssign)):
                return self._name_of(module, one.node.value) if one.node.value else None
        return None

    def _entries_named(self) -> set[Place]:
        """The entries that count, of registries that were met: those that are asked for, or that the code names."""
        strings = {text for kept in self.kept.values() for one in kept.values() for text in one.strings}
        found: set[Place] = set()
        for module, registry in {one[:2] for one in self.entries}:
            if not any(registry in one.defines for one in self.kept.get(module, {}).values()):
                continue
            asked = {name for *home, name in self.entries if home == [module, registry]}
            path = self.file(module)
            statements = self._split(module, statements_of(path.read_bytes())) if path else ()
            defined = frozenset().union(*(one.defines for one in statements))
            found |= {(module, f"{registry}[{name}]") for name in asked | strings} & {
                (module, name) for name in defined
            }
        return found

    def _imported(
        self, node: ast.Import | ast.ImportFrom, package: str, used: Collection[str] | None
    ) -> Iterator[Place]:
        """What an import leads to, of all its names or of those that are used."""
        for one in node.names:
            if used is not None and bound_name(one) not in used:
                continue
            if isinstance(node, ast.Import):
                yield one.name, None
                continue
            home = node.module or ""
            if node.level:
                parent = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
                home = ".".join(filter(None, (parent, home)))
            yield self._origin(home, one.name)

    def _origin(self, home: str, name: str) -> Place:
        """Where `name`, imported from `home`, is: in a submodule, or where a package has it from."""
        path = self.file(home)
        if path is None:
            return home, None
        for one in statements_of(path.read_bytes()):
            if one.is_import and name in one.defines:
                for node in one.imports:
                    for alias in node.names:
                        if bound_name(alias) == name and isinstance(node, ast.ImportFrom) and not node.level:
                            return self._origin(node.module or "", alias.name)
        return (f"{home}.{name}", None) if self.file(f"{home}.{name}") else (home, name)
