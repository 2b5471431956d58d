"""A final softmax or sigmoid is left out of a model of Keras, in its last call alone."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.networks.files.probabilities import CLAMP, SAME, SIGMOID, SOFTMAX, End, is_wide

ACTIVATIONS = {
    "softmax": SOFTMAX, "log_softmax": SOFTMAX, "sigmoid": SIGMOID, "hard_sigmoid": SIGMOID, "linear": SAME,
}  # fmt: skip
FUNCTIONS = {"Softmax": SOFTMAX, "LogSoftmax": SOFTMAX, "Sigmoid": SIGMOID, "HardSigmoid": SIGMOID}
RESHAPING = {
    "Reshape", "Flatten", "Squeeze", "ExpandDims", "Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D", "GaussianNoise", "GaussianDropout",
}  # fmt: skip


@dataclass
class _Found:
    """A final softmax or sigmoid.

    Attributes:
        behind: operations of the model itself after it, the last one first.
        clamps: among all operations after it.
        inside: whether it is in a model within the model.
        calls: how often the innermost of these models is run.
        graph: this model.
        operation: the softmax or sigmoid, or the layer that has it as its activation.
        given: what goes into it.
        end: what it does.
    """

    graph: Any
    behind: list[Any] = field(default_factory=list)
    clamps: list[Any] = field(default_factory=list)
    inside: bool = False
    calls: int = 1
    operation: Any = None
    given: Any = None
    end: End = field(default_factory=lambda: End(SAME))


def without_probabilities(path: Path, keras: Any, model: Any) -> tuple[Any, str]:
    """The model without a final softmax or sigmoid, and what was done, in words; "" for nothing.

    Raises:
        InputError: the layer that has it is run in other places too, where it has to stay.
    """
    found = _find(keras, model)
    if found is None:
        return model, ""
    operation, title = found.operation, found.end.title
    shared = isinstance(operation, keras.Layer) and _calls(found.graph, operation) > 1
    if shared and not found.inside and type(operation).__name__ in {"Softmax", "Activation"}:
        given = found.given
        for one in reversed(found.behind):
            given = one(given)
        model = keras.Model(model.inputs, given)
    elif shared or found.calls > 1:
        raise InputError(
            f"{path}: found the final {title} in {operation.name}, which the model runs in several places; expected it "
            "at the end alone, where it can be left out: save the model without it."
        )
    else:
        _silence(keras, operation)
    for one in found.clamps:
        _silence(keras, one)
    return model, f"The {title} of the last layer, {operation.name}, is left out: the network gives logits."


def _find(keras: Any, model: Any) -> _Found | None:
    """The final softmax or sigmoid, from the output back; None if there is none that can be left out."""
    found, value = _Found(model), model.outputs[0]
    while True:
        operation, place, _ = value._keras_history
        inputs = operation._inbound_nodes[place].input_tensors if operation._inbound_nodes else ()
        if not inputs:
            return None
        if getattr(operation, "outputs", None):
            found.inside, found.calls = True, found.calls * _calls(found.graph, operation)
            found.graph, value = operation, operation.outputs[0]
            continue
        end = _end_of(keras, operation)
        if end is None or (end.kind == CLAMP and not is_wide(end)):
            return None
        if end.kind in {SOFTMAX, SIGMOID}:
            found.operation, found.given, found.end = operation, inputs[0], end
            return found if end.kind == SIGMOID or _is_over_classes(end, value.shape) else None
        if end.kind == CLAMP:
            found.clamps.append(operation)
        elif not found.inside:
            found.behind.append(operation)
        value = inputs[0]


def _silence(keras: Any, operation: Any) -> None:
    """Let an operation give its input, or a layer be without its activation."""
    if not isinstance(operation, keras.Layer):
        operation.call = lambda given, *_, **__: given  # a function of Keras, which is one for each call
    elif hasattr(operation, "activation"):
        operation.activation = keras.activations.linear
    else:
        operation.register_forward_hook(lambda _, given, __: given[0])


def _calls(graph: Any, operation: Any) -> int:
    """How often a model runs an operation."""
    by_depth = getattr(graph, "_functional", graph)._nodes_by_depth
    return sum(node.operation is operation for nodes in by_depth.values() for node in nodes)


def _end_of(keras: Any, operation: Any) -> End | None:
    """What an operation at the end of a model does, see `End`."""
    name = type(operation).__name__
    if name in FUNCTIONS:
        return End(FUNCTIONS[name], name.lower(), axis=getattr(operation, "axis", -1))
    if name == "Clip":
        limits = operation.x_min, operation.x_max
        return End(CLAMP, limits=limits) if all(isinstance(one, int | float) for one in limits) else None
    if name == "Cast":
        return End(SAME) if "float" in str(operation.dtype) else None
    for activation, kind in ACTIVATIONS.items():
        if getattr(operation, "activation", None) is getattr(keras.activations, activation):
            return End(kind, activation, axis=-1) if kind != SAME or name == "Activation" else None
    return End(SAME) if name in RESHAPING else None


def _is_over_classes(end: End, shape: tuple[int | None, ...]) -> bool:
    """Whether a softmax of values of this shape runs over all values of each image."""
    axis = (end.axis if isinstance(end.axis, int) else -1) % len(shape)
    sizes = [size or 0 for size in shape[1:]]
    return axis > 0 and bool(shape[axis]) and math.prod(sizes) == shape[axis]
