"""Networks of TorchScript: `.pt`, traced or scripted, whose graph is run here operation by operation.

TorchScript runs its graph out of Python's sight, so that hooks of its modules are never called. Here the graph, with
all constants folded, is built again of torch's modules, which keep the names that the network's modules had.
"""

import operator
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.files.builder import Builder
from stratacam.networks.files.builder import known as is_known
from stratacam.networks.files.graph import HERE, Step, Value, Weight
from stratacam.networks.files.of_aten import PLAIN, add_operation, check_precision, end_of, find_operation
from stratacam.networks.files.opened import OpenedFile, finished
from stratacam.networks.files.probabilities import leave_out

SAME: dict[str, Callable[[Sequence[Any]], Any]] = {
    "prim::ListConstruct": list, "prim::TupleConstruct": tuple, "prim::device": lambda _: HERE,
    "prim::NumToTensor": operator.itemgetter(0), "aten::detach": operator.itemgetter(0),
}  # fmt: skip
"""What values stand for that need no operation; numbers stay Python's."""

UNPACKED = {"prim::ListUnpack", "prim::TupleUnpack"}
NOTHING = {"prim::RaiseException", "aten::warn"}
DECISIONS = {"__is__", "__isnot__", "__not__"}

REMEDY = (
    "save it with torch.export.save(torch.export.export(model.eval(), (images,)), 'model.pt2'), or trace it in "
    "place of scripting it"
)


def open_script(path: Path) -> nn.Module:
    """Read a network of TorchScript.

    Raises:
        InputError: the file is no TorchScript, or the network takes several inputs, or decides on images what it runs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # who reads a file cannot change its format
            loaded = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
            frozen = torch.jit.freeze(loaded, optimize_numerics=False)
    except (RuntimeError, ValueError, OSError) as fault:
        raise InputError(
            f"{path}: is no TorchScript that torch {torch.__version__} reads: "
            f"{str(fault).strip().splitlines()[-1][:300]}; expected what torch.jit.save writes."
        ) from fault
    graph = frozen.graph
    known = _defaults(frozen)
    images = [one.debugName() for one in graph.inputs()][1:]
    images = [name for name in images if name not in known]
    results = [one.debugName() for one in graph.outputs()]
    if len(images) != 1:
        raise InputError(
            f"{path}: found {len(images)} inputs ({', '.join(images)}); expected one: save a network of one input."
        )
    state: dict[str, Tensor] = {}
    builder = Builder(path, images[0], state)
    for node in graph.nodes():
        _add(builder, node, state, known)
    last = known.get(results[0], Value(results[0]))
    if not isinstance(last, Value):
        raise InputError(
            f"{path}: found a network that gives {type(last).__name__}; expected one tensor, the logits."
        )
    note = leave_out(builder, last, end_of)
    network = builder.close(last)
    check_precision(path, network)
    return finished(network, OpenedFile(path, "TorchScript", notes=(note,) if note else ()))


def _add(builder: Builder, node: Any, state: dict[str, Tensor], known: dict[str, Any]) -> None:
    """Append what a node does, or note in `known` what it stands for."""
    kind = node.kind()
    results = tuple(one.debugName() for one in node.outputs())
    arguments = tuple(known.get(one.debugName(), Value(one.debugName())) for one in node.inputs())
    step = Step("", arguments, {}, results, _home(node.getModuleHierarchy()))
    name = kind.removeprefix("aten::")
    if kind in NOTHING:
        return
    if kind == "prim::Constant":
        known[results[0]] = _constant(results[0], node.output().toIValue(), state)
    elif kind in SAME:
        known[results[0]] = SAME[kind](arguments)
    elif kind in UNPACKED:
        _unpack(builder, step, known)
    elif kind == "prim::dtype":
        builder.add(replace(step, call=_type_of))
    elif name in DECISIONS and all(map(is_known, arguments)):
        known[results[0]] = PLAIN[name](*arguments)
    elif name != kind:
        _add_aten(builder, node, step)
    elif kind != "prim::If" or not _run_block(builder, node, arguments[0], state, known):
        raise InputError(
            f"{builder.path}: found {kind}, a part of TorchScript that is not a plain operation (such as a decision "
            "or a loop over what it is given); expected a network that runs the same operations for every image: "
            f"{REMEDY}."
        )


def _unpack(builder: Builder, step: Step, known: dict[str, Any]) -> None:
    (values,) = step.arguments
    if isinstance(values, list | tuple):
        known.update(zip(step.results, values, strict=True))
    else:
        builder.add(replace(step, call=tuple))


def _run_block(
    builder: Builder, node: Any, condition: Any, state: dict[str, Tensor], known: dict[str, Any]
) -> bool:
    """Append the block of a decision that is always run, by a known condition or as the other one raises an error.

    Returns:
        Whether there is one.
    """
    blocks = list(node.blocks())
    if isinstance(condition, bool):
        blocks = [blocks[0 if condition else 1]]
    else:
        blocks = [block for block in blocks if not _raises(block)]
    if len(blocks) != 1:
        return False
    for one in blocks[0].nodes():
        _add(builder, one, state, known)
    for result, given in zip(node.outputs(), blocks[0].outputs(), strict=True):
        known[result.debugName()] = known.get(given.debugName(), Value(given.debugName()))
    return True


def _add_aten(builder: Builder, node: Any, step: Step) -> None:
    name, _, overload = node.schema().partition("(")[0].removeprefix("aten::").partition(".")
    on_tensors = any("Tensor" in one.type().annotation_str for one in node.outputs())
    if not on_tensors and name in PLAIN:
        builder.add(replace(step, call=PLAIN[name]))
        return
    operation = find_operation(name, overload)
    if operation is None:
        raise InputError(
            f"{builder.path}: found the operation aten::{name}, which is not run from a file; expected operations on "
            "tensors: save the network without it."
        )
    positional = sum(not argument.kwarg_only for argument in operation._schema.arguments)
    names = [argument.name for argument in operation._schema.arguments]
    add_operation(
        builder,
        operation,
        Step(
            operation,
            step.arguments[:positional],
            dict(zip(names[positional:], step.arguments[positional:], strict=False)),
            step.results,
            step.home,
        ),
    )


def _constant(name: str, value: Any, state: dict[str, Tensor]) -> Any:
    if isinstance(value, torch.device):
        return HERE
    if not isinstance(value, Tensor):
        return value
    name = name.removeprefix("self.")
    name = f"constant_{name}" if name.replace(".", "").isdigit() else name
    state[name] = value.detach()
    return Weight(name)


def _type_of(tensor: Tensor) -> torch.dtype:
    return tensor.dtype


def _defaults(module: Any) -> dict[str, Any]:
    """Values of further arguments that may be left out, by the names that the graph has for them."""
    arguments = list(module.forward.schema.arguments)[1:]
    names = [one.debugName() for one in module.graph.inputs()][1:]
    return {
        name: argument.default_value
        for name, argument in zip(names, arguments, strict=True)
        if argument.has_default_value()
    }


def _raises(block: Any) -> bool:
    return any(node.kind() == "prim::RaiseException" for node in block.nodes())


def _home(hierarchy: str) -> str:
    """Path of the module that runs an operation: "features.0" of "features(Sequential).0(Conv2d).SELF(Conv2d)"."""
    parts = re.findall(r"(?:^|\.)([^.()]+)\(", hierarchy)
    return ".".join(part for part in parts if part not in {"SELF", "UNKNOWN_INSTANCE"})
