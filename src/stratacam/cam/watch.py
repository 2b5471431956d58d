"""What happens to tensors during a forward: changes in place, and a softmax at the end."""

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

SOFTMAXES = {
    torch.ops.aten._softmax.default,
    torch.ops.aten._log_softmax.default,
    torch.ops.aten.sigmoid.default,
    torch.ops.aten.hardsigmoid.default,
}
"""Operations whose input is logits where their output is that of the network."""

SQUASHES = SOFTMAXES | {torch.ops.aten.exp.default, torch.ops.aten.tanh.default, torch.ops.aten.erf.default}
"""Operations of which probabilities are made."""

MIXTURES = {
    torch.ops.aten.addmm.default,
    torch.ops.aten.mm.default,
    torch.ops.aten.convolution.default,
    torch.ops.aten.mean.dim,
}
"""Operations after which a value is no probability any more."""


@dataclass
class Kept:
    """A tensor of the forward, held as it was when the layer was done."""

    tensor: Tensor


class Watch(TorchDispatchMode):
    """Sees every operation: copies what is kept before it is changed in place, and remembers a softmax."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kept: dict[int, list[weakref.ref[Kept]]] = {}
        self._softmax: tuple[Tensor, Tensor] | None = None
        self._squashed = 0  # values that a squash gave after the last mixture

    def keep(self, kept: Kept) -> None:
        """Copy what is kept, while somebody holds it, before it is changed."""
        self._kept.setdefault(storage_of(kept.tensor), []).append(weakref.ref(kept))

    def end(self, output: Any) -> tuple[Tensor | None, bool]:
        """How the forward that gave `output` ended; nothing of it is held any longer.

        Returns:
            What the softmax that gave the output, or that of which the output is another shape, was given, or
            None; and whether the output is a part of a softmax's, or has as many values as a squash gave last.
        """
        before, squashed = None, False
        if isinstance(output, Tensor):
            squashed = 0 < self._squashed == output.numel()
            if self._softmax is not None:
                result, given = self._softmax
                squashed = squashed or storage_of(output) == storage_of(result)
                if result is output or _is_reshaped(output, result):
                    before = given.reshape(output.shape)
        self._softmax = None
        self._kept.clear()
        return before, squashed

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func._schema.is_mutable:
            for position, argument in enumerate(func._schema.arguments):
                if argument.alias_info is not None and argument.alias_info.is_write:
                    value = args[position] if position < len(args) else kwargs.get(argument.name)
                    self._save(value)
        result = func(*args, **kwargs)
        if func in SOFTMAXES:
            self._softmax = (result, args[0])
        if func in SQUASHES:
            self._squashed = result.numel()
        elif func in MIXTURES:
            self._squashed = 0
        return result

    def _save(self, value: Any) -> None:
        if isinstance(value, list | tuple):
            for item in value:
                self._save(item)
        elif isinstance(value, Tensor):
            for reference in self._kept.pop(storage_of(value), []):
                kept = reference()
                if kept is not None:
                    kept.tensor = kept.tensor.clone()


def _is_reshaped(tensor: Tensor, whole: Tensor) -> bool:
    """Whether a tensor is `whole` in another shape, as `view`, `squeeze` and `flatten` give it."""
    return (
        storage_of(tensor) == storage_of(whole)
        and tensor.numel() == whole.numel()
        and tensor.is_contiguous()
        and whole.is_contiguous()
    )


def storage_of(tensor: Tensor) -> int:
    """What tells whether two tensors share memory."""
    return int(tensor.untyped_storage()._cdata)
