"""What happens to tensors during a forward: changes in place, calls to be repeated, how the scores came about."""

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from stratacam.cam.memory import storage_of, written
from stratacam.cam.origin import Origins
from stratacam.cam.repeated import HeldTensor, Step


class ParametersWrittenError(RuntimeError):
    """A forward writes to parameters, which a twin shares with the caller's model."""


class Watch(TorchDispatchMode):
    """Sees every operation of a forward.

    It copies held tensors before it is changed in place, records the operations of single calls, and follows
    where values come from. It stops before one of `protected`, parameters by storage, is written to.

    Attributes:
        changed: whether a tensor that was held has been changed.
    """

    def __init__(self, origins: Origins, protected: Mapping[int, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.origins = origins
        self._protected = protected
        self.changed = False
        self._held: dict[int, list[weakref.ref[HeldTensor]]] = {}
        self._steps: list[Step] | None = None

    def hold(self, held: HeldTensor) -> None:
        """Copy a tensor before it is changed, as long as it is referenced."""
        self._held.setdefault(storage_of(held.tensor), []).append(weakref.ref(held))

    def start_recording(self) -> None:
        """Record the operations from now on."""
        self._steps = []

    def recorded(self) -> list[Step]:
        """The operations since recording was started, which ends; none if it was not."""
        steps, self._steps = self._steps, None
        return steps or []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        for value in written(func, args, kwargs):
            if storage_of(value) in self._protected:
                raise ParametersWrittenError(
                    f"the model writes to {self._protected[storage_of(value)]} while it runs."
                )
            self._save(value)
        result = func(*args, **kwargs)
        self.origins.follow(func, args, kwargs, result)
        if self._steps is not None:
            self._steps.append(Step(func, args, kwargs, result))
        return result

    def _save(self, value: Tensor) -> None:
        for reference in self._held.pop(storage_of(value), []):
            held = reference()
            self.changed = True
            if held is not None:
                held.tensor = held.tensor.clone()


INQUIRIES = {
    Tensor.stride, Tensor.is_contiguous, Tensor.data_ptr, Tensor.untyped_storage, Tensor.storage, Tensor.storage_offset,
    Tensor.as_strided, Tensor.as_strided_, torch.as_strided, Tensor.dim_order, Tensor.numpy, Tensor.tolist,
    Tensor.__array__, Tensor.__dlpack__,
}  # fmt: skip


class Inquiries(TorchFunctionMode):
    """Notes when code asks how a tensor lies in memory, or takes its values out of torch."""

    def __init__(self, origins: Origins) -> None:
        super().__init__()
        self._origins = origins

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in INQUIRIES:
            self._origins.inspected = True
        return func(*args, **(kwargs or {}))
