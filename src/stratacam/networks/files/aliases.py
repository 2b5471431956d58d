"""Writes in place: which operations change a tensor that others see, and must run though nothing takes their result."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stratacam.networks.files.graph import Step, Value, Weight

SILENT_VIEWS = {
    "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "type_as", "_unsafe_view",
    "broadcast_tensors", "meshgrid", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "atleast_1d",
    "atleast_2d", "atleast_3d",
}  # fmt: skip
"""Operations of torch that may give their input itself, though their schema does not say so."""

HARMLESS = {"detach_", "requires_grad_"}
"""Operations that are marked as writing, and leave all values as they are."""

Root = Value | Weight
"""What a value lies in the memory of: the images, the result of an operation, or a weight."""


def writes(step: Step) -> tuple[Root, ...]:
    """What an operation is given and changes in place."""
    schema = getattr(step.call, "_schema", None)
    if schema is None or not schema.is_mutable or _name(step) in HARMLESS:
        return ()
    marked = (
        _given(step, number, argument.name)
        for number, argument in enumerate(schema.arguments)
        if argument.is_write
    )
    return tuple(root for one in marked for root in _roots(one))


def live_steps(steps: Sequence[Step], result: str) -> tuple[list[Step], set[Root]]:
    """Operations that a result depends on, writes among them, and whose memory these write to.

    Raises:
        ValueError: a weight is written to that is used elsewhere, so that every run would change the network.
    """
    memory = _memory(steps)
    needed, weights = {result}, set[Root]()
    kept: list[Step] = []
    changed: set[Root] = set()
    for step in reversed(steps):
        written = _of(writes(step), memory)
        seen = set().union(*(memory.get(name, {Value(name)}) for name in needed))
        if needed & set(step.results) or any(isinstance(one, Value) for one in written & seen):
            needed |= step.needs()
            weights |= {one for one in _arguments(step) if isinstance(one, Weight)}
            changed |= written
            kept.append(step)
    stateful = _of([one for step in steps for one in writes(step)], memory) & weights
    names = [one.name for one in stateful if isinstance(one, Weight)]
    if names:
        raise ValueError(min(names))
    return kept[::-1], changed


def _memory(steps: Sequence[Step]) -> dict[str, set[Root]]:
    """For each value, in whose memory it may lie."""
    memory: dict[str, set[Root]] = {}
    for step in steps:
        shared = _of(_shared(step), memory)
        for name in step.results:
            memory[name] = memory.get(name, set()) | (shared or {Value(name)})
    return memory


def _of(values: Sequence[Root], memory: Mapping[str, set[Root]]) -> set[Root]:
    return set().union(*(memory.get(one.name, {one}) if isinstance(one, Value) else {one} for one in values))


def _shared(step: Step) -> tuple[Root, ...]:
    """What the results of an operation may share their memory with."""
    if isinstance(step.call, str):
        return ()
    schema = getattr(step.call, "_schema", None)
    if schema is None or _name(step) in SILENT_VIEWS:
        return tuple(_arguments(step))
    return tuple(
        root
        for number, argument in enumerate(schema.arguments)
        if argument.alias_info is not None
        for root in _roots(_given(step, number, argument.name))
    )


def _name(step: Step) -> str:
    name: str = step.call._schema.name.partition("::")[2]  # type: ignore[union-attr]
    return name


def _given(step: Step, number: int, name: str) -> Any:
    return step.arguments[number] if number < len(step.arguments) else step.named.get(name)


def _arguments(step: Step) -> Iterator[Root]:
    for one in (*step.arguments, *step.named.values()):
        yield from _roots(one)


def _roots(argument: Any) -> Iterator[Root]:
    if isinstance(argument, Value | Weight):
        yield argument
    elif isinstance(argument, list | tuple):
        for one in argument:
            yield from _roots(one)
