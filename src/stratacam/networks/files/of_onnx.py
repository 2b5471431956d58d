"""Classifiers in ONNX: the graph is built again of torch's modules and functions."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.elsewhere.source import module_of
from stratacam.networks.files.builder import Builder
from stratacam.networks.files.graph import GraphNetwork, Shape, Step, Value, Weight
from stratacam.networks.files.onnx_ends import end_of
from stratacam.networks.files.onnx_layers import LAYERS, add_layer
from stratacam.networks.files.onnx_operators import OPERATORS, TYPES, WITH_OPSET
from stratacam.networks.files.onnx_run import Run, check_arguments, refusal
from stratacam.networks.files.opened import OpenedFile, finished
from stratacam.networks.files.probabilities import leave_out

DOMAINS = {"", "ai.onnx"}
SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch's exporter writes the names of the modules."""

TRAINED = {"BatchNormalization": "training_mode"}
"""Operators that may be in training mode, and the attribute that says so."""

PLAIN_CONSTANTS = {"value", "value_float", "value_floats", "value_int", "value_ints"}

DOUBLE = 11


def open_onnx(path: Path) -> nn.Module:
    """Read a classifier in ONNX.

    Raises:
        InputError: the package onnx is absent, the file is no ONNX, or it has operators that are unknown, several
            inputs or several outputs.
    """
    try:
        onnx = module_of("onnx")
    except ModuleNotFoundError as fault:
        raise InputError(
            f"{path}: reading it needs the package onnx, which is not installed; pip install 'stratacam[onnx]'."
        ) from fault
    try:
        model = onnx.load(path)
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        graph = model.graph
        tensors = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    except Exception as fault:
        raise InputError(
            f"{path}: is damaged or no ONNX model: {type(fault).__name__} ({str(fault)[:300]}); expected what "
            "torch.onnx.export, tf2onnx or another exporter writes, with its external data beside it: export it "
            "again."
        ) from fault
    if not graph.node:
        raise InputError(f"{path}: found no operators; expected an ONNX model: export it again.")
    reader = GraphReader(path, onnx, model, tensors)
    network = reader.read()
    shape = tuple(reader.shape[1:]) if reader.shape else None
    return finished(network, OpenedFile(path, reader.title, shape, network.saved_batch, tuple(reader.notes)))


