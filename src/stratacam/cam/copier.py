"""Copies of the objects in a model, for its twin; each object is copied once.

Parameters share the values of the caller's. Every other tensor is a copy, and views of one another stay so. Containers,
bound methods, partial functions, closures, weak references and objects of the user's own classes are followed; what
belongs to Python or to torch is shared.
"""

import copy
import enum
import functools
import random
import sys
import types
import weakref
from collections import OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from stratacam.cam.memory import storage_of
from stratacam.cam.wrapper import WRAPPERS, Through

ATOMS = {type(None), str, bool, int, float, complex, bytes, type}
PARTS = (nn.Module, Tensor, types.MethodType, functools.partial)
"""What a closure may hold of a model; lists and dictionaries without them stay the caller's, who collects in them."""

OWN_STATE = (
    np.ndarray,
    np.random.Generator,
    np.random.RandomState,
    random.Random,
    bytearray,
    torch.Generator,
)
SHARED_ROOTS = {"torch", "numpy", "builtins", *sys.stdlib_module_names} - {"__main__"}
DEEPEST = 3
"""Containers inside one another that are searched for parts of a model."""


class Copier:
    """Copies a model and whatever it is made of.

    Attributes:
        shared: storages of the caller's parameters, each with a name.
        modules: every module that was made.
    """

    def __init__(self, model: nn.Module, *, private: bool) -> None:
        self.shared: dict[int, str] = {}
        self.modules: list[nn.Module] = []
        self._private = private
        self._made: dict[int, Any] = {}
        self._alive: list[Any] = []  # holds the originals, so that no address is used again
        self._storages: dict[int, Any] = {}
        self._parts = {id(module) for module in model.modules()}
        for name, parameter in model.named_parameters():
            self._share(parameter, name)

    def copy(self, value: Any) -> Any:
        """A copy of a value; the value itself where it has no state of the model's."""
        if type(value) in ATOMS:
            return value
        key = id(value)  # one thing is copied once, also where it holds itself
        if key not in self._made:
            self._alive.append(value)
            self._made[key] = self._copied(value)
        return self._made[key]

    def _copied(self, value: Any) -> Any:
        make = COPIES.get(type(value))
        if make:
            return make(self, value)
        if isinstance(value, nn.Module):
            return self._module(value)
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, OWN_STATE):
            return value.clone_state() if isinstance(value, torch.Generator) else copy.deepcopy(value)
        return self._instance(value)

    def _module(self, module: nn.Module) -> nn.Module:
        if isinstance(module, torch.jit.ScriptModule):
            with torch.no_grad():
                scripted = copy.deepcopy(module)
            for parameter in scripted.parameters():
                parameter.requires_grad_(False)
            return scripted
        inner = WRAPPERS.get(type(module).__name__)
        if inner and _root(type(module)) == "torch" and inner in module._modules:
            through = Through(inner, self.copy(module._modules[inner]), module)
            for name, value in vars(module).items():
                if "_hooks" in name and name.startswith(("_forward", "_backward")):
                    vars(through)[name] = self.copy(value)
            self.modules.append(through)
            return through
        made: nn.Module = self._empty(module)
        self.modules.append(made)
        self._fill(module, made)
        vars(made)["_compiled_call_impl"] = None
        return made

    def _empty(self, thing: Any) -> Any:
        """A new thing of the same class, with nothing in it."""
        try:
            made = object.__new__(type(thing))
        except TypeError:  # such as a class that is a dictionary too
            made = type(thing).__new__(type(thing))  # type: ignore[call-overload]
        self._made[id(thing)] = made
        return made

    def _fill(self, thing: Any, made: Any) -> None:
        if isinstance(thing, dict):
            for key, value in dict.items(thing):
                dict.__setitem__(made, self.copy(key), self.copy(value))
        for kind in type(thing).__mro__:
            slots = vars(kind).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in {"__dict__", "__weakref__"} and hasattr(thing, name):
                    object.__setattr__(made, name, self.copy(getattr(thing, name)))
        for name, value in getattr(thing, "__dict__", {}).items():
            vars(made)[name] = self.copy(value)

    def _instance(self, thing: Any) -> Any:
        """An object of a class of the user's own, or a container of a kind of its own."""
        if isinstance(thing, tuple) and hasattr(thing, "_make"):
            return type(thing)._make(map(self.copy, thing))
        known = isinstance(thing, dict | UserDict | types.SimpleNamespace | RemovableHandle)
        if not known and (_root(type(thing)) in SHARED_ROOTS or isinstance(thing, enum.Enum | type)):
            return thing
        try:
            made = self._empty(thing)
        except TypeError:  # made in C, with a state that cannot be reached
            return thing
        self._fill(thing, made)
        return made

    def _share(self, tensor: Tensor, name: str) -> None:
        self.shared.setdefault(storage_of(tensor), name)

    def _tensor(self, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            return self._own_values(tensor)
        if not self._private:
            self._share(tensor, "a parameter that is not registered")
        values = tensor.detach().clone() if self._private else tensor.detach()
        if type(tensor) is nn.Parameter:
            made = nn.Parameter(values, requires_grad=False)
        else:
            made = torch.Tensor._make_subclass(type(tensor), values, False)
        vars(made).update(vars(tensor))
        return made

    def _own_values(self, tensor: Tensor) -> Tensor:
        """A copy of a tensor; copies of tensors that share memory share memory."""
        detached = tensor.detach()
        plain = type(detached) is Tensor and tensor.layout == torch.strided
        if not plain or tensor.is_meta or tensor.is_quantized or tensor.is_conj() or tensor.is_neg():
            return detached.clone()
        storage = tensor.untyped_storage()
        key = storage_of(tensor)
        if key in self.shared and not self._private:
            return detached
        if key not in self._storages:
            if storage.nbytes() > 4 * tensor.nbytes:  # a small view of something large
                return detached.clone()
            self._storages[key] = storage.clone()  # type: ignore[no-untyped-call]
            self._alive.append(storage)
        made = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        return made.set_(self._storages[key], tensor.storage_offset(), tensor.shape, tensor.stride())

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

    def _reference(self, reference: "weakref.ref[Any]") -> "weakref.ref[Any]":
        target = reference()
        followed = isinstance(target, nn.Module | OrderedDict) or id(target) in self._made
        return weakref.ref(self.copy(target)) if followed else reference

    def _partial(self, given: Any) -> Any:
        made = functools.partial(
            self.copy(given.func),
            *map(self.copy, given.args),
            **{name: self.copy(value) for name, value in given.keywords.items()},
        )
        vars(made).update(vars(given))
        return made

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        """A function that holds parts of the model, in its closure, defaults or globals, with the twin's instead."""
        cells, defaults = function.__closure__ or (), function.__defaults__ or ()
        named, globals_ = function.__kwdefaults__ or {}, self._globals(function)
        held = [*map(_content, cells), *defaults, *named.values()]
        if globals_ is function.__globals__ and not any(map(self._holds_parts, held)):
            return function
        made = types.FunctionType(
            function.__code__,
            globals_,
            function.__name__,
            tuple(map(self._closed_over, defaults)) or None,
            tuple(types.CellType() for _ in cells) or None,
        )
        self._made[id(function)] = made
        for empty, cell in zip(made.__closure__ or (), cells, strict=True):
            content = _content(cell)
            if content is not _EMPTY:
                empty.cell_contents = self._closed_over(content)
        made.__kwdefaults__ = {name: self._closed_over(value) for name, value in named.items()} or None
        vars(made).update(vars(function))
        return made

    def _globals(self, function: types.FunctionType) -> dict[str, Any]:
        """The globals of a function, with those parts of the model that it names replaced."""
        names = [
            name for name in function.__code__.co_names if id(function.__globals__.get(name)) in self._parts
        ]
        if not names:
            return function.__globals__
        return {**function.__globals__, **{name: self.copy(function.__globals__[name]) for name in names}}

    def _closed_over(self, value: Any) -> Any:
        return self.copy(value) if self._holds_parts(value) else value

    def _holds_parts(self, value: Any, depth: int = 0) -> bool:
        """Whether a value is a part of a model, or a container, function or object of the user's that holds one."""
        if isinstance(value, PARTS):
            return True
        if depth == DEEPEST:
            return False
        held: Iterable[Any] = ()
        if isinstance(value, types.FunctionType):
            held = [*map(_content, value.__closure__ or ()), *(value.__defaults__ or ())]
        elif isinstance(value, Mapping):
            held = [one for pair in value.items() for one in pair]
        elif isinstance(value, list | tuple | set | deque):
            held = value
        elif _root(type(value)) not in SHARED_ROOTS:
            held = getattr(value, "__dict__", {}).values()
        return any(self._holds_parts(one, depth + 1) for one in held)


COPIES: dict[type, Callable[[Copier, Any], Any]] = {
    dict: Copier._mapping,
    OrderedDict: Copier._mapping,
    defaultdict: Copier._mapping,
    list: Copier._list,
    deque: Copier._list,
    tuple: lambda copier, values: tuple(map(copier.copy, values)),
    set: lambda copier, values: set(map(copier.copy, values)),
    weakref.ref: Copier._reference,
    weakref.ProxyType: lambda copier, proxy: weakref.proxy(copier.copy(proxy.__repr__.__self__)),
    weakref.CallableProxyType: lambda copier, proxy: weakref.proxy(copier.copy(proxy.__repr__.__self__)),
    types.MethodType: lambda copier, method: types.MethodType(
        copier.copy(method.__func__), copier.copy(method.__self__)
    ),
    types.FunctionType: Copier._function,
    functools.partial: Copier._partial,
}

_EMPTY = object()


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet filled
        return _EMPTY


def _root(kind: type) -> str:
    return kind.__module__.partition(".")[0]
