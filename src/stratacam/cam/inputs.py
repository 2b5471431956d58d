"""What a model is called with, cut into batches."""

import copy
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stratacam.cam.layers import CONVOLUTIONS, spatial_axes

Value = Any
"""An argument of a model: a tensor, or anything else, also containers of tensors."""

Key = int | str
"""Position or name of an argument."""

Way = tuple[Key, ...]
"""An argument, and the way to something inside it, such as (0,) or (0, "image")."""

Rows = slice | list[int]
"""Which images of a batch."""


@dataclass(frozen=True)
class Inputs:
    """Arguments of one call of a model, one of which holds the image that maps lie on."""

    args: tuple[Value, ...]
    kwargs: Mapping[str, Value]
    spatial: Way  # to the image
    positions: Tensor  # (B,) of these images among all that the caller gave
    per_image: frozenset[Way]  # where there is an entry for each image, which is cut with the batch
    stated: bool = False  # the caller named these

    @property
    def count(self) -> int:
        """Images in the batch."""
        return len(self.positions)

    @property
    def image(self) -> Tensor:
        """The input that maps lie on, (B, channels, *spatial)."""
        return _at(self, self.spatial)  # type: ignore[no-any-return]

    @property
    def arguments(self) -> dict[Key, Value]:
        """All arguments by position or name."""
        return _by_key(self.args, self.kwargs)

    def run(self, model: nn.Module) -> Any:
        """Call the model; what it raises says, too, what may be wrong with the arguments."""
        try:
            return model(*self.args, **self.kwargs)
        except Exception as fault:
            axes = {spatial_axes(part) for part in model.modules() if isinstance(part, CONVOLUTIONS)}
            if isinstance(fault, TypeError) and len(self.args) > 1:
                fault.add_note(
                    f"inputs has {len(self.args)} items, which are the model's arguments in order. Several images are "
                    "one tensor, torch.stack(images); a list that is one argument goes into a tuple, (images,)."
                )
            elif axes == {self.image.ndim - 1}:
                fault.add_note(
                    f"The image has shape {tuple(self.image.shape)}; expected (B, channels, *spatial): give "
                    "image[None] if this is one image."
                )
            raise

    def with_image(self, image: Tensor) -> "Inputs":
        """The same call with another image."""
        return self._changed(lambda way, _: image if way == self.spatial else None)

    def take(self, rows: Rows) -> "Inputs":
        """The call with some of the images."""
        taken = self._changed(lambda way, value: _rows(value, rows) if way in self.per_image else None)
        return replace(taken, positions=self.positions[rows])

    def repeat(self, index: int, times: int) -> "Inputs":
        """Image `index` by itself, `times` times."""
        return self.take([index] * times)

    def batches(self, size: int) -> Iterator["Inputs"]:
        """Parts of at most `size` images."""
        for start in range(0, self.count, size):
            yield self.take(slice(start, start + size))

    def copied(self, device: torch.device | None) -> "Inputs":
        """Plain copies on the device: never the caller's tensors, nor ones of inference mode or with a graph."""

        def copied(_: Way, value: Value) -> Value:
            if isinstance(value, Tensor):
                plain = value.detach()
                to_card = device is not None and device.type == "cuda" and not plain.is_cuda
                if to_card:
                    plain = plain.pin_memory()  # so that nobody waits until it is there
                plain = plain.to(device, copy=True, non_blocking=to_card)
                return plain if type(plain) is Tensor else plain.as_subclass(Tensor)
            return value.copy() if isinstance(value, np.ndarray) else None

        return self._changed(copied)

    def tensors(self) -> list[Tensor]:
        """All tensors among the arguments."""
        return [value for _, value in _parts(self.arguments) if isinstance(value, Tensor)]

    def beside(self) -> list[Tensor]:
        """Other tensors that are cut with the batch and lie on the images' positions."""
        others = [_at(self, way) for way in self.per_image if way != self.spatial]
        return [value for value in others if _lies_on(value, self.image)]

    def uncertain(self) -> list[Way]:
        """Places with as many entries as there are images, though these need not be the images'."""
        if self.stated:
            return []
        parts = _parts(self.arguments)
        return [way for way, value in parts if way not in self.per_image and _has_rows(value, self.count)]

    @property
    def faster_channels_last(self) -> bool:
        """Whether convolutions are faster with the channels last: 2D on a CPU, and half precision on a GPU."""
        image = self.image
        half = image.dtype in {torch.float16, torch.bfloat16}
        return image.ndim == 4 and (image.device.type == "cpu" or half)

    def channels_last(self) -> "Inputs":
        """With the image's channels last in memory."""
        # A new tensor: with one channel `contiguous` would keep strides that convolutions take for the other order.
        ordered = torch.empty_like(self.image, memory_format=torch.channels_last)
        return self.with_image(ordered.copy_(self.image))

    def _changed(self, change: Callable[[Way, Value], Value]) -> "Inputs":
        args = tuple(_walk(value, (place,), change) for place, value in enumerate(self.args))
        kwargs = {name: _walk(value, (name,), change) for name, value in self.kwargs.items()}
        return replace(self, args=args, kwargs=kwargs)


