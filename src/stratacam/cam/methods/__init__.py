"""The methods, under the names that `method=` takes.

To add one, write a function in a module here and one entry of `REGISTRY`, whose kind says what the function is given.
Methods by gradients are read from one forward, and one backward for each class, however many they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Kind:
    """How the functions of methods are called, and the cost of this kind."""

    make_maps: Callable[[Task, Mapping[str, Any]], dict[str, RawMaps]]  # functions, and their maps, by method
    cost: str  # in runs of the network
    at_input: bool = False  # its one layer is the input itself, called "input"
    repeats: bool = False  # it runs changed copies of an image in one batch


@dataclass(frozen=True)
class Method:
    """A method: its kind, its function, and the unit of its raw maps.

    The unit is "arbitrary" where two maps cannot be compared in strength.
    """

    kind: Kind
    function: Any
    unit: str


def make_maps(task: Task, methods: Mapping[str, Method]) -> dict[str, RawMaps]:
    """The raw maps of one batch, by method."""
    found: dict[str, RawMaps] = {}
    for kind in dict.fromkeys(method.kind for method in methods.values()):
        found |= kind.make_maps(
            task, {name: method.function for name, method in methods.items() if method.kind is kind}
        )
    return {name: found[name] for name in methods}


def _activations(task: Task, functions: Mapping[str, Callable[[Tensor], Tensor]]) -> dict[str, RawMaps]:
    return {name: activation_pass(task, function) for name, function in functions.items()}


def _whole_task(task: Task, functions: Mapping[str, Callable[[Task], RawMaps]]) -> dict[str, RawMaps]:
    return {name: function(task) for name, function in functions.items()}


GRADIENT = Kind(gradient_pass, "1 forward and 1 backward a class, for all layers")
"""A layer's activation and gradient to maps: `ByPosition`, or `ByChannel` where the gradient weighs channels."""
ACTIVATION = Kind(_activations, "1 forward for all layers")
"""A layer's activation to maps."""
FORWARD = Kind(_whole_task, "1 forward a channel, image and layer", repeats=True)
"""A task to its raw maps, by forwards alone."""
INPUT = Kind(_whole_task, "1 forward and 1 backward a class", at_input=True)
"""A task to its raw maps at the input."""

REGISTRY = {
    "gradcam": Method(GRADIENT, ByChannel(gradcam), "logit"),
    "gradcam++": Method(GRADIENT, ByPosition(gradcam_plus_plus), "arbitrary"),
    "xgradcam": Method(GRADIENT, ByPosition(xgradcam), "logit"),
    "hirescam": Method(GRADIENT, ByPosition(hirescam), "logit"),
    "multiscale_gradcam": Method(GRADIENT, ByPosition(multiscale_gradcam), "logit"),
    "layercam": Method(GRADIENT, ByPosition(layercam), "logit"),
    "gradient_x_activation": Method(GRADIENT, ByPosition(gradient_x_activation), "logit"),
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
        return Method(GRADIENT, ByPosition(method), "arbitrary")
    if method not in REGISTRY:
        raise ValueError(
            f"method: found {method!r}; expected one of {', '.join(METHODS)}, or a function from "
            "activation and gradient (B, channels, *spatial) to maps (B, *spatial)."
        )
    return REGISTRY[method]


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
    if found.kind is GRADIENT:
        reading: Reading = found.function
        return reading.map
    suitable = ", ".join(name for name, one in REGISTRY.items() if one.kind is GRADIENT)
    raise ValueError(
        f"method: found {method!r}; expected one made of a layer's activation and gradient: {suitable}."
    )
