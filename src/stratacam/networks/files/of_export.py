"""Programs of torch.export: `.pt2`.

The archive's JSON and raw weights are read here. `torch.export.load` unpickles parts of an archive and evaluates
expressions in it; nothing of a file is run by this reader but operations of torch on tensors.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.files.builder import Builder
from stratacam.networks.files.graph import HERE, Step, Value, Weight
from stratacam.networks.files.of_aten import PLAIN, add_operation, check_precision, end_of, find_operation
from stratacam.networks.files.opened import OpenedFile, finished
from stratacam.networks.files.probabilities import leave_out

MODEL, WEIGHTS, CONSTANTS = "models/model.json", "weights", "constants"
SCHEMA = 8
"""Version of the format, of which newer minor versions are alike."""

TYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16,
    7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
ORDERS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
TABLES: dict[str, Mapping[int, Any]] = {
    "as_scalar_type": TYPES, "as_memory_format": ORDERS, "as_layout": {7: torch.strided},
}  # fmt: skip
TENSORS = {"as_tensor", "as_tensors", "as_optional_tensor", "as_optional_tensors"}
NUMBERS = {"as_sym_int", "as_sym_ints", "as_sym_float", "as_sym_floats", "as_sym_bool", "as_sym_bools"}
CONSTANT_KINDS = {
    "as_none", "as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string",
}  # fmt: skip
"""Kinds of arguments; those of several end in "s"."""

NO_RESULT = ("_assert", "sym_constrain_range")
"""Beginnings of the names of operations that only check."""

SAVE = "save it with torch.export.save(torch.export.export(model.eval(), (images,)), 'model.pt2')"


def open_exported(path: Path) -> nn.Module:
    """Read an exported program.

    Raises:
        InputError: the file is damaged, of another version, holds pickled parts, or has operations that are unknown.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(path, archive)
    except InputError:
        raise
    except (
        OSError,
        zipfile.BadZipFile,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        RuntimeError,
    ) as fault:
        raise InputError(
            f"{path}: is damaged or no exported program: {type(fault).__name__} ({fault}); expected what "
            f"torch.export.save of torch 2.8 or later writes: {SAVE}."
        ) from fault


