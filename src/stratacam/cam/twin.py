"""A twin of a model, to be run in its place: the caller's module is never re-flagged, re-laid or fed a graph.

The twin has modules, containers, hooks and closures of its own. Its parameters share the values of the caller's,
frozen; every other tensor is a copy, so that counters, running statistics and features that a module keeps for
itself are the twin's and go with it.
"""

import copy
import functools
import sys
import threading
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

WRAPPERS = {"OptimizedModule": "_orig_mod", "DistributedDataParallel": "module", "DataParallel": "module"}
"""Modules of torch that only hand on to one child, and its name: what they add must not run for a map."""

ATOMS = {type(None), str, bool, int, float, type}
CLOSED_OVER = (nn.Module, Tensor, types.MethodType, types.FunctionType, functools.partial)
"""What a closure may hold of a model; lists and dictionaries in it stay the caller's, who collects in them."""


@contextmanager
def twin_of(model: nn.Module, *, channels_last: bool, private: bool) -> Iterator[nn.Module]:
    """A twin of `model` in evaluation mode, with frozen parameters.

    Args:
        model: any network.
        channels_last: hold the kernels of 2D convolutions channels-last, as images in this order want them.
        private: copy parameters too, for networks whose forward writes to them.
    """
    acting = any(module.training for module in model.modules()) and any(map(_acts, model.modules()))
    copier = _Copier(private=private or acting)
    twin = cast("nn.Module", copier.copy(model))
    before = [(thing, dict(vars(thing))) for thing in copier.others]
    try:
        with _without_compiled_code():
            _evaluate(twin, acting=acting)
            if channels_last:
                _hold_channels_last(twin)
            yield twin
    finally:
        for thing, attributes in before:
            now = vars(thing)
            if now.keys() != attributes.keys() or any(now[name] is not attributes[name] for name in now):
                vars(thing).clear()
                vars(thing).update(attributes)


def _acts(module: nn.Module) -> bool:
    """Whether a module does something of its own in `train()` or `eval()`, such as merging weights."""
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


def _hold_channels_last(twin: nn.Module) -> None:
    for module in twin.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        weight = module._parameters.get("weight")
        if type(weight) is nn.Parameter:
            ordered = weight.detach().contiguous(memory_format=torch.channels_last)
            module._parameters["weight"] = nn.Parameter(ordered, requires_grad=False)


class _Through(nn.Module):
    """Stands for a wrapper, under the same names."""

    def __init__(self, name: str, inner: nn.Module) -> None:
        super().__init__()
        self._modules[name] = inner
        self.training = inner.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        (inner,) = self.children()
        return inner(*args, **kwargs)


class _Copier:
    """Copies what a model is made of; one thing is copied once."""

    def __init__(self, *, private: bool) -> None:
        self.private = private
        self.others: list[Any] = []
        self._made: dict[int, Any] = {}

    def copy(self, value: Any) -> Any:
        """A copy of what holds tensors or modules; anything else is shared, and listed in `others`."""
        if type(value) in ATOMS:
            return value
        key = id(value)
        if key not in self._made:
            make = COPIES.get(type(value), _Copier._other)
            if isinstance(value, nn.Module):
                make = _Copier._module
            elif isinstance(value, Tensor):
                make = _Copier._tensor
            self._made[key] = make(self, value)
        return self._made[key]

    def _module(self, module: nn.Module) -> nn.Module:
        if isinstance(module, torch.jit.ScriptModule):
            with torch.no_grad():
                scripted = copy.deepcopy(module)
            for parameter in scripted.parameters():
                parameter.requires_grad_(False)
            return scripted
        inner = WRAPPERS.get(type(module).__name__)
        if inner and type(module).__module__.startswith("torch.") and inner in module._modules:
            return _Through(inner, self.copy(module._modules[inner]))
        made = object.__new__(type(module))
        self._made[id(module)] = made
        for name, value in vars(module).items():
            vars(made)[name] = self.copy(value)
        vars(made)["_compiled_call_impl"] = None
        return made

    def _tensor(self, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            return tensor.detach().clone()
        values = tensor.detach().clone() if self.private else tensor.detach()
        if type(tensor) is nn.Parameter:
            made = nn.Parameter(values, requires_grad=False)
        else:
            made = torch.Tensor._make_subclass(type(tensor), values, False)
        vars(made).update(vars(tensor))
        return made

    def _mapping(self, mapping: Any) -> Any:
        made = defaultdict(mapping.default_factory) if type(mapping) is defaultdict else type(mapping)()
        self._made[id(mapping)] = made
        for key, value in mapping.items():
            made[self.copy(key)] = self.copy(value)
        return made

    def _list(self, values: Any) -> Any:
        made: Any = deque(maxlen=values.maxlen) if isinstance(values, deque) else []
        self._made[id(values)] = made
        made.extend(map(self.copy, values))
        return made

    def _tuple(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(map(self.copy, values))

    def _set(self, values: set[Any]) -> set[Any]:
        return set(map(self.copy, values))

    def _method(self, method: types.MethodType) -> types.MethodType:
        return types.MethodType(self.copy(method.__func__), self.copy(method.__self__))

    def _partial(self, given: Any) -> Any:
        made = functools.partial(
            self.copy(given.func),
            *map(self.copy, given.args),
            **{name: self.copy(value) for name, value in given.keywords.items()},
        )
        vars(made).update(vars(given))
        return made

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        """A function whose closure or defaults hold parts of the model, holding the twin's instead."""
        cells, defaults = function.__closure__ or (), function.__defaults__ or ()
        if not any(isinstance(value, CLOSED_OVER) for value in (*map(_content, cells), *defaults)):
            return function
        made = types.FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            tuple(map(self._closed_over, defaults)) or None,
            tuple(types.CellType() for _ in cells) or None,
        )
        self._made[id(function)] = made
        for empty, cell in zip(made.__closure__ or (), cells, strict=True):
            content = _content(cell)
            if content is not _EMPTY:
                empty.cell_contents = self._closed_over(content)
        made.__kwdefaults__ = function.__kwdefaults__
        vars(made).update(vars(function))
        return made

    def _closed_over(self, value: Any) -> Any:
        return self.copy(value) if isinstance(value, CLOSED_OVER) else value

    def _other(self, thing: Any) -> Any:
        if isinstance(thing, tuple) and hasattr(thing, "_make"):
            return type(thing)._make(map(self.copy, thing))
        if hasattr(thing, "__dict__") and not callable(thing) and not isinstance(thing, types.ModuleType):
            self.others.append(thing)
        return thing


COPIES: dict[type, Callable[[_Copier, Any], Any]] = {
    dict: _Copier._mapping,
    OrderedDict: _Copier._mapping,
    defaultdict: _Copier._mapping,
    list: _Copier._list,
    deque: _Copier._list,
    tuple: _Copier._tuple,
    set: _Copier._set,
    types.MethodType: _Copier._method,
    types.FunctionType: _Copier._function,
    functools.partial: _Copier._partial,
}

_EMPTY = object()


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet filled
        return _EMPTY


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


_without_compiled_code = _Eager()
