"""The origin of the values in a forward: which are probabilities, and which axes lie on the image."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stratacam.cam import axes
from stratacam.cam.axes import Axes
from stratacam.cam.memory import storage_of, tensors

aten = torch.ops.aten

LOGITS_WITHIN = {aten._softmax, aten._log_softmax, aten.sigmoid, aten.hardsigmoid}
"""Operations whose input holds logits if their output is the network's."""

SQUASHES = LOGITS_WITHIN | {
    aten.sigmoid_, aten.hardsigmoid_, aten.exp, aten.exp_, aten.exp2, aten.exp2_, aten.atan, aten.atan_, aten.tanh,
    aten.tanh_, aten.erf, aten.erf_, aten.log_sigmoid_forward,
}  # fmt: skip
"""Operations that give probabilities, or what they are made of."""

WEIGHINGS = {
    aten.addmm, aten.mm, aten.bmm, aten.baddbmm, aten.convolution, aten.log, aten.log_, aten.logit,
    aten.native_batch_norm, aten._native_batch_norm_legit_no_training, aten._native_batch_norm_legit,
    aten.native_layer_norm, aten.native_group_norm, aten.cudnn_batch_norm, aten._trilinear, aten.dot, aten.mv,
}  # fmt: skip
"""Operations after which a value is no probability any more, but may be a logit."""

READINGS = {aten._local_scalar_dense, aten.as_strided, aten.view_as_complex, aten.view_as_real}
"""Operations that give a value to Python, or depend on the order in memory."""

FRESH = {
    aten.empty_like, aten.zeros_like, aten.ones_like, aten.full_like, aten.rand_like, aten.randn_like,
    aten.new_empty, aten.new_zeros, aten.new_ones, aten.new_full, aten.new_empty_strided,
    aten.lift, aten.lift_fresh, aten.lift_fresh_copy,  # torch.tensor: made unseen, at an address of any earlier one
}  # fmt: skip
"""Operations whose result depends on no value of the tensors that were known before."""

PRODUCTS = {aten.addmm, aten.mm, aten.bmm, aten.baddbmm, aten.mv, aten.dot}
"""Weighings that may be the mean over an ensemble."""

FEATURES, WEIGHED, PROBABILITIES = "features", "weighed probabilities", "probabilities"
SMALL = 2**16
"""Values of a softmax that may be the end of a network."""


