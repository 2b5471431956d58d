"""Batches read from disk while a graphics card computes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Part = TypeVar("Part")
Read = TypeVar("Read")

AHEAD = 2
"""Batches that are read before they are needed."""


def read_ahead(
    read: Callable[[Part], Read], parts: Iterable[Part], device: torch.device | str
) -> Iterator[Read]:
    """Read part after part, in order: in a thread, `AHEAD` of what is computed, for a graphics card; else when needed.

    On a CPU the thread would only take the cores that compute.

    Example:
        >>> list(read_ahead(str, [1, 2, 3], "cpu"))
        ['1', '2', '3']
    """
    if torch.device(device).type != "cuda":
        yield from map(read, parts)
        return
    waiting: deque[Part] = deque(parts)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        started = deque(reader.submit(read, waiting.popleft()) for _ in range(min(AHEAD, len(waiting))))
        try:
            while started:
                found = started.popleft().result()
                if waiting:
                    started.append(reader.submit(read, waiting.popleft()))
                yield found
        finally:
            for one in started:
                one.cancel()


def to_device(
    values: torch.Tensor, device: torch.device | str, *, channels_last: bool = True
) -> torch.Tensor:
    """Values on a device, of which a card is not waited for; pictures (B, C, H, W) with their channels last."""
    if channels_last and values.ndim == 4:
        values = values.contiguous(memory_format=torch.channels_last)
    if torch.device(device).type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
