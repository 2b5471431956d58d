"""Build a `GraphNetwork` from the operations of a file: convolutions and pools become torch's own modules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.networks.files.graph import HERE, GraphNetwork, Shape, Step, Value, Weight, names_in
from stratacam.networks.files.tap import LayerTap, Tap, free_name, place


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
        if not step.home:
            step = replace(step, taps=(place(self.network, name, LayerTap()),))
        self.add(step)

    def step_of(self, value: Any) -> Step | None:
        """The operation that gives a value."""
        name = value.name if isinstance(value, Value) else None
        return next((step for step in self._steps if name in step.results), None)

    def close(self, result: Value) -> GraphNetwork:
        """The network that gives a value: without what does not lead there, and with taps where modules end.

        Raises:
            KeyError: a value that is needed is given by no operation.
        """
        needed, steps = {result.name}, []
        for step in reversed(self._steps):
            if needed & set(step.results):
                needed |= step.needs()
                steps.append(step)
        self._steps = steps[::-1]
        missing = needed - {name for step in steps for name in step.results} - {self.network.given, HERE.name}
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
            if _is_module(self.network, home) and not isinstance(self.network.get_submodule(home), Tap):
                continue  # a convolution or pool, which is called itself
            for start, stop in list(_runs(self._steps, home)):
                end = self._end_of(start, stop, result)
                if end is None:
                    continue
                if not _is_module(self.network, home):
                    place(self.network, home, LayerTap() if home in self._layers else Tap())
                step = self._steps[end]
                self._steps[end] = replace(step, taps=(*step.taps, home))

    def _end_of(self, start: int, stop: int, result: Value) -> int | None:
        """The one step among some whose result others need; None if there is not one."""
        needed = {result.name}.union(*(step.needs() for step in (*self._steps[:start], *self._steps[stop:])))
        ends = [
            number for number in range(start, stop) for name in self._steps[number].results if name in needed
        ]
        one = ends[0] if len(ends) == 1 else None
        return one if one is not None and self._steps[one].results[0] in needed else None


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
        inside = number < len(steps) and f"{steps[number].home}.".startswith(f"{home}.")
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
