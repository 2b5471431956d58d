"""What a model is called with, cut into batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

Value = Any
"""One argument of a model: a tensor with the batch first, or anything that is the same for all images."""


@dataclass(frozen=True)
class Inputs:
    """Arguments of one call of a model, one of which is the image that maps lie on.

    Attributes:
        args: positional arguments.
        kwargs: arguments by name.
        spatial: position or name of the image.
        count: images in the batch; every tensor of this length is cut with it.
    """

    args: tuple[Value, ...]
    kwargs: Mapping[str, Value]
    spatial: int | str
    count: int

    @property
    def image(self) -> Tensor:
        """The input that maps lie on, (B, channels, *spatial)."""
        value: Tensor = (
            self.args[self.spatial] if isinstance(self.spatial, int) else self.kwargs[self.spatial]
        )
        return value

    def run(self, model: nn.Module) -> Any:  # noqa: ANN401 - whatever the model gives
        """Call the model."""
        return model(*self.args, **self.kwargs)

    def with_image(self, image: Tensor) -> "Inputs":
        """The same call with another image."""
        if isinstance(self.spatial, int):
            return replace(self, args=(*self.args[: self.spatial], image, *self.args[self.spatial + 1 :]))
        return replace(self, kwargs={**self.kwargs, self.spatial: image})

    def each(self, change: Callable[[Tensor], Tensor]) -> "Inputs":
        """The same call with every tensor that has the batch first changed by `change`."""

        def changed(value: Value) -> Value:
            batched = isinstance(value, Tensor) and value.ndim > 0 and len(value) == self.count
            return change(value) if batched else value

        args = tuple(changed(value) for value in self.args)
        kwargs = {name: changed(value) for name, value in self.kwargs.items()}
        moved = replace(self, args=args, kwargs=kwargs)
        return replace(moved, count=len(moved.image))

    def repeat(self, index: int, times: int) -> "Inputs":
        """Image `index` alone, `times` times."""
        return self.each(lambda value: torch.cat([value[index : index + 1]] * times))

    def batches(self, size: int) -> Iterator["Inputs"]:
        """Parts of at most `size` images."""
        for start in range(0, self.count, size):
            yield self.each(lambda value, start=start: value[start : start + size])  # type: ignore[misc]

    def copied(self, device: torch.device | None) -> "Inputs":
        """Plain copies on the device: never the caller's tensors, nor ones of inference mode or with a graph."""
        return self.each(lambda value: value.detach().to(device, copy=True))

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


def read_inputs(
    inputs: Tensor | Sequence[Value], kwargs: Mapping[str, Value] | None, spatial_input: int | str | None
) -> Inputs:
    """Check what a caller gave: one tensor, or several arguments of which one is an image.

    Raises:
        ValueError: if no argument is a floating-point image (B, channels, *spatial), or it holds no image.
    """
    if not isinstance(inputs, Tensor | Sequence):
        raise TypeError(
            f"inputs is a {type(inputs).__name__}; expected a tensor (B, channels, *spatial), or a list of arguments. "
            "An array becomes a tensor with torch.from_numpy(array).float()."
        )
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    named = dict(kwargs or {})
    found: dict[int | str, Value] = dict(enumerate(args))
    found.update(named)
    if spatial_input is None:
        spatial_input = next((key for key, value in found.items() if _is_image(value)), None)
    if spatial_input is not None and spatial_input not in found:
        raise ValueError(
            f"there is no input spatial_input={spatial_input!r}; the inputs are {', '.join(map(repr, found))}."
        )
    if spatial_input is None or not _is_image(found[spatial_input]):
        shapes = [
            f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
            for value in found.values()
        ]
        raise ValueError(
            f"no input is a floating-point image (B, channels, *spatial) with 1 to 3 axes; found {', '.join(shapes)}. "
            "Add the batch's axis to a single image with image[None], make whole numbers floating-point with "
            "image.float(), or name the input by spatial_input."
        )
    image = found[spatial_input]
    if not image.numel():
        raise ValueError(f"the image input has shape {tuple(image.shape)}, which holds no image.")
    return Inputs(args, named, spatial_input, len(image))


def _is_image(value: Value) -> bool:
    return isinstance(value, Tensor) and 3 <= value.ndim <= 5 and value.is_floating_point()
