"""Twins that are kept from batch to batch, and what their forwards have shown.

A twin of a plain model is used again as long as the model is the same: what was changed in the model since shows in
its description, and the values of its tensors are copied anew, unless the twin shares them. A twin in which a forward
has left something is never used again.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from stratacam.cam.copier import Copier
from stratacam.cam.description import Description, description_of
from stratacam.cam.twin import Memory, Twin, eager, make_twin, only, twin_of


@dataclass
class Kept:
    """The twin of a plain model, which nobody else uses meanwhile.

    Attributes:
        twin: the twin.
        memory: what its forwards have shown.
        of_model: description of the model that it was made of.
        of_twin: its own.
        tensors: its own tensors, and those of the model that they are copies of.
    """

    twin: Twin
    memory: Memory
    of_model: Description
    of_twin: Description | None
    tensors: tuple[list[Tensor], list[Tensor]]
    _versions: list[int] = field(default_factory=list)

    def refresh(self) -> None:
        """Copy the values of the model's tensors, wherever the twin does not share them."""
        copies, originals = self.tensors
        if copies:
            with torch.no_grad():
                torch._foreach_copy_(copies, originals)
        self._versions = self._found_versions()
        self.memory.watched = False

    def is_unchanged(self) -> bool:
        """Whether forwards have left nothing in the twin: those that are like earlier ones leave as little as these."""
        if not self.memory.watched:
            return True
        return self._versions == self._found_versions() and description_of(self.twin.model) == self.of_twin

    def _found_versions(self) -> list[int]:
        model = self.twin.model
        return [tensor._version for tensor in (*model.parameters(), *model.buffers())]


_KEPT: WeakKeyDictionary[nn.Module, dict[bool, Kept]] = WeakKeyDictionary()
_LOCK = threading.Lock()


@contextmanager
def ready_twin(model: nn.Module, *, channels_last: bool, private: bool) -> Iterator[Twin]:
    """A twin as `twin_of` makes it: one that was kept, if the model is plain and still the same."""
    described = None if private else description_of(model)
    if described is None:
        with twin_of(model, channels_last=channels_last, private=private) as twin:
            yield twin
        return
    with _LOCK:
        kept = _KEPT.get(model, {}).pop(channels_last, None)
    with eager():
        if kept is None or kept.of_model != described:
            kept = _make(model, described, channels_last=channels_last)
        kept.refresh()
        with nullcontext() if kept.memory else only(model):
            yield kept.twin
    if kept.is_unchanged():  # not after an error
        with _LOCK:
            _KEPT.setdefault(model, {})[channels_last] = kept


def _make(model: nn.Module, described: Description, *, channels_last: bool) -> Kept:
    copier, memory = Copier(model, private=False), Memory()
    twin = make_twin(model, copier, channels_last=channels_last, acting=False, memory=memory)
    pairs = {
        id(copy): (copy, original)
        for copies, originals in zip(_tensors(twin.model), _tensors(model), strict=True)
        for copy, original in zip(copies, originals, strict=True)
        if copy.data_ptr() != original.data_ptr()
    }.values()
    copies, originals = [copy.detach() for copy, _ in pairs], [original.detach() for _, original in pairs]
    return Kept(twin, memory, described, description_of(twin.model), (copies, originals))


def _tensors(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and buffers, under each of their names: a twin may have several copies of one that is tied."""
    parameters = model.named_parameters(remove_duplicate=False)
    buffers = model.named_buffers(remove_duplicate=False)
    return [parameter for _, parameter in parameters], [buffer for _, buffer in buffers]
