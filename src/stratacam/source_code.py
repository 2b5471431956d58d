"""What code a task runs: definitions of its package that it uses, and the versions of other packages.

A definition is followed by the names in it: those of its own module, and those that the module imports. Of an imported
module only what is used counts; where the module itself is named (`from package import module`), all of it does. Of
other files (tables, templates) those count that a definition names.
"""

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

Code = dict[str, str]
"""Name of a module to the hash of what is used of it, or of a package to its version."""

Place = tuple[str, str | None]
"""A definition: module and name; without a name all of the module."""

PLACES = frozenset({"__file__", "__path__", "__spec__", "PackageLoader"})
"""Names by which a module finds what lies beside it."""

FINDERS = ("importlib.resources", "importlib_resources", "pkgutil")
"""Modules that find it too."""

BACKUPS = ("~", "#", ".bak", ".orig", ".swp", ".tmp")
"""Endings of files that editors leave."""

INSTALLED = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")})


@cache
def code_of(thing: type | Callable[..., object]) -> Code:
    """The code that a class or function depends on, as it was when this was first asked; see `code_in`.

    A class may name packages in `NOT_IN_CODE` that only show its results to people; these do not count.
    """
    following = _Following(thing.__module__, None, getattr(thing, "NOT_IN_CODE", ()))
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


@dataclass(frozen=True)
class _Statement:
    """A statement at the top of a module: what it defines, the names in it, and what it imports."""

    text: str
    defines: frozenset[str]
    uses: frozenset[str]
    imports: tuple[ast.Import | ast.ImportFrom, ...]
    is_import: bool
    strings: frozenset[str]


@dataclass
class _Following:
    """Follows what is used from one definition to the next.

    Attributes:
        root: the module that is followed, with its package.
        beside: folder of modules that are followed too.
        without: packages that are not followed.
        files: of modules.
        kept: the statements of each module that count, by their number.
    """

    root: str
    beside: Path | None
    without: tuple[str, ...] = ()
    files: dict[str, Path | None] = field(default_factory=dict)
    kept: dict[str, dict[int, _Statement]] = field(default_factory=dict)

    def code(self, place: Place) -> Code:
        """What a definition depends on."""
        wanted, seen = [place], {place}
        found: Code = {"python": ".".join(map(str, sys.version_info[:2]))}
        while wanted:
            module, name = wanted.pop()
            if any(f"{module}.".startswith(f"{package}.") for package in self.without):
                continue
            path = self.file(module)
            if path is None:
                found |= _version_of(module.partition(".")[0])
                continue
            more = set(self._used(module, path, name)) - seen
            seen |= more
            wanted += more
        for module, statements in self.kept.items():
            text = repr([statements[number].text for number in sorted(statements)])
            found[module] = hashlib.sha256(text.encode()).hexdigest()[:16]
        if self.beside is None:
            found |= self._data()
        return dict(sorted(found.items()))

    def file(self, module: str) -> Path | None:
        """The source of a module that is followed; None of others."""
        if module not in self.files:
            self.files[module] = _file_of(module, self.beside, self.root)
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
            files = beside.setdefault(path.parent, _data_beside(path.parent))
            strings = {text.rpartition("/")[2] for one in statements.values() for text in one.strings}
            imported = {one for node in _statements(path.read_bytes()) for one in node.imports}
            finds = any(one.uses & PLACES for one in statements.values()) or any(map(_finds_files, imported))
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
        statements = _statements(path.read_bytes())
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

    def _imported(
        self, node: ast.Import | ast.ImportFrom, package: str, used: frozenset[str] | None
    ) -> Iterator[Place]:
        """What an import leads to, of all its names or of those that are used."""
        for one in node.names:
            if used is not None and _bound(one) not in used:
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
        for one in _statements(path.read_bytes()):
            if one.is_import and name in one.defines:
                for node in one.imports:
                    for alias in node.names:
                        if _bound(alias) == name and isinstance(node, ast.ImportFrom) and not node.level:
                            return self._origin(node.module or "", alias.name)
        return (f"{home}.{name}", None) if self.file(f"{home}.{name}") else (home, name)


@cache
def _statements(text: bytes) -> tuple[_Statement, ...]:
    """The statements at the top of a module; those for types alone are left out."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [one for one in body if not _is_text(one)]
    return tuple(_read(one) for one in tree.body if not _is_for_types(one))


def _read(statement: ast.stmt) -> _Statement:
    nodes = list(ast.walk(statement))
    imports = tuple(node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)))
    is_import = isinstance(statement, (ast.Import, ast.ImportFrom))
    if is_import:
        defines = {_bound(one) for node in imports for one in node.names}
    elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        defines = {statement.name}
    else:
        defines = {
            node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
    uses = {node.id for node in nodes if isinstance(node, ast.Name)}
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return _Statement(
        ast.dump(statement),
        frozenset(defines),
        frozenset(uses),
        imports,
        is_import,
        frozenset(strings),
    )


def _finds_files(node: ast.Import | ast.ImportFrom) -> bool:
    names = [f"{getattr(node, 'module', None) or ''}.{one.name}".strip(".") for one in node.names]
    return any(name.startswith(FINDERS) for name in names)


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _bound(imported: ast.alias) -> str:
    """The name by which a module knows what it imports."""
    return imported.asname or imported.name.partition(".")[0]


def _data_beside(folder: Path) -> set[Path]:
    """The files in a folder that are no Python: templates, tables, settings; not hidden ones, nor backups."""
    return {
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.suffix not in {".py", ".pyc"}
        and not path.name.startswith((".", "#"))
        and not path.name.endswith(BACKUPS)
    }


def _file_of(name: str, beside: Path | None, root: str) -> Path | None:
    """The source of a module that is followed; None of others."""
    path = _find(name, beside)
    if path is None or path.suffix != ".py":
        return None
    own = name.partition(".")[0] == root.partition(".")[0]
    return path if own or not any(path.is_relative_to(folder) for folder in INSTALLED) else None


@cache
def _find(name: str, beside: Path | None) -> Path | None:
    """The file of a module, found without importing it."""
    parts = name.split(".")
    if beside:
        for path in (beside.joinpath(*parts).with_suffix(".py"), beside.joinpath(*parts, "__init__.py")):
            if path.is_file():
                return path
    try:
        top = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError):
        return None
    if top is None or not top.origin:
        return None
    path = Path(top.origin).resolve()
    if len(parts) == 1:
        return path
    folder = path.parent.joinpath(*parts[1:])
    found = (folder.with_suffix(".py"), folder / "__init__.py")
    return next((one for one in found if one.is_file()), None)


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


@cache
def _version_of(package: str) -> Code:
    """The versions of what an installed package came with; nothing of Python's own."""
    if package in sys.stdlib_module_names:
        return {}
    return {name: version(name) for name in sorted(set(_distributions().get(package, [])))}
