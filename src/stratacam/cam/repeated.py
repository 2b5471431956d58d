"""One call of a layer that can be run again: its operations with their exact arguments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stratacam.cam.memory import tensors, written

LONGEST = 8
"""Operations of a call that is worth running again."""


@dataclass
class HeldTensor:
    """A tensor of the forward, held as it was then: a `Watch` copies it before it is changed."""

    tensor: Tensor


@dataclass(frozen=True)
class Step:
    """One operation, its arguments and its result."""

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any


@dataclass(frozen=True)
class _Value:
    """Stands in a step for a value that is computed again, by number."""

    number: int


@dataclass(frozen=True)
class Repeat:
    """Operations of one call, to be run again on its input.

    Values are numbered: 0 is the call's input, and what the operations gave follows.
    """

    steps: list[tuple[Any, tuple[Any, ...], dict[str, Any]]]  # operations, with numbers for such values
    output: int  # number of what the call gave
    constants: list[HeldTensor]  # the other tensors that the operations were given

    def __call__(self, given: Tensor) -> Tensor:
        """What the call gives for its input."""
        values = [given]

        def filled(value: Any) -> Any:
            if isinstance(value, HeldTensor):
                return value.tensor
            return values[value.number] if isinstance(value, _Value) else value

        for func, args, kwargs in self.steps:
            values.extend(tensors([func(*_each(args, filled), **_each(kwargs, filled))]))
        return values[self.output]


def repeat(given: Tensor, output: Tensor, steps: Sequence[Step]) -> Repeat | None:
    """How to compute `output` from `given` again; None if that could give something else.

    It could where operations draw random numbers, write to what they were given, or hold much besides.
    """
    if not 0 < len(steps) <= LONGEST:
        return None
    # 1. Put numbers in the place of the input and of what operations gave; hold every other tensor.
    numbers: dict[int, int] = {id(given): 0}
    constants: dict[int, HeldTensor] = {}
    made: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []
    count = 1

    def numbered(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) in numbers:
            return _Value(numbers[id(value)])
        return constants.setdefault(id(value), HeldTensor(value.detach()))

    for step in steps:
        if torch.Tag.nondeterministic_seeded in step.func.tags or not _writes_own(step, numbers):
            return None
        made.append((step.func, _each(step.args, numbered), _each(step.kwargs, numbered)))
        for value in tensors([step.result]):
            numbers[id(value)] = count
            count += 1
    # 2. It is of use only if the output is among what the operations gave, and is larger than what is held for it.
    size = sum(held.tensor.numel() for held in constants.values())
    if id(output) not in numbers or numbers[id(output)] == 0 or 8 * size > output.numel():
        return None
    return Repeat(made, numbers[id(output)], list(constants.values()))


def _writes_own(step: Step, numbers: dict[int, int]) -> bool:
    """Whether an operation writes only to values that the call has computed."""
    return all(numbers.get(id(value), 0) > 0 for value in written(step.func, step.args, step.kwargs))


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: _each(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_each(item, change) for item in value)
    return change(value)
