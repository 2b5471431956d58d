"""Fills the generated blocks of the documentation from the code: `make docs`.

A page marks a block with `<!-- generated: NAME -->` and `<!-- end -->`; `BLOCKS` says what fills it. To add a
block, write a function without arguments that returns Markdown, and name it in `BLOCKS`.
"""

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import torch
import typer
from docstrings import api

import stratacam
from stratacam.cam.methods import REGISTRY
from stratacam.cli import app
from stratacam.evidence.recommendation import rule
from stratacam.evidence.registry import documentation_table
from stratacam.networks import ARCHITECTURES, GivenCard, default_weights
from stratacam.report.figures import EVIDENCE_FIGURES, STUDY_FIGURES
from stratacam.report.on_demand import SUBJECTS
from stratacam.scans.sequences import SEQUENCES, MRSequence
from stratacam.study.configuration import StudyConfiguration

DOCS = Path(__file__).parent
BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

Schema = dict[str, Any]


def settings() -> str:
    """One table for the top of a study's file and one for each section, from the pydantic models."""
    schema = StudyConfiguration.model_json_schema()
    return "\n".join(_section("", schema, schema["$defs"]))


def given_card() -> str:
    """The keys of the card of a classifier that is given, from its pydantic model."""
    schema = GivenCard.model_json_schema()
    return "\n".join(_section("model", schema, schema.get("$defs", {}))[2:])


def commands() -> str:
    """Arguments and options of every command, from the command line itself."""
    return "\n".join(
        line
        for name, command in typer.main.get_command(app).commands.items()
        for full, one in (
            [(f"{name} {part}", one) for part, one in command.commands.items()]
            if hasattr(command, "commands")
            else [(name, command)]
        )
        for line in _command(full, one)
    )


def methods() -> str:
    """What each method computes, what it costs, and the unit of its maps."""
    rows = [
        _row(f"`{name}`", method.kind.cost, method.unit, _summary(method.function))
        for name, method in REGISTRY.items()
    ]
    return "\n".join([_row("method", "cost", "unit", "map"), "|---|---|---|---|", *rows])


def sequences() -> str:
    """What the registry of sequences says of each."""
    rows = [
        _row(
            f"`{one.name}`",
            *(shade or "varies" for shade in (one.fluid, one.grey, one.lesions)),
            f"{one.full_scale:g}",
            "yes" if one.timing else "no",
        )
        for one in [*SEQUENCES.values(), MRSequence("any other")]
    ]
    heading = _row("sequence", "fluid", "grey matter", "lesions", "white matter times … becomes 1", "phantom")
    return "\n".join([heading, "|---|---|---|---|---|---|", *rows])


def public_names() -> str:
    """What `import stratacam` gives: calls, and what they return."""
    rows = []
    for name in stratacam.__all__:
        value = getattr(stratacam, name)
        is_call = inspect.isfunction(value)
        call = f"{name}{_arguments(value)}" if is_call else name
        rows.append(
            _row(f"`{call}`", _summary(value) if is_call or inspect.isclass(value) else _shown(value))
        )
    return "\n".join([_row("name", "what it is"), "|---|---|", *rows])


def architectures() -> str:
    """Every network of the registry: size, layers with maps, and where its weights start."""
    rows = []
    for name, entry in ARCHITECTURES.items():
        with torch.device("meta"):  # shapes without numbers
            model = stratacam.build(name, classes=2, weights="none")
        layers = stratacam.match_layers(model)
        parameters = sum(
            value.numel() for key, value in model.named_parameters() if not key.startswith("predictions")
        )
        shown = f"{len(layers)}: `{layers[0]}` ... `{layers[-2]}`, `{layers[-1]}`"
        size = f"{parameters / 1e6:.1f} million"
        weights = f"`{_toml(default_weights(name))}`"
        rows.append(
            _row(f"`{_toml(name)}`", size, shown, f"`{entry.blocks[-1]}_*`", str(entry.minimum_size), weights)
        )
    head = (
        "name",
        "parameters without head",
        "layers with maps",
        "last block",
        "smallest picture",
        "`default` weights",
    )
    return "\n".join([_row(*head), "|" + "---|" * len(head), *rows])


def figures() -> str:
    """Every figure of the registry: its name, what it shows, whose, and what it needs."""
    entries = [(entry, "") for entry in STUDY_FIGURES] + [(entry, "-NETWORK") for entry in EVIDENCE_FIGURES]
    rows = [
        _row(f"`{entry.name}{suffix}`", entry.about, SUBJECTS[entry.scans], entry.needs or "-")
        for entry, suffix in entries
    ]
    head = _row("name", "shows", "with `--subject`", "needs")
    return "\n".join([head, "|---|---|---|---|", *rows])


