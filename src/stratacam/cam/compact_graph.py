"""A graph that keeps no more than gradients of activations need.

Autograd keeps for every convolution its input, which only the gradient of its weights needs; for every average pool its
input, of which it needs the shape; and for every maximum pool the positions of its maxima, which its input gives again
in a fraction of a convolution's time. Of a network with frozen weights this is about a third of what is kept.
"""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

CONVOLUTIONS = {
    torch.conv1d, torch.conv2d, torch.conv3d,
    torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d,
}  # fmt: skip
AVERAGE_POOLS = {F.avg_pool1d, F.avg_pool2d, F.avg_pool3d}
MAXIMUM_POOLS = {F.max_pool2d, F.max_pool3d, F.adaptive_max_pool2d, F.adaptive_max_pool3d}
LARGE = 2**16
"""Elements from which on it is worth the while."""


class CompactGraph(TorchFunctionMode):
    """While this lasts, the graph of frozen convolutions and average pools keeps shapes instead of inputs."""

    def __init__(self) -> None:
        super().__init__()
        self._unneeded: Tensor | None = None
        self._positions: Callable[[], Tensor] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if torch._C._autograd._saved_tensors_hooks_is_enabled():  # type: ignore[attr-defined]
            self._stack.enter_context(torch.autograd.graph.saved_tensors_hooks(self._pack, _unpack))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, fault, trace)  # type: ignore[no-untyped-call]
        self._stack.close()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        frozen = func in CONVOLUTIONS and not kwargs and len(args) > 1 and not args[1].requires_grad
        if frozen or (func in AVERAGE_POOLS and args):
            self._unneeded = args[0]
        if func in MAXIMUM_POOLS and args:
            self._positions = _positions(func, args, kwargs)
        try:
            return func(*args, **kwargs)
        finally:
            self._unneeded = self._positions = None

    def _pack(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Called for every tensor that the graph stores; returns a function that restores it."""
        if tensor.numel() < LARGE:
            return _checked(tensor)
        given = self._unneeded
        if given is not None and tensor.data_ptr() == given.data_ptr() and tensor.shape == given.shape:
            # The gradient of such an input needs only its shape and strides.
            shape, stride, dtype, device = tensor.shape, tensor.stride(), tensor.dtype, tensor.device
            return lambda: torch.empty_strided(shape, stride, dtype=dtype, device=device)
        if self._positions is not None and tensor.dtype == torch.int64:
            return self._positions
        return _checked(tensor)


def _unpack(packed: Callable[[], Tensor]) -> Tensor:
    return packed()


def _positions(
    pool: Callable[..., tuple[Tensor, Tensor]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[[], Tensor]:
    """A function that finds the positions of a pool's maxima again."""
    given = _checked(args[0])

    def again() -> Tensor:
        return pool(given(), *args[1:], **kwargs | {"return_indices": True})[1]

    return again


def _checked(tensor: Tensor) -> Callable[[], Tensor]:
    """The tensor, checked for changes in place: autograd does not check packed tensors."""
    saved, version = tensor.detach(), tensor._version  # the tensor itself would hold the graph that holds it

    def unpack() -> Tensor:
        if saved._version != version:
            raise RuntimeError("a tensor that the gradient needs was changed by an operation in place.")
        return saved

    return unpack
