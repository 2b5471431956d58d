"""Gradients at the input itself: plain, and through ReLUs that let only positive gradients pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from stratacam.cam.capture import capture
from stratacam.cam.passes import RawMaps, Task

RELUS = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
IN_PLACE = {F.relu_, torch.relu_, Tensor.relu_}


def input_gradient(task: Task) -> RawMaps:
    """Gradient of the class logit at the image, (B, C, channels, *spatial) under the name "input".

    K. Simonyan et al., "Deep inside convolutional networks" (2014), section 3; the channels are reduced by
    `strongest_channel` once noisy copies have been averaged.
    """
    image = task.inputs.image.detach().requires_grad_()
    given = image.clone()  # which the model may change in place, as it may not change a leaf
    captured = capture(task.model, task.inputs.with_image(given), {})
    target = task.target(captured)
    scores = target.score(captured, target.classes)
    if not scores.requires_grad:
        raise ValueError("the score does not depend on the image through a gradient.")
    found = [
        torch.autograd.grad(scores[:, column].sum(), image, retain_graph=column + 1 < scores.shape[1])[
            0
        ].float()
        for column in range(scores.shape[1])
    ]
    raw = torch.stack(found, dim=1)
    return RawMaps(target, {"input": raw}, {"input": ~raw.flatten(2).any(dim=2)}, {})


def guided_backprop(task: Task) -> RawMaps:
    """Guided backpropagation: the gradient at the image, where every ReLU passes only positive gradients.

    J. T. Springenberg et al., "Striving for simplicity: the all convolutional net" (2015), section 3.4. Every
    form of ReLU is taken, also in place and as a function. Known to depend little on what was learned
    (J. Adebayo et al., "Sanity checks for saliency maps", 2018).

    Raises:
        ValueError: if the network has no ReLU.
    """
    guided = _Guided()
    with guided:
        maps = input_gradient(task)
    if not guided.found:
        raise ValueError("guided_backprop needs a network with ReLUs, and this one ran none.")
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

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        kwargs = kwargs or {}
        if func not in RELUS:
            return func(*args, **kwargs)
        self.found = True
        tensor = args[0] if args else kwargs["input"]
        in_place = func in IN_PLACE or kwargs.get("inplace", len(args) > 1 and args[1])
        return _GuidedReLU.apply(tensor, bool(in_place))  # type: ignore[no-untyped-call]


class _GuidedReLU(torch.autograd.Function):
    """A ReLU whose gradient is rectified too."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, in_place: bool) -> Tensor:  # noqa: ANN401
        output = tensor.clamp_(min=0) if in_place else tensor.clamp(min=0)
        if in_place:
            ctx.mark_dirty(tensor)
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (output,) = ctx.saved_tensors
        return gradients[0].clamp_min(0) * (output > 0), None
