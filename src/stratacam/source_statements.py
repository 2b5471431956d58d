"""The statements of a module: what each defines, uses and imports."""

import ast
import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

PLACES = frozenset({"__file__", "__path__", "__spec__", "PackageLoader"})
"""Names by which a module finds what lies beside it."""

FINDERS = ("importlib.resources", "importlib_resources", "pkgutil")
"""Modules that find it too."""


@dataclass(frozen=True)
class Statement:
    """A statement at the top of a module: what it defines, the names in it, and what it imports."""

    text: str
    defines: frozenset[str]
    uses: frozenset[str]
    imports: tuple[ast.Import | ast.ImportFrom, ...]
    is_import: bool
    strings: frozenset[str]
    node: ast.stmt = field(compare=False)


def entries_of(
    registry: str, statement: Statement, name_of: Callable[[ast.expr], str | None]
) -> list[Statement]:
    """A registry without its entries, and each entry; entries without a name stay in the registry."""
    rest = copy.deepcopy(statement.node)
    inside = ast.walk(rest.value) if isinstance(rest, (ast.Assign, ast.AnnAssign)) and rest.value else ()
    listed = next((one for one in inside if isinstance(one, (ast.Dict, ast.Tuple, ast.List))), None)
    if listed is None:
        return [statement]
    found: list[Statement] = []
    pairs: list[tuple[ast.expr | None, ast.expr]] = (
        list(zip(listed.keys, listed.values, strict=True))
        if isinstance(listed, ast.Dict)
        else [(one, one) for one in listed.elts]
    )
    kept = []
    for key, value in pairs:
        name = name_of(key) if key else None
        if name is None:
            kept.append((key, value))
        else:
            both = ast.Expr(ast.Tuple([one for one in (key, value) if one], ast.Load()))
            found.append(replace(_read(both), defines=frozenset({f"{registry}[{name}]"})))
    if isinstance(listed, ast.Dict):
        listed.keys = [key for key, _ in kept]
        listed.values = [value for _, value in kept]
    else:
        listed.elts = [value for _, value in kept]
    return [_read(rest), *found]


@cache
def statements_of(text: bytes) -> tuple[Statement, ...]:
    """The statements at the top of a module; those for types alone are left out."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [one for one in body if not _is_text(one)]
    return tuple(_read(one) for one in tree.body if not _is_for_types(one))


def _read(statement: ast.stmt) -> Statement:
    nodes = list(ast.walk(statement))
    imports = tuple(node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)))
    is_import = isinstance(statement, (ast.Import, ast.ImportFrom))
    if is_import:
        defines = {bound_name(one) for node in imports for one in node.names}
    elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        defines = {statement.name}
    else:
        defines = {
            node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
    uses = {node.id for node in nodes if isinstance(node, ast.Name)}
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return Statement(
        ast.dump(statement),
        frozenset(defines),
        frozenset(uses),
        imports,
        is_import,
        frozenset(strings),
        statement,
    )


def finds_files(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether a module is imported that finds files beside modules."""
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


def bound_name(imported: ast.alias) -> str:
    """The name by which a module knows what it imports."""
    return imported.asname or imported.name.partition(".")[0]
