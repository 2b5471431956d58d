"""Markdown from signatures and docstrings: the page of the Python API, which `generate.py` fills."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import stratacam
from stratacam.maps import ScanMaps
from stratacam.networks import ModelCard

GROUPS: dict[str, tuple[str, ...]] = {
    "Maps of a network": (
        "explain",
        "explain_methods",
        "explain_batches",
        "Explanation",
        "LayerMaps",
        "METHODS",
    ),
    "Layers": ("list_layers", "match_layers", "Layer"),
    "Views and pictures": ("view", "fuse", "montage", "overlay"),
    "Networks": ("build", "load_model", "ModelCard"),
    "Stored maps": ("find_maps", "read_maps", "ScanMaps"),
    "A finished study": ("open_study", "Study", "Evidence"),
    "Errors": ("InputError",),
}
"""The order of the page; public names that stand in no group follow under `REST`."""
REST = "More"
RETURNED = {"ModelCard": ModelCard, "ScanMaps": ScanMaps}
"""What calls return, and is no public name."""
SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example|Examples):$", re.MULTILINE)
LISTED = {"Args", "Attributes", "Raises"}
TITLES = {"Args": "Arguments"}
CODE = re.compile(r"(`[^`]*`)")
LINE = 96
"""Characters of a signature that stands on one line."""


def api() -> str:
    """Every public name, and what calls return, with signature and docstring."""
    named = {name for names in GROUPS.values() for name in names}
    rest = tuple(name for name in stratacam.__all__ if name not in named)
    groups = {**GROUPS, REST: rest} if rest else GROUPS
    return "\n".join(
        line
        for title, names in groups.items()
        for line in [f"## {title}", "", *(line for name in names for line in _entry(name))]
    )


def _entry(name: str) -> Iterator[str]:
    """The lines of one name."""
    value = RETURNED.get(name) or getattr(stratacam, name)
    yield from (f"### {name}", "")
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        yield from (", ".join(f"`{one}`" for one in value), "")
        return
    if inspect.isfunction(value):
        yield from _signature(name, value)
    yield from _described(value)
    if inspect.isclass(value):
        for part, member in vars(value).items():
            yield from _member(name, part, member)


def _member(owner: str, name: str, member: object) -> Iterator[str]:
    """The lines of a public method or property of a class, if it is one with a docstring."""
    function = _function(member)
    if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
        return
    yield from (f"#### {owner}.{name}", "")
    if isinstance(member, property | cached_property):
        yield from ("```py", f"{name}: {_returned(_definition(function))}", "```", "")
    else:
        yield from _signature(name, function)
    yield from _described(function)


def _function(member: object) -> object:
    """What a property, a class method or a static method calls; others as they are."""
    if isinstance(member, property):
        return member.fget
    if isinstance(member, cached_property):
        return member.func
    return getattr(member, "__func__", member)


def _signature(name: str, function: Callable[..., Any]) -> list[str]:
    """The call as the source has it, without `self`, on one line or with a line for each argument."""
    node = _definition(function)
    if node.args.args and node.args.args[0].arg in {"self", "cls"}:
        del node.args.args[0]
    arguments = _arguments(node.args)
    returned = f" -> {_returned(node)}" if node.returns else ""
    line = f"{name}({', '.join(arguments)}){returned}"
    if len(line) > LINE:
        line = "\n".join([f"{name}(", *(f"    {one}," for one in arguments), f"){returned}"])
    return ["```py", line, "```", ""]


def _definition(function: Callable[..., Any]) -> ast.FunctionDef:
    """The function as the source has it."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise TypeError(f"{function.__qualname__}: found {type(node).__name__}; expected a function.")
    return node


def _returned(node: ast.FunctionDef) -> str:
    """The type that a function returns, without the quotes of a name that is imported late."""
    return ast.unparse(node.returns).strip("'") if node.returns else "Any"


def _arguments(arguments: ast.arguments) -> list[str]:
    """Each argument with its type and default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    found = [_argument(one, default) for one, default in zip(positional, defaults, strict=True)]
    if arguments.vararg:
        found.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        found.append("*")
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    found += [_argument(one, default) for one, default in named]
    if arguments.kwarg:
        found.append(f"**{ast.unparse(arguments.kwarg)}")
    return found


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    shown = ast.unparse(argument)
    if default is None:
        return shown
    equals = " = " if argument.annotation else "="
    return f"{shown}{equals}{ast.unparse(default)}"


def _described(value: object) -> list[str]:
    """A docstring in the form of Google as Markdown."""
    head, *parts = SECTION.split(inspect.getdoc(value) or "")
    lines = [_escaped(head.strip()), ""]
    for title, content in zip(parts[::2], parts[1::2], strict=True):
        text = textwrap.dedent(content.strip("\n")).rstrip()
        if title.startswith("Example"):
            lines += ["```pycon" if text.startswith(">>>") else "```py", text, "```", ""]
        elif title in LISTED:
            lines += [f"**{TITLES.get(title, title)}**", "", *_items(text), ""]
        else:
            lines += [f"**{title}** {_escaped(text)}", ""]
    return lines


def _items(text: str) -> list[str]:
    """A list of what a section names."""
    found = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    items = (" ".join(one.split()).partition(": ") for one in found)
    return [f"- `{name}`: {_escaped(meaning)}" for name, _, meaning in items]


def _escaped(text: str) -> str:
    """Text whose stars and angle brackets are no markup, outside of code."""
    parts = CODE.split(text)
    return "".join(part if part.startswith("`") else re.sub(r"([*<])", r"\\\1", part) for part in parts)
