"""Gradients at the input itself: plain, and through ReLUs that let only positive gradients pass."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from stratacam.cam.task import RawMaps, Task

RELUS = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
IN_PLACE = {F.relu_, torch.relu_, Tensor.relu_}
OTHERS = {
    F.gelu, F.silu, F.leaky_relu, F.elu, F.selu, F.celu, F.hardswish, F.mish, F.prelu, F.rrelu, F.softplus,
    F.hardtanh, F.relu6,
}  # fmt: skip
"""Activations that are no ReLU, so that no rule says which of their gradients to pass."""


def input_gradient(task: Task) -> RawMaps:
    """Gradient of the class logit at the image, (B, C, channels, *spatial) under the name "input".

    K. Simonyan et al., "Deep inside convolutional networks" (2014), section 3; the channels are reduced by
    `strongest_channel` once noisy copies have been averaged.
    """
    image = task.inputs.image.detach().requires_grad_()
    given = image.clone()  # which the model may change in place, as it may not change a leaf
    captured = task.run(task.inputs.with_image(given))
    target = task.target(captured)
    scores = target.score(captured, target.classes)
    if not scores.requires_grad:
        raise ValueError("the score does not depend on the image through a gradient.")
    apart = task.mixing and len(scores) > 1
    found = []
    for column in scores.unbind(dim=1):
        if apart:
            rows = (_gradient(score, image)[index] for index, score in enumerate(column))
            found.append(torch.stack(list(rows)))
        else:
            found.append(_gradient(column.sum(), image))
    raw = torch.stack(found, dim=1)
    return RawMaps(target, {"input": raw}, {"input": ~raw.flatten(2).any(dim=2)}, {})


def _gradient(score: Tensor, image: Tensor) -> Tensor:
    return torch.autograd.grad(score, image, retain_graph=True)[0].float()


def guided_backprop(task: Task) -> RawMaps:
    """Guided backpropagation: the gradient at the image, where every ReLU passes only positive gradients.

    J. T. Springenberg et al., "Striving for simplicity: the all convolutional net" (2015), section 3.4. Every
    form of ReLU and ReLU6 is taken, also in place and as a function; with other activations beside them a warning
    says so. Known to depend little on what was learned
    (J. Adebayo et al., "Sanity checks for saliency maps", 2018).

    Raises:
        ValueError: if the network has no ReLU.
    """
    guided = _Guided()
    with guided:
        maps = input_gradient(task)
    if not guided.found:
        raise ValueError("guided_backprop needs a network with ReLUs, and this one ran none.")
    if guided.others:
        warnings.warn(
            f"guided_backprop changes ReLUs alone; the network also ran {', '.join(sorted(guided.others))}, whose "
            "gradients pass as they are.",
            stacklevel=2,
        )
    return maps


def strongest_channel(gradients: Tensor) -> Tensor:
    """Of each position the value of largest magnitude over channels, with its sign.

    Args:
        gradients: (B, C, channels, *spatial).

    Returns:
        (B, C, *spatial).
    """
    return gradients.gather(2, gradients.abs().argmax(dim=2, keepdim=True))[:, :, 0]


class _Guided(TorchFunctionMode):
    """Replaces every ReLU that is called."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False
        self.others: set[str] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        kwargs = kwargs or {}
        highest = _highest(func, args, kwargs)
        if highest is None:
            if func in OTHERS:
                self.others.add(func.__name__)
            return func(*args, **kwargs)
        self.found = True
        tensor = args[0] if args else kwargs["input"]
        place = 3 if func is F.hardtanh else 1
        in_place = func in IN_PLACE or kwargs.get("inplace", len(args) > place and args[place])
        return _GuidedReLU.apply(tensor, highest, bool(in_place))  # type: ignore[no-untyped-call]


def _highest(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
    """The largest value that a call of a ReLU gives; None for any other function."""
    if func in RELUS:
        return math.inf
    if func is F.relu6:
        return 6.0
    if func is F.hardtanh:  # which nn.ReLU6 calls
        bounds = (
            {"min_val": -1.0, "max_val": 1.0}
            | dict(zip(("min_val", "max_val"), args[1:3], strict=False))
            | kwargs
        )
        return float(bounds["max_val"]) if bounds["min_val"] == 0 else None
    return None


class _GuidedReLU(torch.autograd.Function):
    """A ReLU whose gradient is rectified too."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, highest: float, in_place: bool) -> Tensor:  # noqa: ANN401
        output = tensor.clamp_(0, highest) if in_place else tensor.clamp(0, highest)
        if in_place:
            ctx.mark_dirty(tensor)
        ctx.save_for_backward(output)
        ctx.highest = highest
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (output,) = ctx.saved_tensors
        passing = (output > 0) & (output < ctx.highest)
        return gradients[0].clamp_min(0) * passing, None, None
