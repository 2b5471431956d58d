"""A twin of a model, to be run in its place: the caller's module is never re-flagged, re-laid or fed a graph.

The twin has modules, containers, hooks and closures of its own. Its parameters share the values of the caller's,
frozen; every other tensor is a copy, so that counters, running statistics and features that a module keeps for
itself are the twin's and go with it.
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from stratacam.cam.copier import Copier
from stratacam.cam.memory import storage_of
from stratacam.cam.origin import Origins
from stratacam.cam.watch import Watch

LATEST = 16
"""Signatures of which a twin remembers what a forward has shown."""


@dataclass
class Memory:
    """What the latest forwards of a twin that is kept have shown, and whether one was watched since it was taken."""

    watched: bool = False
    _shown: dict[Any, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._shown)

    def recall(self, signature: object) -> Any:
        """What a forward with this signature has shown; None if it is not known."""
        shown = self._shown.pop(signature, None)
        if shown is not None:
            self._shown[signature] = shown  # the latest
        return shown

    def remember(self, signature: object, shown: object) -> None:
        """Remember what a forward has shown, and forget what was not recalled for longest."""
        self._shown.pop(signature, None)
        self._shown[signature] = shown
        if len(self._shown) > LATEST:
            del self._shown[next(iter(self._shown))]


@dataclass(frozen=True)
class Twin:
    """A twin, and the parameters that it must not write to."""

    model: nn.Module  # in evaluation mode, with frozen parameters
    protected: Mapping[
        int, str
    ]  # names of parameters by storage: those that are shared, or have a copy elsewhere
    memory: Memory | None = None  # of a twin that is kept from batch to batch


@contextmanager
def twin_of(model: nn.Module, *, channels_last: bool, private: bool) -> Iterator[Twin]:
    """A twin of `model` in evaluation mode, with frozen parameters.

    Args:
        model: any network.
        channels_last: hold the kernels of 2D convolutions channels-last, as images in this order want them.
        private: copy parameters too, and hold them as they are, for networks that write to them.

    Raises:
        ParametersWrittenError: the model writes to its parameters where it is put in evaluation mode.
        ValueError: the caller's module would run in place of the twin's.
    """
    # 1. Copy the model, with its parameters if eval() is overridden and so might write to them.
    acting = any(module.training for module in model.modules()) and any(map(_acts, model.modules()))
    copier = Copier(model, private=private or acting)
    try:
        with eager(), only(model):
            yield make_twin(model, copier, channels_last=channels_last and not private, acting=acting)
    finally:
        for module in copier.modules:  # a model may hold itself, and what it holds would stay
            vars(module).clear()


def make_twin(
    model: nn.Module,
    copier: Copier,
    *,
    channels_last: bool,
    acting: bool,
    memory: Memory | None = None,
) -> Twin:
    """Make a twin of a model with its copier; `acting` if `eval()` of a module does more than to set the mode."""
    twin = copier.copy(model)
    protected = dict(copier.shared)
    # 2. Put the copy in evaluation mode, without writing to what it shares with the model.
    with Watch(Origins(), protected):
        _evaluate(twin, acting=acting)
    # 3. Lay kernels as the images are laid: copies, which must not be written to either.
    if channels_last:
        protected |= _hold_channels_last(twin)
    return Twin(twin, protected, memory)


def _acts(module: nn.Module) -> bool:
    """Whether a module overrides `train()` or `eval()`, for example to merge weights."""
    kind = type(module)
    overridden = kind.train is not nn.Module.train or kind.eval is not nn.Module.eval
    return overridden or "train" in vars(module) or "eval" in vars(module)


def _evaluate(twin: nn.Module, *, acting: bool) -> None:
    if acting:
        try:
            twin.eval()
        except NotImplementedError:  # an exported graph, which has no modes
            acting = False
    for module in twin.modules():
        if isinstance(module, torch.jit.ScriptModule):
            module.eval()
        elif not acting:
            module.training = False
        if isinstance(module, nn.RNNBase) and any(weight.is_cuda for weight in module.parameters()):
            module.dropout = 0.0  # cuDNN has a backward in training mode only, which differs by its dropout
            module.training = True


def _hold_channels_last(twin: nn.Module) -> dict[int, str]:
    """Lay the kernels; their names by storage."""
    laid = {}
    for name, module in twin.named_modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        weight = module._parameters.get("weight")
        if type(weight) is nn.Parameter:
            ordered = weight.detach().contiguous(memory_format=torch.channels_last)
            module._parameters["weight"] = nn.Parameter(ordered, requires_grad=False)
            laid[storage_of(ordered)] = f"{name}.weight"
    return laid


@contextmanager
def only(model: nn.Module) -> Iterator[None]:
    """Refuse a call of the caller's own modules, which the twin reaches where copies do not follow it."""
    names = {id(module): name or "itself" for name, module in model.named_modules(remove_duplicate=False)}
    thread = threading.get_ident()

    def check(module: nn.Module, _inputs: Any) -> None:
        if id(module) in names and threading.get_ident() == thread:
            raise ValueError(
                f"the model runs its part {names[id(module)]} by a way that cannot be followed, such as an object of "
                "another library or a registry; hold it as an attribute of the module that runs it."
            )

    hook = nn.modules.module.register_module_forward_pre_hook(check)
    try:
        yield
    finally:
        hook.remove()


class _Eager:
    """Leaves aside what `torch.compile` made, which passes hooks by, until the last thread is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._stance: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if "torch._dynamo" not in sys.modules:  # nothing can have been compiled without it
            yield
            return
        with self._lock:
            if self._runs == 0:
                self._stance = torch.compiler.set_stance("force_eager")
            self._runs += 1
        try:
            yield
        finally:
            with self._lock:
                self._runs -= 1
                if self._runs == 0:
                    self._stance.__exit__(None, None, None)


eager = _Eager()
