"""People held out, with the levels of the others that decide when to stop training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.learning import SliceDataset
from stratacam.learning.split.parts import Rows
from stratacam.study.truth_benchmark.planting import person_of

VALIDATION = 5
"""Every so many levels of a training scan decide when to stop."""

FIRST_LEVEL = 3
"""The first of these; a scan with fewer has none."""


@dataclass(frozen=True)
class PeopleHeldOut:
    """A split of planted slices, of which every person has some of both classes.

    Attributes:
        people: who is held out.
    """

    people: tuple[str, ...]
    unit: ClassVar[str] = "slice"

    def rows(self, dataset: SliceDataset) -> Rows:
        """Return the slices of each part.

        Raises:
            InputError: none is left to decide when to stop training.
        """
        whose = np.array([person_of(subject) for subject in dataset.subjects])
        tested = np.isin(whose[dataset.subject], self.people)
        stopping = _levels_to_stop_by(dataset) & ~tested
        if not stopping.any():
            raise InputError(
                f"too few slices to decide when to stop training: {len(dataset)} planted ones in all, and beside "
                f"{', '.join(self.people)} no scan has them at {FIRST_LEVEL} levels; lower --every."
            )
        return {
            "train": np.flatnonzero(~tested & ~stopping),
            "validation": np.flatnonzero(stopping),
            "test": np.flatnonzero(tested),
        }


def make_folds(people: Sequence[str], count: int) -> list[PeopleHeldOut]:
    """Hold everybody out once."""
    return [PeopleHeldOut(tuple(people[start::count])) for start in range(count)]


def _levels_to_stop_by(dataset: SliceDataset) -> NDArray[np.bool_]:
    """(n,), whether a slice is at one of the levels of its scan that decide when to stop."""
    stopping = np.zeros(len(dataset), dtype=bool)
    for scan in range(len(dataset.scans)):
        rows = np.flatnonzero(dataset.scan == scan)
        levels = np.unique(dataset.slice_index[rows])
        stopping[rows] = np.isin(dataset.slice_index[rows], levels[FIRST_LEVEL - 1 :: VALIDATION])
    return stopping
