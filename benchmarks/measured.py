"""Everything that is measured of one network."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks import arithmetic, models
from benchmarks.agreement import largest_difference, our_raw_maps
from benchmarks.contestants import (
    BARE,
    FLOOR,
    FLOOR_OF_THREE,
    HELD,
    OURS,
    OURS_OF_LAST,
    OURS_OF_THREE,
    Contestant,
)
from benchmarks.memory import Peak, kept_by_floor, peak
from benchmarks.timing import Turn, seconds, take_turns

PRODUCT = f"matrix product, {arithmetic.SIDE} x {arithmetic.SIDE}, float32"


@dataclass(frozen=True)
class Measured:
    """Everything that was measured of one network, raw.

    Attributes:
        times: seconds of every call, by contestant.
        trials: seconds of one call in each memory format, of those that may choose.
        formats: memory format in which each contestant ran.
        differences: largest difference of a peer's map from ours, relative to its maximum.
        peaks: memory, by contestant.
        kept: bytes that the floor keeps, by what they are.
        operations: additions and multiplications of the floor.
    """

    times: dict[str, list[float]]
    trials: dict[str, dict[str, float]]
    formats: dict[str, str]
    differences: dict[str, float]
    peaks: dict[str, Peak]
    kept: dict[str, int]
    operations: int


def measure(architecture: str, others: Sequence[Contestant], chosen: argparse.Namespace) -> Measured:
    """Let every contestant explain the same batch with `architecture`."""
    everybody = (BARE, FLOOR, FLOOR_OF_THREE, OURS, OURS_OF_LAST, OURS_OF_THREE, *others)
    layers = models.layers(architecture)
    images = {name: models.images(chosen.batch, chosen.size, name) for name in models.FORMATS}

    def run(contestant: Contestant, memory_format: str, asked: Sequence[str]) -> object:
        model = models.handed_over(architecture, memory_format, frozen=contestant.frozen)
        return contestant.run(model, images[memory_format], asked)

    def trial(contestant: Contestant) -> dict[str, float]:
        asked = layers[:1] if contestant.pass_per_layer else layers
        return {name: seconds(partial(run, contestant, name, asked)) for name in models.FORMATS}

    run(FLOOR, "channels_last", layers)  # both warm up the kernels of their format
    run(OURS, "contiguous", layers)
    trials = {one.name: trial(one) for one in everybody if one.memory_format is None}
    formats = {one.name: one.memory_format for one in everybody if one.memory_format}
    formats |= {name: min(times, key=times.__getitem__) for name, times in trials.items()}
    gave: dict[str, Any] = {}

    def turn(contestant: Contestant) -> Turn:
        def explain() -> None:
            maps = run(contestant, formats[contestant.name], layers)
            if contestant.form:
                gave[contestant.name] = maps

        return Turn(explain, chosen.slow_rounds if contestant.pass_per_layer else chosen.rounds)

    turns = {one.name: turn(one) for one in everybody}
    product = arithmetic.matrix_product()
    product()
    times = take_turns({**turns, PRODUCT: Turn(product, chosen.rounds)})
    raw = our_raw_maps(models.network(architecture), images["contiguous"], layers)
    frozen = models.handed_over(architecture, "channels_last", frozen=True)
    return Measured(
        times=times,
        trials=trials,
        formats=formats,
        differences={
            one.name: largest_difference(one, gave[one.name], raw, images["contiguous"].shape[2:])
            for one in others
        },
        peaks={
            one.name: peak(
                one.name,
                architecture=architecture,
                batch=chosen.batch,
                size=chosen.size,
                memory_format=formats.get(one.name, "channels_last"),
                threads=chosen.threads,
            )
            for one in (FLOOR, HELD, OURS, *others)
        },
        kept=kept_by_floor(architecture, chosen.batch, chosen.size),
        operations=arithmetic.floor_operations(frozen, images["channels_last"], layers),
    )
