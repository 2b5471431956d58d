"""Tensors among the arguments of an operation, which of them it writes to, and where they lie."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor


def storage_of(tensor: Tensor) -> int:
    """An identity of the tensor's memory, equal for tensors that share it; sparse tensors and the like go by object."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):
        return id(tensor)


def tensors(values: Any) -> list[Tensor]:
    """The tensors among values, also in lists."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(tensors(value))
    return found


def written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Tensor]:
    """The tensors that an operation, an overload, writes to."""
    if not func._schema.is_mutable:
        return
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from tensors([args[position] if position < len(args) else kwargs.get(argument.name)])