def _read(path: Path, archive: zipfile.ZipFile) -> nn.Module:
    model = json.loads(_content(archive, MODEL))
    version = model["schema_version"]["major"]
    if version != SCHEMA:
        raise InputError(
            f"{path}: found version {version} of the format; expected {SCHEMA}, that of torch 2.8 and later: {SAVE}."
        )
    graph, signature = model["graph_module"]["graph"], model["graph_module"]["signature"]
    state = {**_tensors(path, archive, WEIGHTS), **_tensors(path, archive, CONSTANTS)}
    inputs: dict[str, Any] = {}
    images = []
    for entry in signature["input_specs"]:
        ((kind, content),) = entry.items()
        if kind in {"parameter", "buffer", "tensor_constant"}:
            inputs[content["arg"]["name"]] = Weight(content[f"{kind}_name"])
        elif kind == "user_input" and "as_tensor" in content["arg"]:
            images.append(content["arg"]["as_tensor"]["name"])
        elif kind not in {"constant_input", "user_input"}:
            raise InputError(f"{path}: found an input of the kind {kind}; expected tensors: {SAVE}.")
    results = [
        entry["user_output"]["arg"]["as_tensor"]["name"]
        for entry in signature["output_specs"]
        if "user_output" in entry
    ]
    for kind, names in (("input", images), ("output", results)):
        if len(names) != 1:
            raise InputError(
                f"{path}: found {len(names)} {kind}s ({', '.join(names)}); expected one: export a network of one "
                f"{kind}."
            )
    builder = Builder(path, images[0], state)
    for node in graph["nodes"]:
        _add(builder, node, inputs)
    result = Value(results[0])
    note = leave_out(builder, result, end_of)
    network = builder.close(result)
    check_precision(path, network)
    sizes = [size.get("as_int") for size in graph["tensor_values"][images[0]]["sizes"]]
    network.saved_batch = sizes[0]
    title = f"torch.export, torch {model.get('torch_version', 'unknown')}"
    opened = OpenedFile(path, title, tuple(sizes[1:]), sizes[0], (note,) if note else ())
    return finished(network, opened)


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    """A part of the archive, which stores all parts as they are."""
    entry = next(one for one in archive.infolist() if one.filename.partition("/")[2] == name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    return archive.read(entry)


def _tensors(path: Path, archive: zipfile.ZipFile, kind: str) -> dict[str, Tensor]:
    """Weights or constants by name."""
    config = json.loads(_content(archive, f"data/{kind}/model_{kind}_config.json"))["config"]
    found: dict[str, Tensor] = {}
    stored: dict[str, Tensor] = {}
    for name, entry in config.items():
        if entry["use_pickle"] or entry.get("tensor_meta") is None:
            raise InputError(
                f"{path}: found {name}, which is pickled; expected plain tensors, as pickles can run code: export a "
                "network of plain tensors."
            )
        meta, place = entry["tensor_meta"], entry["path_name"]
        kind_of_number = TYPES[meta["dtype"]]
        key = f"{place} {kind_of_number}"
        if key not in stored:
            content = bytearray(_content(archive, f"data/{kind}/{place}"))
            stored[key] = (
                torch.frombuffer(content, dtype=kind_of_number)
                if content
                else torch.empty(0, dtype=kind_of_number)
            )
        sizes, strides = ([one["as_int"] for one in meta[part]] for part in ("sizes", "strides"))
        found[name] = stored[key].as_strided(sizes, strides, meta["storage_offset"]["as_int"])
    return found


def _add(builder: Builder, node: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    target, name = node["target"], node["target"].split(".")[-1]
    results = tuple(one["name"] for output in node["outputs"] for one in _results(output))
    positional = tuple(_argument(one["arg"], inputs) for one in node["inputs"] if one.get("kind") != 2)
    named = {one["name"]: _argument(one["arg"], inputs) for one in node["inputs"] if one.get("kind") == 2}
    step = Step("", positional, named, results, _home(node["metadata"].get("nn_module_stack", "")))
    if target.startswith("_operator.") and name in PLAIN:
        builder.add(Step(PLAIN[name], positional, named, results, step.home))
        return
    if target.startswith("torch.ops.aten."):
        name, overload = target.split(".")[-2:]
        if name.startswith(NO_RESULT):
            return
        operation = find_operation(name, overload)
        if operation is not None:
            add_operation(builder, operation, Step(operation, positional, named, results, step.home))
            return
    raise InputError(
        f"{builder.path}: found the operation {target}, which is not run from a file; expected operations of torch "
        "on tensors (torch.ops.aten): export the network without it."
    )


def _results(output: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    ((kind, content),) = output.items()
    if kind == "as_tensors":
        return list(content)
    if kind.startswith("as_sym"):
        return [{"name": content["as_name"]}]
    return [content] if kind == "as_tensor" else []


def _argument(arg: Mapping[str, Any], inputs: Mapping[str, Any]) -> Any:
    """An argument as JSON has it."""
    ((kind, content),) = arg.items()
    if kind in TENSORS:
        return [_tensor(one, inputs) for one in content] if kind.endswith("s") else _tensor(content, inputs)
    if kind in NUMBERS:
        return [_number(one) for one in content] if kind.endswith("s") else _number(content)
    if kind in TABLES:
        return TABLES[kind][content]
    if kind == "as_device":
        return HERE
    if kind not in CONSTANT_KINDS:
        raise ValueError(f"an argument of the kind {kind}")
    if kind in {"as_float", "as_floats"}:  # infinities are written as words
        return [float(one) for one in content] if kind == "as_floats" else float(content)
    return None if kind == "as_none" else content


def _tensor(content: Mapping[str, Any], inputs: Mapping[str, Any]) -> Any:
    if "as_none" in content:
        return None
    name = content.get("as_tensor", content)["name"]
    return inputs.get(name, Value(name))


def _number(content: Mapping[str, Any]) -> Any:
    ((kind, value),) = content.items()
    return Value(value) if kind == "as_name" else value


def _home(stack: str) -> str:
    """Path of the innermost module, without the number of its call."""
    parts = stack.rsplit(";", maxsplit=1)[-1].split(",")
    path = parts[1] if len(parts) > 2 else ""
    return path.partition("@")[0] if not path.startswith("_empty") else ""
