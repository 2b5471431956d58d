"""A final softmax or sigmoid is left out of a file's network, which then gives logits."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from stratacam.errors import InputError
from stratacam.networks.files.builder import Builder
from stratacam.networks.files.graph import Step, Value

SOFTMAX, SIGMOID, SAME, CLAMP = "softmax", "sigmoid", "same", "clamp"
NEARLY_ALL = (0.01, 0.99)
"""Limits of probabilities that leave almost all of them as they are."""


@dataclass(frozen=True)
class End:
    """What an operation at the end of a network does.

    Attributes:
        kind: `SOFTMAX` or `SIGMOID`, also their logarithms; `SAME`: another shape or type of number; `CLAMP`.
        title: of the operation, for readers.
        axis: of a softmax; None if it runs over all axes from `start` on.
        start: see `axis`.
        limits: of a clamp, with None where there is none.
    """

    kind: str
    title: str = ""
    axis: int | None = None
    start: int = 0
    limits: tuple[float | None, float | None] = (None, None)


def leave_out(builder: Builder, result: Value, end_of: Callable[[Step], End | None]) -> str:
    """Let a final softmax or sigmoid give its input, if a value is its result, perhaps in another shape or type.

    Clamps between it and the end are left out too, if they leave almost all probabilities as they are.

    Args:
        builder: that has all operations.
        result: of the network.
        end_of: what an operation does; None for all that are something else.

    Returns:
        What was left out, in words; "" for nothing.
    """
    clamps: list[Step] = []
    for step in _back(builder, result):
        end = end_of(step)
        if end is None or (end.kind == CLAMP and not is_wide(end)):
            return ""
        if end.kind == CLAMP:
            clamps.append(step)
        if end.kind in {SOFTMAX, SIGMOID}:
            first = end.start if end.axis is None else end.axis
            if builder.writes_after(step) or (end.kind == SOFTMAX and first == 0):
                return ""
            call = _Logits(builder.path, end) if end.kind == SOFTMAX else _input
            for one in (*clamps, step):
                given = replace(
                    one, call=call if one is step else _input, arguments=one.arguments[:1], named={}
                )
                builder.replace_step(one, given)
            return f"The final {end.title} is left out: the network gives logits."
    return ""


def _back(builder: Builder, result: Value) -> Iterator[Step]:
    """The operations that lead to a value by their first argument, the last one first."""
    value: Any = result
    while (step := builder.step_of(value)) is not None and len(step.results) == 1 and step.arguments:
        yield step
        value = step.arguments[0]


def is_wide(end: End) -> bool:
    """Whether a clamp leaves almost all probabilities as they are."""
    low, high = end.limits
    return (low is None or low <= NEARLY_ALL[0]) and (high is None or high >= NEARLY_ALL[1])


def _input(values: Tensor) -> Tensor:
    return values


class _Logits:
    """Stands for a softmax, whose input is the logits if its axis is that of the classes."""

    def __init__(self, path: Path, end: End) -> None:
        self.path, self.end = path, end

    def __call__(self, values: Tensor) -> Tensor:
        first = (self.end.start if self.end.axis is None else self.end.axis) % values.ndim
        axes = range(first, values.ndim) if self.end.axis is None else range(first, first + 1)
        over = math.prod(values.shape[axis] for axis in axes)
        if first == 0 or over * len(values) != values.numel():
            raise InputError(
                f"{self.path}: found a final {self.end.title} over the axes {list(axes)} of {tuple(values.shape)}; "
                "expected it over all classes of each image: save the network without it."
            )
        return values
