"""Build a `GraphNetwork` from the operations of a file: convolutions and pools become torch's own modules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.files.aliases import live_steps, writes
from stratacam.networks.files.graph import HERE, GraphNetwork, Shape, Step, Value, Weight, names_in
from stratacam.networks.files.tap import LayerTap, Tap, free_name, place, pool_tap, put


class Builder:
    """Takes the operations of a file in their order.

    Attributes:
        path: of the file.
        network: what is built.
        state: tensors of the file by name; those that are used become parameters and buffers of the network.
    """

    def __init__(self, path: Path, given: str, state: Mapping[str, Tensor]) -> None:
        self.path = path
        self.network = GraphNetwork(given)
        self.state = state
        self._steps: list[Step] = []
        self._held: dict[str, str] = {}
        self._modules: dict[Any, str] = {}
        self._layers: set[str] = set()

    def add(self, step: Step) -> None:
        """Append an operation."""
        self._steps.append(
            replace(
                step,
                arguments=tuple(map(self._hold, step.arguments)),
                named={name: self._hold(one) for name, one in step.named.items()},
            )
        )

    def add_module(self, key: Any, name: str, module: nn.Module, step: Step) -> None:
        """Append a call of a module; it is the same module where `key` is the same."""
        if key not in self._modules:
            self._modules[key] = place(self.network, name, module)
        self.add(replace(step, call=self._modules[key]))

    def add_layer(self, name: str, step: Step) -> None:
        """Append an operation that is a layer though it is no module of torch's, such as with computed weights."""
        self._layers.add(step.home)
        self.add(step)
        if not step.home:
            self.add(_tapped(place(self.network, name, LayerTap()), step.results[0], ""))

    def is_of_images(self, argument: Any) -> bool:
        """Whether an argument is made of the images, and not of weights alone."""
        made = {self.network.given}
        for step in self._steps:
            if step.needs() & made:
                made.update(step.results)
        return any(name in made for name in names_in(argument))

    def step_of(self, value: Any) -> Step | None:
        """The operation that gives a value."""
        name = value.name if isinstance(value, Value) else None
        return next((step for step in self._steps if name in step.results), None)

    def replace_step(self, step: Step, other: Step) -> None:
        """Put an operation in the place of another."""
        self._steps = [other if one is step else one for one in self._steps]

    def writes_after(self, step: Step) -> bool:
        """Whether operations after one change tensors in place."""
        numbers = [number for number, one in enumerate(self._steps) if one is step or writes(one)]
        return self._steps[numbers[-1]] is not step

    def close(self, result: Value) -> GraphNetwork:
        """The network that gives a value: without what does not lead there, and with taps where modules end.

        Raises:
            KeyError: a value that is needed is given by no operation.
            InputError: a run changes the network's weights.
        """
        try:
            self._steps, changed = live_steps(self._steps, result.name)
        except ValueError as fault:
            raise InputError(
                f"{self.path}: found an operation that changes {fault} in place, a weight that is used elsewhere; "
                "expected a network that is the same after every run: save it without that."
            ) from fault
        images = Value(self.network.given)
        if images in changed:  # the images stay the caller's
            self._steps.insert(0, Step(torch.clone, (images,), {}, (images.name,)))
        needed = {result.name}.union(*(step.needs() for step in self._steps))
        given = {name for step in self._steps for name in step.results}
        missing = needed - given - {self.network.given, HERE.name}
        if missing:
            raise KeyError(min(missing))
        self._tap_modules(result)
        last = {
            name: number for number, step in enumerate(self._steps) for name in (*step.results, *step.needs())
        }
        done: list[list[str]] = [[] for _ in self._steps]
        for name, number in last.items():
            if name not in {result.name, HERE.name}:
                done[number].append(name)
        self.network.steps, self.network.done = tuple(self._steps), tuple(map(tuple, done))
        self.network.result = result
        self.network.requires_grad_(requires_grad=False)  # statistics are among the weights
        return self.network

    def _hold(self, argument: Any) -> Any:
        """An argument whose weights are the network's."""
        if isinstance(argument, Weight):
            return Weight(self._name_of(argument.name))
        if isinstance(argument, list | tuple):
            return type(argument)(map(self._hold, argument))
        return argument

    def _name_of(self, name: str) -> str:
        """The name under which the network has a tensor of the file."""
        if name in self._held:
            return self._held[name]
        tensor = self.state[name]
        home, _, last = name.rpartition(".")
        if home and not _is_module(self.network, home):
            home = place(self.network, home, Tap())
        parent = self.network.get_submodule(home)
        known = getattr(parent, last, None)
        if not (isinstance(known, Tensor) and known.data_ptr() == tensor.data_ptr()):
            last = free_name(parent, last)
            if tensor.is_floating_point():
                parent.register_parameter(last, nn.Parameter(tensor))
            else:
                parent.register_buffer(last, tensor)
        self._held[name] = f"{home}.{last}" if home else last
        return self._held[name]

    def _tap_modules(self, result: Value) -> None:
        """Let what each module of the framework gives pass through a module of its name."""
        for home in sorted(
            {home for step in self._steps for home in _paths(step.home)}, key=len, reverse=True
        ):
            ends = [
                (run, end)
                for run in _runs(self._steps, home)
                if (end := self._end_of(*run, result)) is not None
            ]
            if not ends:
                continue
            if not _is_module(self.network, home):
                place(self.network, home, Tap())
            elif not isinstance(self.network.get_submodule(home), Tap):
                if all(self._is_all_of(home, *run, end) for run, end in ends):
                    continue  # a convolution or pool, which is called itself
                self._move_into(home)
            tap = self.network.get_submodule(home)
            if isinstance(tap, Tap) and home in self._layers:
                tap.is_layer = True
            for (_, stop), end in reversed(ends):
                self._steps.insert(stop, _tapped(home, end, home))

    def _end_of(self, start: int, stop: int, result: Value) -> str | None:
        """The one result of some steps that others need; None if there is not one."""
        needed = {result.name}.union(*(step.needs() for step in (*self._steps[:start], *self._steps[stop:])))
        inside = self._steps[start:stop]
        ends = {name for step in inside for name in step.results if name in needed}
        one = ends.pop() if len(ends) == 1 else None
        return one if any(step.results[0] == one for step in inside) else None

    def _is_all_of(self, home: str, start: int, stop: int, end: str) -> bool:
        """Whether what a module gives at the end of some steps is what the operation of its name gives."""
        *_, last = (number for number in range(start, stop) if end in self._steps[number].results)
        return self._steps[last].call == home and not any(map(writes, self._steps[last + 1 : stop]))

    def _move_into(self, home: str) -> None:
        """Put a tap in the place of a convolution or pool that is but a part of the module of its name."""
        operation = self.network.get_submodule(home)
        several = any(
            step.call != home and self._is_layer(step) for step in self._steps if _within(step.home, home)
        )
        kind = type(operation).__name__
        coarser = kind.startswith(("MaxPool", "AvgPool")) and operation.stride not in {
            1,
            (1,) * int(kind[-2]),
        }
        window = not several and coarser  # others only smooth within, such as in a response norm
        tap = pool_tap(int(kind[-2])) if window else Tap()
        put(self.network, home, tap)
        for name, child in list(operation.named_children()):
            tap.add_module(name, child)
            delattr(operation, name)
        for name in self._held.values():
            before, _, last = name.rpartition(".")
            if before == home:  # other operations of the module use it by this name
                _share(operation, tap, last)
        call: Any = operation
        if several or kind.startswith("Conv"):
            call = place(self.network, f"{home}.{kind.lower()}", operation)
            if kind.startswith("Conv") and not several:
                self._layers.add(home)
        self._steps = [replace(step, call=call) if step.call == home else step for step in self._steps]

    def _is_layer(self, step: Step) -> bool:
        """Whether a step calls a module that has a map by default."""
        module = self.network.get_submodule(step.call) if isinstance(step.call, str) else None
        return module is not None and (not isinstance(module, Tap) or module.is_layer)


