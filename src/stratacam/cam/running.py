"""A model as it runs while it is explained: in evaluation mode, frozen, as plain Python; then as it was."""

import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

_LOCKS: "weakref.WeakKeyDictionary[nn.Module, threading.RLock]" = weakref.WeakKeyDictionary()
_LOCKS_LOCK = threading.Lock()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode with frozen parameters; put every submodule and parameter back after.

    Code that `torch.compile` made is left aside while this lasts, because it passes the hooks by. One thread at a
    time has a model; others wait.
    """
    with _LOCKS_LOCK:
        lock = _LOCKS.setdefault(model, threading.RLock())
    with lock, _evaluating(model):
        yield


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = {module: module.training for module in model.modules()}
    trainable = {parameter: parameter.requires_grad for parameter in model.parameters()}
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:  # nothing can have been compiled without it
            stack.enter_context(torch.compiler.set_stance("force_eager"))
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


@contextmanager
def channels_last_weights(model: nn.Module) -> Iterator[None]:
    """Hold the kernels of 2D convolutions channels-last while this lasts; then hand the old ones back.

    With channels-last images every call would convert them again, forward and backward.
    """
    kernels = [
        module.weight
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and isinstance(module.weight, nn.Parameter)
    ]
    before = {id(kernel): (kernel, kernel.data) for kernel in kernels}
    try:
        for kernel in kernels:
            kernel.data = kernel.data.contiguous(memory_format=torch.channels_last)
        yield
    finally:
        for kernel, values in before.values():
            kernel.data = values


def explainable(model: nn.Module) -> nn.Module:
    """The module to explain: what `torch.compile` wrapped, or `model` itself.

    Raises:
        ValueError: if its layers cannot be observed, or it cannot be differentiated.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is a {type(model).__name__}; expected a torch.nn.Module, whose layers have names."
        )
    inner = getattr(model, "_orig_mod", model)
    model = inner if isinstance(inner, nn.Module) else model
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ValueError(
            "the model is TorchScript, whose layers cannot be observed; give the module it was made of."
        )
    quantised = next((type(module) for module in model.modules() if _is_quantised(module)), None)
    if quantised:
        raise ValueError(
            f"the model is quantised ({quantised.__name__}), which no gradient can pass; give the floating-point model "
            "that it was made of."
        )
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise ValueError(
            "the model's parameters were made in torch.inference_mode, which no gradient can pass; "
            "build or load it outside."
        )
    return model


def _is_quantised(module: nn.Module) -> bool:
    path = type(module).__module__.split(".")
    return path[0] == "torch" and "quantized" in path


def device_of(model: nn.Module) -> torch.device | None:
    """Where the model's first parameter is; None for a model without any."""
    return next((parameter.device for parameter in model.parameters()), None)
