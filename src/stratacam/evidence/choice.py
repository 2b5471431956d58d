"""The most faithful of several maps, with numbers from people who did not choose it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.counterfactual.agreement import REGION_AGREEMENT
from stratacam.evidence.draws import generator
from stratacam.evidence.faithfulness.curves import ABOVE, ROAD
from stratacam.evidence.focus import INSIDE_OF_CEILING
from stratacam.evidence.inference import MINIMUM_SUBJECTS, mean_interval
from stratacam.evidence.localisation import AVERAGE_PRECISION, POINTING
from stratacam.evidence.values import SubjectTable, limits_of

Floats = NDArray[np.float64]

NUMBERS = (
    (ROAD, ABOVE),
    (AVERAGE_PRECISION, ""),
    (POINTING, ""),
    (INSIDE_OF_CEILING, ""),
    (REGION_AGREEMENT, ""),
)
"""What is told of the map that was chosen; the first chooses it."""


@dataclass(frozen=True)
class CrossFitted:
    """A measure of the map that is most faithful on one half of the subjects, on the other half.

    Attributes:
        measure: its name.
        against: of its rows.
        value: mean over subjects, each of the map that the half without it chose.
        low: of the 95 % interval of that mean, see `mean_interval`; NaN below `MINIMUM_SUBJECTS`, of which intervals
            corrected for skewness are often far too wide.
        high: of the same.
        subjects: how many have a value.
    """

    measure: str
    against: str
    value: float
    low: float
    high: float
    subjects: int


class MostFaithful(NamedTuple):
    """The most faithful of several maps.

    Attributes:
        place: of the map that is most above its control by ROAD, on average over all subjects.
        of_halves: of those that either half of the subjects chose; None where it had none to choose among.
        numbers: of these, each on the other half.
    """

    place: int
    of_halves: tuple[int | None, int | None]
    numbers: tuple[CrossFitted, ...]


def most_faithful(
    table: SubjectTable,
    maps: Sequence[tuple[str, str]],
    half: NDArray[np.bool_],
    *,
    passed: Sequence[int] | None = None,
    candidates: tuple[Sequence[int], Sequence[int]] | None = None,
) -> MostFaithful:
    """The most faithful of maps, and the numbers of those that either half of the subjects chose on the other.

    Args:
        table: of all subjects.
        maps: method and layer of each.
        half: (subjects,).
        passed: places of the maps, one or more, that all subjects choose among; absent: all.
        candidates: places of the maps that the half, and the other, choose among; absent: all. A half without any
            chooses nothing, and there are no numbers of the other.
    """
    numbers = {
        key: np.stack([table.column((*one, key[0].name, key[1])) for one in maps], axis=1) for key in NUMBERS
    }

    def best(subjects: NDArray[np.bool_], among: Sequence[int]) -> int | None:
        road = numbers[NUMBERS[0]][subjects]
        return max(among, key=lambda place: _mean(road[:, place]), default=None)

    every = range(len(maps))
    among = candidates or (every, every)
    chosen = best(half, among[0]), best(~half, among[1])
    found = []
    for (measure, against), values in numbers.items():
        fitted = np.full(len(half), np.nan)
        for place, others in zip(chosen, (~half, half), strict=True):
            if place is not None:
                fitted[others] = values[others, place]
        known = int(np.isfinite(fitted).sum())
        if known:
            enough = known >= MINIMUM_SUBJECTS
            interval = (
                mean_interval(fitted, limits_of(measure.limits, against)) if enough else (np.nan, np.nan)
            )
            found.append(CrossFitted(measure.name, against, _mean(fitted), *interval, known))
    place = max(passed or every, key=lambda one: _mean(numbers[NUMBERS[0]][:, one]))
    return MostFaithful(place, chosen, tuple(found))


def halves(subjects: int, *, seed: int) -> NDArray[np.bool_]:
    """(subjects,), whether a subject is in the first half, at random."""
    half = np.array([subject % 2 == 0 for subject in range(subjects)], dtype=bool)
    generator(seed, "halves").shuffle(half)
    return half


def _mean(values: Floats) -> float:
    """The mean of the values that are finite; minus infinity where there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else -np.inf
