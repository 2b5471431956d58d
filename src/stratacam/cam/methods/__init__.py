"""The methods: each a function, or a pass of its own, under the name that `method=` takes.

A method that needs only a layer's activation and gradient is one function in `gradient`; a caller may give such
a function of their own as `method`.
"""

from collections.abc import Callable

from torch import Tensor

from stratacam.cam.methods.ablationcam import ablationcam
from stratacam.cam.methods.eigencam import eigencam
from stratacam.cam.methods.gradient import (
    gradcam,
    gradcam_plus_plus,
    gradient_x_activation,
    hirescam,
    layercam,
    xgradcam,
)
from stratacam.cam.methods.input_gradient import guided_backprop, input_gradient
from stratacam.cam.methods.scorecam import scorecam
from stratacam.cam.passes import MapFunction, activation_pass, gradient_pass, weighting_pass
from stratacam.cam.task import RawMaps, Task

WEIGHTING: dict[str, Callable[[Tensor], Tensor]] = {"gradcam": gradcam}
"""Functions of a layer's gradient that give its channels weights."""

GRADIENT: dict[str, MapFunction] = {
    "gradcam++": gradcam_plus_plus,
    "xgradcam": xgradcam,
    "hirescam": hirescam,
    "layercam": layercam,
    "gradient_x_activation": gradient_x_activation,
}
"""Functions of a layer's activation and gradient."""

ACTIVATION: dict[str, Callable[[Tensor], Tensor]] = {"eigencam": eigencam}
"""Functions of a layer's activation."""

FORWARD: dict[str, Callable[[Task], RawMaps]] = {"scorecam": scorecam, "ablationcam": ablationcam}
"""Methods that run the network again for every channel of a layer."""

INPUT: dict[str, Callable[[Task], RawMaps]] = {
    "input_gradient": input_gradient,
    "guided_backprop": guided_backprop,
}
"""Methods at the input, whose one layer is called "input"."""

METHODS = (*WEIGHTING, *GRADIENT, *ACTIVATION, *FORWARD, *INPUT)
"""Names of all methods."""

UNITS = {
    "gradcam": "logit",
    "gradcam++": "arbitrary",
    "xgradcam": "logit",
    "hirescam": "logit",
    "layercam": "logit",
    "gradient_x_activation": "logit",
    "eigencam": "activation",
    "scorecam": "activation",
    "ablationcam": "logit x activation",
    "input_gradient": "logit per intensity",
    "guided_backprop": "arbitrary",
}
"""Of the values of raw maps, by method; "arbitrary" where two maps cannot be compared in strength."""


def method_pass(method: str | MapFunction) -> Callable[[Task], RawMaps]:
    """What makes the raw maps of one batch by a method.

    Raises:
        ValueError: if there is no such method.
    """
    if callable(method):
        return lambda task: gradient_pass(task, method)
    if method in WEIGHTING:
        return lambda task: weighting_pass(task, WEIGHTING[method])
    if method in GRADIENT:
        return lambda task: gradient_pass(task, GRADIENT[method])
    if method in ACTIVATION:
        return lambda task: activation_pass(task, ACTIVATION[method])
    if method in FORWARD or method in INPUT:
        return {**FORWARD, **INPUT}[method]
    raise ValueError(
        f"method={method!r} is not known; choose one of {', '.join(METHODS)}, or give a function from "
        "activation and gradient (B, channels, *spatial) to maps (B, *spatial)."
    )
