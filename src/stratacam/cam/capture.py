"""One forward and one backward: activations of chosen layers, and gradients of scores at them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode with frozen parameters; put every submodule and parameter back after."""
    training = {module: module.training for module in model.modules()}
    trainable = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        model.eval()
        for parameter in trainable:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, mode in training.items():
            module.training = mode
        for parameter, required in trainable.items():
            parameter.requires_grad_(required)


def forward(model: nn.Module, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """Run `model` once and keep what `layers` gave, with a graph that starts at the shallowest of them.

    Call it inside `evaluating` with gradients enabled.

    Args:
        model: a network from images to logits.
        images: (B, channels, *spatial).
        layers: names of modules.

    Returns:
        Logits (B, K) and the activations by layer name, (B, channels, *spatial) each.

    Raises:
        ValueError: if a layer was not run, was run more than once, or does not give a feature map; or if the
            model does not give logits (B, K).
    """
    modules = dict(model.named_modules())
    names = {modules[name]: name for name in layers}
    activations: dict[str, Tensor] = {}

    def keep(module: nn.Module, _input: tuple[Tensor, ...], output: Tensor) -> Tensor:
        name = names[module]
        if name in activations:
            raise ValueError(f"layer {name} is run more than once; name the modules around it instead.")
        if not isinstance(output, Tensor) or output.ndim < 3:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"layer {name} gives {shape}, which is not a feature map (B, channels, *spatial)."
            )
        activations[name] = output if output.requires_grad else output.detach().requires_grad_()
        return activations[name]

    hooks = [module.register_forward_hook(keep) for module in names]
    try:
        logits = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    unrun = [name for name in layers if name not in activations]
    if unrun:
        raise ValueError(f"the model did not run {', '.join(unrun)} on this input.")
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        raise ValueError("the model must give logits of shape (B, classes).")
    return logits, {name: activations[name] for name in layers}


def gradients(
    logits: Tensor, classes: Tensor, activations: dict[str, Tensor], *, keep_graph: bool = False
) -> dict[str, Tensor]:
    """Gradients of each image's class logit at every activation, in one backward.

    Args:
        logits: (B, K), from `forward`.
        classes: (B,) class index of each image.
        activations: by layer name, from `forward`.
        keep_graph: keep the graph for a further call.

    Returns:
        Gradients by layer name, shaped like the activations.

    Raises:
        ValueError: if the score does not depend on a layer.
    """
    scores = logits.gather(1, classes[:, None]).sum()
    found = torch.autograd.grad(
        scores, list(activations.values()), retain_graph=keep_graph, allow_unused=True
    )
    apart = [name for name, gradient in zip(activations, found, strict=True) if gradient is None]
    if apart:
        raise ValueError(f"the class score does not depend on {', '.join(apart)}.")
    return {name: gradient for name, gradient in zip(activations, found, strict=True) if gradient is not None}