@dataclass
class Origins:
    """What is known of the tensors of one forward: all that is computed from an argument, and nothing else.

    A tensor is known by its address. An address is used again only by a tensor that is seen as it is made.

    Attributes:
        inspected: whether the model's own code looked at values, or at how they lie in memory.
    """

    inspected: bool = False
    _kinds: dict[int, str] = field(default_factory=dict)
    _data: set[int] = field(default_factory=set)
    _axes: dict[int, Axes] = field(default_factory=dict)
    _alike: dict[int, set[int]] = field(default_factory=dict)
    _squashed: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def start(self, image: Tensor, beside: list[Tensor], others: list[Tensor]) -> None:
        """What the model is given.

        Args:
            image: that maps lie on, (B, channels, *spatial).
            beside: tensors of the same positions, such as masks (B, 1, *spatial).
            others: all other tensors; may hold these too.
        """
        for value in (image, *others):
            self._data.add(storage_of(value))
            if _has_values(value):
                self._kinds[storage_of(value)] = FEATURES
        for value in (image, *beside):
            self._axes[id(value)] = axes.image_axes(value)
            self._alike[storage_of(value)] = {id(value)}

    def axes_of(self, tensor: Tensor) -> Axes | None:
        """Where the axes of a tensor lie on the image; None if that is not known."""
        return self._axes.get(id(tensor))

    def is_by_image(self, output: Any) -> bool:
        """Whether all that a model gives is known to be made image by image, whatever the memory's order."""
        if isinstance(output, dict | list | tuple):
            parts = output.values() if isinstance(output, dict) else output
            return all(map(self.is_by_image, parts))
        lying = self.axes_of(output) if isinstance(output, Tensor) else None
        return lying is not None and lying[:1] == (axes.BATCH,) and not self.inspected

    def kind_of(self, tensor: Tensor) -> str | None:
        """`FEATURES`, `WEIGHED`, `PROBABILITIES`, or None for values that come from no argument."""
        return self._kinds.get(storage_of(tensor))

    def logits_of(self, tensor: Tensor) -> Tensor | None:
        """Input of the final softmax or sigmoid, if a tensor is its (reshaped) result."""
        result, given = self._squashed.get(storage_of(tensor), (None, None))
        if result is None or given is None or not (result is tensor or _is_reshaped(tensor, result)):
            return None
        return given.reshape(tensor.shape)

    def follow(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Record the output of an operation."""
        # 1. What was given that depends on the arguments, and what the operation makes of it.
        operation = func.overloadpacket
        given = [] if operation in FRESH else tensors([*args, *kwargs.values()])
        kind = self._kind(operation, args, kwargs, given)
        data = [value for value in given if storage_of(value) in self._data]
        self.inspected = self.inspected or (bool(data) and operation in READINGS)
        # 2. The same for every output, and for what was changed in place.
        changed = given[:1] if func._schema.is_mutable else []
        for output in {id(value): value for value in [*tensors([result]), *changed]}.values():
            self._note(output, kind, data, func, args, changed=bool(changed))
        # 3. A softmax or sigmoid: its input are the logits, should its output be the network's.
        if operation in LOGITS_WITHIN and isinstance(result, Tensor) and result.numel() <= SMALL:
            self._squashed[storage_of(result)] = (result, args[0])

    def _note(
        self, output: Tensor, kind: str | None, data: list[Tensor], func: Any, args: Any, *, changed: bool
    ) -> None:
        storage = storage_of(output)
        if changed or all(storage != storage_of(value) for value in data):
            self._forget(storage, fresh=not changed)
        if kind and _has_values(output):
            self._kinds[storage] = kind
        elif not changed:
            self._kinds.pop(storage, None)
        if data:
            self._data.add(storage)
        elif not changed:
            self._data.discard(storage)
        known = [(value, self._axes[id(value)]) for value in data if id(value) in self._axes]
        found = axes.follow(func, args, known, output) if known and len(known) == len(data) else None
        alike = self._alike.setdefault(storage, set())
        if changed:
            for other in alike:  # what lies in the same memory has changed with it
                self._axes.pop(other, None)
        if found:
            self._axes[id(output)] = found
            alike.add(id(output))
        elif data or not changed:
            self._axes.pop(id(output), None)

    def _forget(self, storage: int, *, fresh: bool) -> None:
        """What was known of memory that now holds something else, and, where it is fresh, of other tensors in it."""
        self._squashed.pop(storage, None)  # what a view of the result is still is one
        if fresh:
            self._alike.pop(storage, None)

    def _kind(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Tensor]
    ) -> str | None:
        kinds = {self._kinds.get(storage_of(value)) for value in given if _has_values(value)} - {None}
        if not kinds:
            return None
        if operation in SQUASHES or _is_clamp_to_one(operation, args, kwargs):
            return PROBABILITIES
        if operation in WEIGHINGS or "attention" in operation.__name__:
            return WEIGHED if kinds == {PROBABILITIES} and operation in PRODUCTS else FEATURES
        return next(kind for kind in (FEATURES, WEIGHED, PROBABILITIES) if kind in kinds)


@dataclass(frozen=True)
class KnownOrigin:
    """The origin of the scores (B, K) that an earlier forward gave of the same operations; they are no softmax's."""

    kind: str | None

    def logits_of(self, _tensor: Tensor) -> None:
        """There are none behind the scores."""

    def kind_of(self, _tensor: Tensor) -> str | None:
        """See `Origins.kind_of`."""
        return self.kind


def _is_clamp_to_one(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if operation not in {aten.clamp, aten.clamp_, aten.hardtanh, aten.hardtanh_}:
        return False
    bounds = [*args[1:3], *(kwargs[name] for name in ("min", "max", "min_val", "max_val") if name in kwargs)]
    return bounds == [0, 1]


def _has_values(tensor: Tensor) -> bool:
    """Whether a tensor holds more than indices or yes and no."""
    return tensor.is_floating_point() or tensor.is_complex()


def _is_reshaped(tensor: Tensor, whole: Tensor) -> bool:
    """Whether a tensor is `whole` in another shape, as `view`, `squeeze` and `flatten` give it."""
    return tensor.numel() == whole.numel() and tensor.is_contiguous() and whole.is_contiguous()
