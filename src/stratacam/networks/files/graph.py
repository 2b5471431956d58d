"""A network that runs the operations of a file one after another, with the modules that the file names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Value:
    """What an operation gives, by name."""

    name: str


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer, by name."""

    name: str


@dataclass(frozen=True)
class Shape:
    """Sizes of a file, of which the first may be the number of images for which the network was saved."""

    sizes: tuple[Any, ...]


HERE = Value("device of the images")
"""Stands for the device that the network runs on, in the place of the one that a file names."""


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        call: a function, or the name of a module.
        arguments: constants, `Value`, `Weight` and `Shape`, also in lists.
        named: the same by name.
        results: names of what it gives; more than one where that is a sequence.
        home: path of the module that runs it in the framework, "" for the network itself.
    """

    call: Callable[..., Any] | str
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    results: tuple[str, ...]
    home: str = ""

    def needs(self) -> set[str]:
        """Names of the values that it is given."""
        return {name for one in (*self.arguments, *self.named.values()) for name in names_in(one)}


class GraphNetwork(nn.Module):
    """A network of named modules and the operations between them, from images (B, channels, *spatial) to scores."""

    def __init__(self, given: str) -> None:
        """`given`: name of the value that the images are."""
        super().__init__()
        self.steps: tuple[Step, ...] = ()
        self.done: tuple[
            tuple[str, ...], ...
        ] = ()  # names of the values that no later step needs, for each step
        self.given = given
        self.result = Value(given)
        self.saved_batch: int | None = None  # number of images for which the network was saved

    def forward(self, images: Tensor) -> Tensor:
        """Run all operations."""
        values: dict[str, Any] = {self.given: images, HERE.name: images.device}
        weights: dict[str, Tensor] = dict(self.named_parameters(remove_duplicate=False))
        weights |= dict(self.named_buffers(remove_duplicate=False))
        of_images = {self.given}  # names of values that are made of the images, and have a row for each

        def found(argument: Any, before: Sequence[Any] = ()) -> Any:
            if isinstance(argument, Value):
                return values[argument.name]
            if isinstance(argument, Weight):
                return weights[argument.name]
            if isinstance(argument, Shape):
                sizes = [found(one) for one in argument.sizes]
                first = step.arguments[0]
                has_rows = isinstance(first, Value) and first.name in of_images
                return self._fitted(before[0], sizes, len(images)) if has_rows else sizes
            if isinstance(argument, list | tuple):
                return type(argument)(found(one) for one in argument)
            return argument

        for step, done in zip(self.steps, self.done, strict=True):
            arguments: list[Any] = []
            for one in step.arguments:
                arguments.append(found(one, arguments))
            named = {name: found(one, arguments) for name, one in step.named.items()}
            call = self.get_submodule(step.call) if isinstance(step.call, str) else step.call
            given = call(*arguments, **named)
            results = [given] if len(step.results) == 1 else list(given)
            values.update(zip(step.results, results, strict=False))
            if step.needs() & of_images:
                of_images.update(step.results)
            for name in done:
                values.pop(name, None)
        output: Tensor = found(self.result)
        return output

    def _fitted(self, tensor: Tensor, sizes: list[Any], images: int) -> list[Any]:
        """Sizes with the number of images in the place of that of the file, where the tensor has this many rows."""
        saved = self.saved_batch
        if (
            saved in {None, images}
            or not sizes
            or sizes[0] != saved
            or not tensor.ndim
            or len(tensor) != images
        ):
            return sizes
        known = torch.Size(size for size in sizes if size != -1).numel()
        fits = -1 not in sizes and tensor.numel() == known
        return sizes if fits else [images, *sizes[1:]]


def names_in(argument: Any) -> Iterator[str]:
    """Names of the values in an argument."""
    if isinstance(argument, Value):
        yield argument.name
    elif isinstance(argument, Shape | list | tuple):
        for one in argument.sizes if isinstance(argument, Shape) else argument:
            yield from names_in(one)
