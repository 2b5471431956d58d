"""Times of contestants that take turns in one process."""

import gc
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """What is timed in each round, up to round `rounds`."""

    run: Callable[[], object]
    rounds: int


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def take_turns(turns: Mapping[str, Turn]) -> dict[str, list[float]]:
    """Seconds of every call, by name: one call each per round, so that a busy machine slows everybody."""
    times: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(max(turn.rounds for turn in turns.values())):
        for name, turn in turns.items():
            if number < turn.rounds:
                times[name].append(seconds(turn.run))
                print(f"round {number + 1}, {name}: {times[name][-1]:.3f} s", file=sys.stderr)
    return times
