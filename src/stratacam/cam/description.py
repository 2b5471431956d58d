"""What a plain model is made of, in a form that shows whether it has been changed.

A model is plain if all its modules are of classes of `torch.nn` or `stratacam.networks` themselves, whose forwards run
the same operations whatever the values of their tensors are, and hold nothing but numbers, names, tensors and one
another. A class of the user's own, also one that inherits its forward, is not: its code may read values, globals or
attributes of the class.
"""

from collections import OrderedDict
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as of_torch

NUMBERS = {
    type(None), bool, int, float, complex, str, bytes, type, torch.dtype, torch.device, torch.Size,
    torch.memory_format,
}  # fmt: skip
KNOWN = ("torch.nn.modules.", "stratacam.networks.")
MAPPINGS, GROUPS = {dict, OrderedDict}, {tuple, list, set}
GLOBAL_HOOKS = (
    of_torch._global_forward_pre_hooks,
    of_torch._global_forward_hooks,
    of_torch._global_backward_pre_hooks,
    of_torch._global_backward_hooks,
)

Description = tuple[Any, ...]
"""Equal for a model that has the same modules, functions, settings and tensors; their values may be others."""


def description_of(model: nn.Module) -> Description | None:
    """Describe a plain model; None if it is not plain, or global hooks or modes of torch change what it runs."""
    if any(GLOBAL_HOOKS) or torch._C._len_torch_function_stack() or torch._C._len_torch_dispatch_stack():
        return None
    modules = list(model.modules())
    found: list[Any] = []
    for kind in dict.fromkeys(map(type, modules)):
        functions = _functions(kind)
        if functions is None or issubclass(kind, nn.RNNBase):  # whose weights lie flat, and modes may differ
            return None
        found += [kind, *functions]
    for module in modules:
        held = vars(module)
        if "forward" in held:
            return None
        found += [type(module), *held]
        for key, value in held.items():
            if type(value) in NUMBERS:
                found += [type(value), value]  # 1 and True are equal
            elif type(value) not in MAPPINGS or value:  # those of hooks are empty
                content = _content(key, value)
                if content is None:
                    return None
                found.append(content)
    return tuple(found)


def _functions(kind: type[nn.Module]) -> list[FunctionType] | None:
    """The functions of a class and its bases; None if one is of another module than torch or this project wrote it in.

    A function that was put in their place tells by its globals where it was written, also if it is named after theirs.
    """
    found: list[FunctionType] = []
    for base in kind.__mro__[:-1]:
        if not base.__module__.startswith(KNOWN):
            return None
        for value in vars(base).values():
            if isinstance(value, FunctionType):
                if value.__globals__.get("__name__") != base.__module__:
                    return None
                found.append(value)
    return found if kind.forward in found else None


def _is_plain_tensor(tensor: Tensor) -> bool:
    return type(tensor) in {Tensor, nn.Parameter} and tensor.layout == torch.strided and not tensor.is_meta


def _lie_of(tensor: Tensor) -> tuple[Any, ...]:
    """Which tensor it is, and where its values lie."""
    return id(tensor), tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()


def _content(key: str, value: Any) -> tuple[Any, ...] | None:
    """What a container in a module holds: its parts, its tensors, numbers and names; None for anything else."""
    if key == "_modules":
        return tuple((name, id(child)) for name, child in value.items())
    if key in {"_parameters", "_buffers"}:
        plain = all(tensor is None or _is_plain_tensor(tensor) for tensor in value.values())
        lies = ((name, None if tensor is None else _lie_of(tensor)) for name, tensor in value.items())
        return tuple(lies) if plain else None
    kind = type(value)
    if kind in MAPPINGS:
        found = tuple(item for pair in value.items() for item in pair)
    elif kind in GROUPS:
        found = tuple(value)
    else:
        return None
    kinds = tuple(map(type, found))
    return (kind, *kinds, *found) if NUMBERS.issuperset(kinds) else None
