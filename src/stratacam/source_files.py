"""Where the source of modules is, what lies beside it, and the versions of packages."""

import importlib.util
import sys
import sysconfig
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

Code = dict[str, str]
"""Name of a module to the hash of what is used of it, or of a package to its version."""

BACKUPS = ("~", "#", ".bak", ".orig", ".swp", ".tmp")
"""Endings of files that editors leave."""

INSTALLED = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")})


def data_beside(folder: Path) -> set[Path]:
    """The files in a folder that are no Python: templates, tables, settings; not hidden ones, nor backups."""
    return {
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.suffix not in {".py", ".pyc"}
        and not path.name.startswith((".", "#"))
        and not path.name.endswith(BACKUPS)
    }


def file_of(name: str, beside: Path | None, root: str) -> Path | None:
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
def version_of(package: str) -> Code:
    """The versions of what an installed package came with; nothing of Python's own."""
    if package in sys.stdlib_module_names:
        return {}
    return {name: version(name) for name in sorted(set(_distributions().get(package, [])))}
