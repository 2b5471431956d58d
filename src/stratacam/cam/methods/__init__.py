"""The methods, under the names that `method=` takes.

To add one, write a function in a module here and one entry of `REGISTRY`, whose kind says what the function is given.
Methods by gradients are read from one forward, and one backward for each class, however many they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from stratacam.cam.methods.ablationcam import ablationcam
from stratacam.cam.methods.eigencam import eigencam
from stratacam.cam.methods.gradient import (
    gradcam,
    gradcam_plus_plus,
    gradient_x_activation,
    hirescam,
    layercam,
    multiscale_gradcam,
    xgradcam,
)
from stratacam.cam.methods.input_gradient import guided_backprop, input_gradient
from stratacam.cam.methods.scorecam import scorecam
from stratacam.cam.passes import (
    ByChannel,
    ByPosition,
    MapFunction,
    Reading,
    activation_pass,
    gradient_pass,
)
from stratacam.cam.task import RawMaps, Task


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


@dataclass(frozen=True)
class Kind:
    """How the functions of methods are called, and the cost of this kind."""

    make_maps: Callable[[Task, Mapping[str, Any]], dict[str, RawMaps]]  # of what `reading` makes of functions
    cost: str  # in runs of the network
    reading: Callable[[Any], Any] = _as_it_is
    at_input: bool = False  # its one layer is the input itself, called "input"
    repeats: bool = False  # it runs changed copies of an image in one batch


@dataclass(frozen=True)
class Method:
    """A method: its kind, its function, and the unit of its raw maps.

    The unit is "arbitrary" where two maps cannot be compared in strength.
    """

    kind: Kind
    function: Callable[..., Any]
    unit: str


def make_maps(task: Task, methods: Mapping[str, Method]) -> dict[str, RawMaps]:
    """The raw maps of one batch, by method."""
    found: dict[str, RawMaps] = {}
    for make in dict.fromkeys(method.kind.make_maps for method in methods.values()):
        its = {name: method for name, method in methods.items() if method.kind.make_maps is make}
        own = task if len(its) == len(methods) else _with_own_inputs(task)
        found |= make(own, {name: method.kind.reading(method.function) for name, method in its.items()})
    return {name: found[name] for name in methods}


def _with_own_inputs(task: Task) -> Task:
    """The batch with a copy of its inputs, which the model may change, and another pass is not to see changed."""
    return replace(task, inputs=task.inputs.copied(None))


def _activations(task: Task, functions: Mapping[str, Callable[[Tensor], Tensor]]) -> dict[str, RawMaps]:
    passes = {name: partial(activation_pass, function=function) for name, function in functions.items()}
    return _whole_task(task, passes)


def _whole_task(task: Task, functions: Mapping[str, Callable[[Task], RawMaps]]) -> dict[str, RawMaps]:
    alone = len(functions) == 1
    return {name: function(task if alone else _with_own_inputs(task)) for name, function in functions.items()}


WEIGHTS = Kind(gradient_pass, "1 forward and 1 backward a class, for all layers", ByChannel)
"""A layer's gradient (B, channels, *spatial) to weights (B, channels) of its channels."""
GRADIENT = Kind(gradient_pass, "1 forward and 1 backward a class, for all layers", ByPosition)
"""A layer's activation and gradient to maps (B, *spatial)."""
ACTIVATION = Kind(_activations, "1 forward for all layers")
"""A layer's activation to maps."""
FORWARD = Kind(_whole_task, "1 forward a channel, image and layer", repeats=True)
"""A task to its raw maps, by forwards alone."""
INPUT = Kind(_whole_task, "1 forward and 1 backward a class", at_input=True)
"""A task to its raw maps at the input."""

REGISTRY = {
    "gradcam": Method(WEIGHTS, gradcam, "logit"),
    "gradcam++": Method(GRADIENT, gradcam_plus_plus, "arbitrary"),
    "xgradcam": Method(GRADIENT, xgradcam, "logit"),
    "hirescam": Method(GRADIENT, hirescam, "logit"),
    "multiscale_gradcam": Method(GRADIENT, multiscale_gradcam, "logit"),
    "layercam": Method(GRADIENT, layercam, "logit"),
    "gradient_x_activation": Method(GRADIENT, gradient_x_activation, "logit"),
    "eigencam": Method(ACTIVATION, eigencam, "activation"),
    "scorecam": Method(FORWARD, scorecam, "activation"),
    "ablationcam": Method(FORWARD, ablationcam, "logit x activation"),
    "input_gradient": Method(INPUT, input_gradient, "logit per intensity"),
    "guided_backprop": Method(INPUT, guided_backprop, "arbitrary"),
}

METHODS = tuple(REGISTRY)
"""Names of all methods."""

LAYER_METHODS = tuple(name for name, method in REGISTRY.items() if not method.kind.at_input)
"""Names of the methods that map layers."""


def find_method(method: str | MapFunction) -> Method:
    """A method by name, or one made of a caller's function of activation and gradient.

    Raises:
        ValueError: if there is no such method.
    """
    if callable(method):
        return Method(GRADIENT, partial(_of_copies, method), "arbitrary")
    if method not in REGISTRY:
        raise ValueError(
            f"method: found {method!r}; expected one of {', '.join(METHODS)}, or a function from "
            "activation and gradient (B, channels, *spatial) to maps (B, *spatial)."
        )
    return REGISTRY[method]


def _of_copies(function: MapFunction, activation: Tensor, gradient: Tensor) -> Tensor:
    """What a caller's function gives, which may work in place."""
    return function(activation.clone(), gradient.clone())


def map_function(method: str) -> MapFunction:
    """What a method by gradients makes of a layer, for a loss that is made of maps: it can be differentiated again.

    Returns:
        A function from activation and gradient (B, channels, *spatial) to raw maps (B, *spatial).

    Raises:
        ValueError: if there is no such method, or it needs more than a layer's activation and gradient.

    Example:
        >>> import torch
        >>> map_function("gradcam")(torch.ones(1, 2, 1, 2), torch.tensor([[[[1.0, 3.0]], [[0.0, 2.0]]]]))
        tensor([[[3., 3.]]])
    """
    found = find_method(method)
    if found.kind.make_maps is gradient_pass:
        reading: Reading = found.kind.reading(found.function)
        return reading.map
    suitable = ", ".join(name for name, one in REGISTRY.items() if one.kind.make_maps is gradient_pass)
    raise ValueError(
        f"method: found {method!r}; expected one made of a layer's activation and gradient: {suitable}."
    )