class GraphReader:
    """Reads one graph.

    Attributes:
        weights: what arguments are that the file has as constants, by name.
        state: these tensors, by a name that a module may have.
        shape: of the images, with None where any length goes; None if the file does not say.
        title: format and producer, for readers.
        notes: what was changed, in sentences.
    """

    def __init__(self, path: Path, onnx: Any, model: Any, tensors: Mapping[str, Any]) -> None:
        self.path, self.onnx, self.graph = path, onnx, model.graph
        self.opset = next((one.version for one in model.opset_import if one.domain in DOMAINS), 1)
        producer = f"{model.producer_name} {model.producer_version}".strip()
        self.title = f"ONNX, opset {self.opset}" + (f", {producer}" if producer else "")
        self.state: dict[str, Tensor] = {}
        self.weights: dict[str, Weight] = {}
        self.shape: list[int | None] | None = None
        self.notes: list[str] = []
        for name, values in tensors.items():
            self._hold(name, self._tensor(values, name))

    def read(self) -> GraphNetwork:
        """Build the network."""
        images, result = (self._one(kind) for kind in ("input", "output"))
        builder = Builder(self.path, f"images of {images.name}", self.state)
        self.shape = shape = self._shape_of(images)
        given = Value(builder.network.given)
        if shape and self._takes_channels_last(images.name, len(shape)):
            builder.add(Step(_channels_last, (given,), {}, (f"{images.name} turned",)))
            given = Value(f"{images.name} turned")
            self.shape = [shape[0], shape[-1], *shape[1:-1]]
            self.notes.append(
                "The network takes channels last; it is given them first, and turns them itself."
            )
        double = images.type.tensor_type.elem_type == DOUBLE
        builder.add(Step(_double if double else _same, (given,), {}, (images.name,)))
        for number, node in enumerate(self.graph.node):
            self._add(builder, number, node)
        last = Value(result.name)
        if note := leave_out(builder, last, partial(end_of, builder)):
            self.notes.append(note)
        try:
            network = builder.close(last)
        except KeyError as fault:
            raise InputError(
                f"{self.path}: needs the value {fault.args[0]}, which nothing in the file gives; expected a whole "
                "ONNX model: export it again."
            ) from fault
        network.saved_batch = self.shape[0] if self.shape else None
        return network

    def _one(self, kind: str) -> Any:
        """The one input or output of the graph."""
        found = [one for one in getattr(self.graph, kind) if one.name not in self.weights]
        if len(found) != 1:
            names = ", ".join(one.name for one in found)
            raise InputError(
                f"{self.path}: found {len(found)} {kind}s ({names}); expected one: export a network of one {kind}."
            )
        return found[0]

    def _shape_of(self, value: Any) -> list[int | None] | None:
        kind = value.type.tensor_type
        if not kind.HasField("shape"):
            return None
        return [
            one.dim_value if one.HasField("dim_value") and one.dim_value > 0 else None
            for one in kind.shape.dim
        ]

    def _takes_channels_last(self, name: str, axes: int) -> bool:
        """Whether the graph first moves the last axis of its images to where torch has the channels."""
        first = [node for node in self.graph.node if name in node.input]
        order = [0, axes - 1, *range(1, axes - 1)]
        return (
            axes > 3
            and bool(first)
            and all(
                node.op_type == "Transpose" and self._attributes(node).get("perm") == order for node in first
            )
        )

    def _hold(self, name: str, tensor: Tensor) -> None:
        known = (
            "".join(sign if sign.isalnum() or sign in "._" else "_" for sign in name).strip(".") or "constant"
        )
        while known in self.state:
            known += "_"
        self.state[known] = tensor
        self.weights[name] = Weight(known)

    def _tensor(self, values: Any, name: str) -> Tensor:
        kind = values.dtype.name
        if kind in {"float16", "bfloat16"}:
            values = values.astype("float32")
        try:
            return torch.from_numpy(values.copy())
        except TypeError as fault:
            kind = "strings" if kind == "object" else f"numbers of the type {kind}"
            raise InputError(
                f"{self.path}: found the constant {name or 'without a name'} of {kind}; expected plain numbers, no "
                "quantised ones: export the network in single precision."
            ) from fault

    def _attributes(self, node: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one in node.attribute:
            value = self.onnx.helper.get_attribute_value(one)
            if isinstance(value, bytes):
                value = value.decode()
            elif isinstance(value, self.onnx.TensorProto):
                value = self._tensor(self.onnx.numpy_helper.to_array(value), node.output[0])
            elif isinstance(value, Sequence) and not isinstance(value, str):
                value = list(value)
            found[one.name] = value
        return found

    def _add(self, builder: Builder, number: int, node: Any) -> None:
        kind, attributes = node.op_type, self._attributes(node)
        if kind == "Constant" and node.domain in DOMAINS:
            ((name, value),) = attributes.items()
            if name not in PLAIN_CONSTANTS:
                raise InputError(
                    f"{self.path}: found the constant {node.output[0]} of the kind {name}; expected plain numbers: "
                    "export the network without it."
                )
            if not isinstance(value, Tensor):
                value = torch.tensor(
                    value, dtype=torch.int64 if name.endswith(("int", "ints")) else torch.float32
                )
            self._hold(node.output[0], value)
            return
        arguments = tuple(self._argument(name) for name in node.input)
        results = tuple(name or f"unused {number} {place}" for place, name in enumerate(node.output))
        step = Step("", arguments, attributes, results, _home(node))
        try:
            if node.domain not in DOMAINS or kind not in {*OPERATORS, *LAYERS}:
                raise ValueError("it is not among the operators that are known here")  # noqa: TRY301
            if kind in TRAINED and attributes.get(TRAINED[kind]):
                raise ValueError("it is in training mode")  # noqa: TRY301
            if kind in LAYERS:
                home = self._home_of_kernel(arguments) or step.home
                name = home or _plain(node.name) or f"{kind}_{number}"
                add_layer(builder, kind, name, attributes, replace(step, named={}, home=home))
            else:
                self._add_function(builder, node, step)
        except InputError:
            raise
        except ValueError as fault:
            raise InputError(refusal(self._title_of(node), fault)) from fault

    def _title_of(self, node: Any) -> str:
        domain = f"{node.domain}." if node.domain else ""
        return (
            f"{self.path}: found the operator {domain}{node.op_type} of opset {self.opset} "
            f"({node.name or 'without a name'})"
        )

    def _add_function(self, builder: Builder, node: Any, step: Step) -> None:
        """Append an operator; one of constants alone is run at once."""
        kind, arguments, named = node.op_type, step.arguments, dict(step.named)
        if kind in WITH_OPSET:
            named["opset"] = self.opset
        if kind == "Split":
            named["outputs"] = len(step.results)
        results = step.results if kind == "Split" else step.results[:1]
        check_arguments(OPERATORS[kind], arguments, named)
        function = Run(kind, self._title_of(node))
        if arguments and all(isinstance(one, Weight) for one in arguments) and len(results) == 1:
            self._hold(results[0], function(*(self.state[one.name] for one in arguments), **named))
            return
        if kind in {"Reshape", "Expand"} and isinstance(arguments[1], Weight):
            arguments = (arguments[0], Shape(tuple(self.state[arguments[1].name].tolist())))
        builder.add(Step(function, arguments, named, results, step.home))

    def _home_of_kernel(self, arguments: Sequence[Any]) -> str:
        """Path of a convolution by the name of its kernel: it keeps it where an exporter merges other operators in."""
        kernel = arguments[1].name if len(arguments) > 1 and isinstance(arguments[1], Weight) else ""
        path, _, last = kernel.rpartition(".")
        return path if last == "weight" else ""

    def _argument(self, name: str) -> Any:
        return None if not name else self.weights.get(name, Value(name))


def _home(node: Any) -> str:
    """Path of the module of an operator, as torch's exporters write it; "" if none is named."""
    written = next((one.value for one in node.metadata_props if one.key == SCOPES), "")
    if written:
        try:
            scopes = ast.literal_eval(written)
        except (ValueError, SyntaxError):
            return ""
        return _plain(scopes[-2]) if len(scopes) > 1 else ""
    path: list[str] = []
    for part in [part for part in node.name.split("/") if part][:-1]:
        path = [*path[:-1], part] if path and part.startswith(f"{path[-1]}.") else [*path, part]
    return _plain(".".join(path))


def _plain(name: str) -> str:
    """A name that a module may have."""
    return ".".join(part for part in name.replace("/", ".").replace(":", "_").split(".") if part)


def _channels_last(images: Tensor) -> Tensor:
    return images.movedim(1, -1)


def _same(images: Tensor) -> Tensor:
    return images


def _double(images: Tensor) -> Tensor:
    return images.to(TYPES[DOUBLE])