BLOCKS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "commands": commands,
    "methods": methods,
    "architectures": architectures,
    "measures": documentation_table,
    "rule": lambda: rule().as_markdown(),
    "public_names": public_names,
    "api": api,
    "sequences": sequences,
    "figures": figures,
    "given_card": given_card,
}


def filled(page: str) -> str:
    """The text of a page with its blocks made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]().strip()}\n\n{found[3]}", page)


def pages() -> list[Path]:
    """Pages that have a generated block."""
    return [page for page in sorted(DOCS.glob("*.md")) if BLOCK.search(page.read_text(encoding="utf-8"))]


def _section(name: str, schema: Schema, models: dict[str, Schema]) -> list[str]:
    """A heading and a table of one section's settings, then those of the sections in it."""
    rows, inner = [], []
    required = schema.get("required", [])
    for key, field in schema["properties"].items():
        if "$ref" in field:
            model = models[field["$ref"].rpartition("/")[2]]
            inner += _section(f"{name}.{key}".lstrip("."), model, models)
            continue
        default = "**required**" if key in required else _default(field.get("default"))
        rows.append(_row(f"`{key}`", default, _allowed(field), field["description"]))
    heading = f"### `[{name}]`" if name else "### Top of the file"
    return [heading, "", _row("key", "default", "allowed", "meaning"), "|---|---|---|---|", *rows, "", *inner]


def _default(value: object) -> str:
    return "absent" if value is None else f"`{_toml(value)}`"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + " }"
            if value
            else "{}"
        )
    return json.dumps(value, ensure_ascii=False)


def _allowed(field: Schema) -> str:
    """The values that a setting takes, in words."""
    if kinds := field.get("anyOf"):
        return " or ".join(_allowed(kind) for kind in kinds if kind.get("type") != "null")
    if values := field.get("enum", [field["const"]] if "const" in field else None):
        return ", ".join(f"`{_toml(value)}`" for value in values)
    return _KINDS[field["type"]](field)


def _list(field: Schema) -> str:
    if kinds := field.get("prefixItems"):
        return f"list of {len(kinds)}: " + ", ".join(map(_allowed, kinds))
    return f"list of: {_allowed(field['items'])}"


def _number(field: Schema) -> str:
    name = "whole number" if field["type"] == "integer" else "number"
    return " ".join([name, *_limits(field)])


def _table(field: Schema) -> str:
    content = field["additionalProperties"]
    return "table" if content is True else f"table of: {_allowed(content)}"


_KINDS: dict[str, Callable[[Schema], str]] = {
    "array": _list,
    "object": _table,
    "string": lambda field: "path" if field.get("format") == "path" else "text",
    "boolean": lambda _: "true, false",
    "integer": _number,
    "number": _number,
}


def _limits(field: Schema) -> list[str]:
    words = {
        "exclusiveMinimum": "above",
        "minimum": "from",
        "exclusiveMaximum": "below",
        "maximum": "to",
        "multipleOf": "in steps of",
    }
    return [f"{word} {field[key]:g}" for key, word in words.items() if key in field]


def _command(name: str, command: Any) -> list[str]:  # noqa: ANN401 - of a library without types
    parameters = [parameter for parameter in command.params if not parameter.hidden]
    arguments = [_argument(parameter) for parameter in parameters if parameter.param_type_name == "argument"]
    usage = " ".join(["stratacam", name, *arguments, "[OPTIONS]"])
    rows = [_parameter(parameter) for parameter in parameters]
    head = [_row("argument or option", "default", "meaning"), "|---|---|---|"]
    return [f"### `{usage}`", "", command.help, "", *head, *rows, ""]


def _argument(parameter: Any) -> str:  # noqa: ANN401 - of a library without types
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _parameter(parameter: Any) -> str:  # noqa: ANN401 - of a library without types
    names = [_argument(parameter)] if parameter.param_type_name == "argument" else parameter.opts
    shown = parameter.default is not None and parameter.default is not False
    default = "**required**" if parameter.required else f"`{parameter.default}`" if shown else ""
    return _row(", ".join(f"`{name}`" for name in names), default, parameter.help or "")


def _arguments(function: Callable[..., Any]) -> str:
    """Names of a function's arguments; `=` follows those with a default."""
    names = []
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.VAR_KEYWORD:  # the keys of a typed dictionary
            names += [f"{name}=" for name in get_args(one.annotation)[0].__annotations__]
        else:
            names.append(one.name if one.default is one.empty else f"{one.name}=")
    return f"({', '.join(names)})"


def _shown(value: Any) -> str:  # noqa: ANN401 - any constant
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _summary(function: object) -> str:
    """First sentence of a docstring, without its full stop."""
    return (function.__doc__ or "").partition("\n")[0].rstrip(".")


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    for page in pages():
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