def read_inputs(
    inputs: Tensor | Sequence[Value],
    kwargs: Mapping[str, Value] | None,
    spatial_input: Key | None,
    per_image: Sequence[Key] | None = None,
) -> Inputs:
    """Check what a caller gave: one tensor, or several arguments of which one holds an image.

    Raises:
        ValueError: if no argument holds a floating-point image (B, channels, *spatial), or it holds no image.
    """
    if not isinstance(inputs, Tensor | Sequence) or isinstance(inputs, str):
        raise TypeError(f"inputs is a {type(inputs).__name__}; expected {_expected(inputs)}")
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    named = dict(kwargs or {})
    found = _by_key(args, named)
    for key in [*([] if spatial_input is None else [spatial_input]), *(per_image or ())]:
        if key not in found:
            option = "spatial_input" if key == spatial_input else "per_image"
            raise ValueError(
                f"there is no input {option}={key!r}; the inputs are {', '.join(map(repr, found))}."
            )
    keys = list(found) if spatial_input is None else [spatial_input]
    path = next((way for key in keys for way, value in _parts(found[key], (key,)) if _is_image(value)), None)
    if path is None:
        shapes = ", ".join(map(_described, found.values())) or "none"
        raise ValueError(
            f"no input is a floating-point image (B, channels, *spatial) with 1 to 3 axes; found {shapes}. "
            "Add the batch's axis to a single image with image[None], make a picture of whole numbers floating-point "
            "with image.float(), or name the input by spatial_input. Token ids have no gradient: explain the rest of "
            "the network from their embedding, (B, features, length)."
        )
    whole = Inputs(args, named, path, torch.arange(0, device="cpu"), frozenset({path}))
    image = whole.image
    if not image.numel():
        raise ValueError(f"the image input has shape {tuple(image.shape)}, which holds no image.")
    whole = replace(whole, positions=torch.arange(len(image), device="cpu"))
    if per_image is not None:
        return replace(whole, per_image=whole.per_image | _stated(whole, per_image), stated=True)
    alike = [way for way in whole.uncertain() if _lies_on(_at(whole, way), image)]
    return replace(whole, per_image=whole.per_image | set(alike))


def _by_key(args: Sequence[Value], kwargs: Mapping[str, Value]) -> dict[Key, Value]:
    return dict([*enumerate(args), *kwargs.items()])


def _stated(whole: Inputs, per_image: Sequence[Key]) -> set[Way]:
    """Where the arguments that a caller named have entries for each image."""
    found: set[Way] = set()
    for key in per_image:
        value = whole.arguments[key]
        sized = isinstance(value, Tensor | np.ndarray | list | tuple) and len(value) == whole.count
        ways = [(key,)] if sized else [way for way in whole.uncertain() if way[0] == key]
        if not ways and key != whole.spatial[0]:
            raise ValueError(
                f"per_image: input {key!r} does not have {whole.count} entries, one for each image; leave it out, or "
                "give one for each."
            )
        found.update(ways)
    return found


def _lies_on(value: Value, image: Tensor) -> bool:
    """Whether a value is of the images' positions, such as a mask (B, 1, *spatial)."""
    return (
        isinstance(value, Tensor)
        and value.ndim == image.ndim
        and _without_channels(value) == _without_channels(image)
    )


def _without_channels(image: Tensor) -> tuple[int, ...]:
    return (len(image), *image.shape[2:])


def _at(whole: Inputs, way: Way) -> Value:
    value: Any = whole.arguments
    for key in way:
        value = value[key]
    return value


def _expected(inputs: object) -> str:
    if isinstance(inputs, np.ndarray):
        return (
            "a tensor (B, channels, *spatial), which an array becomes with torch.from_numpy(array).float()."
        )
    if isinstance(inputs, Mapping):
        return (
            "a tensor, or a sequence of arguments. Arguments by name go to kwargs, with inputs=(); a dictionary that "
            "is one argument goes into a tuple, ({...},)."
        )
    return "a tensor (B, channels, *spatial), or a sequence of the model's positional arguments."


def _described(value: Value) -> str:
    return f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__


def _is_image(value: Value) -> bool:
    return isinstance(value, Tensor) and 3 <= value.ndim <= 5 and value.is_floating_point()


def _parts(value: Value, way: Way = ()) -> Iterator[tuple[Way, Value]]:
    """A value, and everything in the containers that it is or holds, with the way to it."""
    yield way, value
    if isinstance(value, dict | UserDict | list | tuple):
        pairs = value.items() if isinstance(value, dict | UserDict) else enumerate(value)
        for key, item in pairs:
            yield from _parts(item, (*way, key))


def _walk(value: Value, way: Way, change: Callable[[Way, Value], Value]) -> Value:
    """A value with what `change` gives in the place of a part of it, wherever that is not None."""
    changed = change(way, value)
    if changed is not None:
        return changed
    if isinstance(value, dict | UserDict):
        made = copy.copy(value)
        made.update({key: _walk(item, (*way, key), change) for key, item in value.items()})
        return made
    if isinstance(value, list | tuple):
        return _same_kind(value, [_walk(item, (*way, place), change) for place, item in enumerate(value)])
    return value


def _same_kind(value: Any, items: list[Any]) -> Any:
    return type(value)._make(items) if hasattr(value, "_make") else type(value)(items)


def _has_rows(value: Value, count: int) -> bool:
    if isinstance(value, Tensor | np.ndarray):
        return value.ndim > 0 and len(value) == count
    if isinstance(value, list | tuple) and len(value) == count:
        return not any(_has_rows(item, count) for item in value)
    return False


def _rows(value: Value, rows: Rows) -> Value:
    if isinstance(rows, slice) or isinstance(value, Tensor | np.ndarray):
        return value[rows]
    return _same_kind(value, [value[row] for row in rows])
