"""What a plain model is made of, in a form that shows whether it has been changed.

A model is plain if its modules hold nothing but numbers, names, tensors and one another: no hooks, no functions, no
objects of other kinds, in which a forward could leave something behind unseen.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as of_torch

NUMBERS = {
    type(None), bool, int, float, complex, str, bytes, type, torch.dtype, torch.device, torch.Size,
    torch.memory_format,
}  # fmt: skip
MAPPINGS, GROUPS = {dict, OrderedDict}, {tuple, list, set}
GLOBAL_HOOKS = (
    of_torch._global_forward_pre_hooks,
    of_torch._global_forward_hooks,
    of_torch._global_backward_pre_hooks,
    of_torch._global_backward_hooks,
)

Description = tuple[Any, ...]
"""Equal for a model that has the same modules, settings and tensors; their values may be others."""


def description_of(model: nn.Module) -> Description | None:
    """Describe a plain model; None if it is not plain."""
    if any(GLOBAL_HOOKS):
        return None
    found: list[Any] = []
    for module in model.modules():
        if not _is_plain_class(type(module)):
            return None
        held = vars(module)
        found += [type(module), *held]
        for key, value in held.items():
            if type(value) in NUMBERS:
                found.append(value)
            elif type(value) not in MAPPINGS or value:  # those of hooks are empty
                content = _content(key, value)
                if content is None:
                    return None
                found.append(content)
    return tuple(found)


def _is_plain_class(kind: type[nn.Module]) -> bool:
    """Whether a class does nothing where its mode changes, or to be found again, and is no code of another language."""
    overridden = kind.train is not nn.Module.train or kind.eval is not nn.Module.eval
    scripted = issubclass(kind, torch.jit.ScriptModule | torch.fx.GraphModule | nn.RNNBase)
    return not overridden and not scripted and kind.__hash__ is object.__hash__


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
    return (kind, *found) if NUMBERS.issuperset(map(type, found)) else None