def _tapped(name: str, value: str, home: str) -> Step:
    """A value passes through a module."""
    return Step(name, (Value(value),), {}, (value,), home)


def _share(module: nn.Module, tap: Tap, name: str) -> None:
    value = getattr(module, name)
    if isinstance(value, nn.Parameter):
        tap.register_parameter(name, value)
    else:
        tap.register_buffer(name, value)


def _within(home: str, other: str) -> bool:
    """Whether a module is another, or in it."""
    return f"{home}.".startswith(f"{other}.")


def known(argument: Any) -> bool:
    """Whether an argument is a constant."""
    return (
        not isinstance(argument, Weight | Shape)
        and not any(names_in(argument))
        and not _has_weights(argument)
    )


def _has_weights(argument: Any) -> bool:
    return isinstance(argument, list | tuple) and any(isinstance(one, Weight) for one in argument)


def _is_module(network: nn.Module, name: str) -> bool:
    try:
        return isinstance(network.get_submodule(name), nn.Module)
    except AttributeError:
        return False


def _paths(home: str) -> Iterator[str]:
    parts = home.split(".") if home else []
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _runs(steps: Sequence[Step], home: str) -> Iterator[tuple[int, int]]:
    """Where steps of a module follow one another: from, to."""
    start: int | None = None
    for number in range(len(steps) + 1):
        inside = number < len(steps) and _within(steps[number].home, home)
        if inside and start is None:
            start = number
        if not inside and start is not None:
            yield start, number
            start = None


def make_convolution(weight: Tensor, bias: Tensor | None, *, transposed: bool, **options: Any) -> nn.Module:
    """A convolution of torch's with a kernel (out, in / groups, *kernel), or (in, out / groups, *kernel) if transposed.

    `options` are `stride`, `padding`, `dilation`, `groups`, and `output_padding` if it is transposed.
    """
    axes = weight.ndim - 2
    kind = getattr(nn, f"Conv{'Transpose' if transposed else ''}{axes}d")
    first, second = weight.shape[0], weight.shape[1] * options["groups"]
    channels = (first, second) if transposed else (second, first)
    with torch.device("meta"):
        module: nn.Module = kind(*channels, tuple(weight.shape[2:]), bias=bias is not None, **options)
    module.weight = nn.Parameter(weight)
    if bias is not None:
        module.bias = nn.Parameter(bias)
    return module
