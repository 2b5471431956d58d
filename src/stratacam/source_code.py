"""What code a module runs: its own source and that of everything it imports; of other packages their versions."""

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

Code = dict[str, str]
"""Name of a module to the hash of its source, or of a package to its version."""

Follow = Callable[[str], Path | None]
"""The source of a module, by its name; None if it is not followed."""

INSTALLED = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")})


@cache
def code_of(thing: type | Callable[..., object]) -> Code:
    """The code that a class or function of a module depends on, as it was when this was first asked; see `code_in`.

    Of its own module only what it uses counts, so that a task may stand beside whatever plans it.
    """
    module = thing.__module__
    path = _file_of(module, None, module)
    if path is None:
        raise ValueError(f"{module}: found no source, expected a module of Python")
    used = _used_by(thing.__qualname__.partition(".")[0], _parsed(path)[0])
    return _followed(module, None, [(module, path, (used, _digest(used)))])


def code_in(module: str, file: Path | None = None) -> Code:
    """The code that a module depends on.

    Imports within functions count, those for types alone do not. A name that a package takes from one of its modules
    leads to that module only. Comments, docstrings and layout are no part of the hash.

    Args:
        module: its name; the package that it is in is followed module by module, wherever it is installed.
        file: its file, where Python does not find it by its name; modules beside it are followed too.
    """
    beside = file.resolve().parent if file else None
    return _followed(module, beside, [(module, file or _file_of(module, beside, module), None)])


Parsed = tuple[ast.Module, str]
"""Statements without docstrings, and their hash."""


def _followed(root: str, beside: Path | None, wanted: list[tuple[str, Path | None, Parsed | None]]) -> Code:
    """The code of modules and of all that they import; of a module of which a part is wanted that part."""
    found: Code = {"python": ".".join(map(str, sys.version_info[:2]))}

    def follow(name: str) -> Path | None:
        return _file_of(name, beside, root)

    seen: set[str] = set()
    while wanted:
        name, path, part = wanted.pop()
        if name in seen:
            continue
        if part is None:
            seen.add(name)
        if path is None:
            found |= _version_of(name.partition(".")[0])
            continue
        tree, digest = part or _parsed(path)
        found[name] = digest
        if beside is None:
            found |= _data_beside(path.parent)
        wanted += [(other, follow(other), None) for other in _imports(tree, name, path, follow)]
    return dict(sorted(found.items()))


def _used_by(name: str, tree: ast.Module) -> ast.Module:
    """The statements of a module that define a name and all that it uses there, in order."""
    defines: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for defined in _defined(statement):
            defines.setdefault(defined, []).append(statement)
    wanted, used = [name], {name}
    kept: dict[int, ast.stmt] = {}
    while wanted:
        one = wanted.pop()
        for statement in defines.get(one, ()):
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                continue
            kept[statement.lineno] = statement
            names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} - used
            used |= names
            wanted += names
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            names_of = [one for one in statement.names if _bound(one) in used]
            if names_of:
                part = (
                    ast.Import(names_of)
                    if isinstance(statement, ast.Import)
                    else ast.ImportFrom(statement.module, names_of, statement.level)
                )
                kept[statement.lineno] = part
    return ast.Module([kept[line] for line in sorted(kept)], [])


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement of a module gives a meaning to."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    return [
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def _bound(imported: ast.alias) -> str:
    """The name by which a module knows what it imports."""
    return imported.asname or imported.name.partition(".")[0]


@cache
def _data_beside(folder: Path) -> Code:
    """Hashes of the files in a folder that are no Python: templates, tables, settings."""
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix not in {".py", ".pyc"}]
    return {
        f"{folder.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files
    }


def digest_of(code: Code) -> str:
    """One hash of all the code."""
    return hashlib.sha256(repr(code).encode()).hexdigest()[:16]


def _imports(tree: ast.Module, name: str, path: Path, follow: Follow) -> Iterator[str]:
    """The modules that a module imports."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _run(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = node.module or ""
            if node.level:
                parent = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
                home = ".".join(filter(None, (parent, home)))
            for one in node.names:
                yield _origin(home, one.name, follow)


def _origin(home: str, name: str, follow: Follow) -> str:
    """The module in which `name`, imported from `home`, is: a submodule, or where a package has it from."""
    path = follow(home)
    if path is None or path.name != "__init__.py":
        return home
    for node in _parsed(path)[0].body:
        if isinstance(node, ast.ImportFrom) and not node.level and node.module not in {None, home}:
            for one in node.names:
                if (one.asname or one.name) == name:
                    return _origin(node.module or "", one.name, follow)
    return f"{home}.{name}" if follow(f"{home}.{name}") else home


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            yield node
            yield from _run(node)


def _parsed(path: Path) -> Parsed:
    return _parsed_text(path.read_bytes())


@cache
def _parsed_text(text: bytes) -> Parsed:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            del body[0]
    return tree, _digest(tree)


def _digest(tree: ast.Module) -> str:
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


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
