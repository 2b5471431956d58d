"""Splits: which subjects, or slices, are in which part."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from stratacam.learning.dataset import SliceDataset

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")

Rows = dict[Part, npt.NDArray[np.int64]]
"""The slices of each part, ascending, by their number in the dataset."""

SLICES_OF_ONE_PERSON = "slices of one person in training and test: accuracy is inflated"
"""What is written beside everything that a split by slice gives."""


@dataclass(frozen=True)
class Split:
    """The subjects of each part, sorted; no subject is in two parts."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    unit: ClassVar[str] = "subject"

    def __post_init__(self) -> None:
        times = Counter(self.train + self.validation + self.test)
        twice = sorted(subject for subject, count in times.items() if count > 1)
        if twice:
            raise AssertionError(f"subjects on two sides of the split: {', '.join(twice)}")

    def part_of(self) -> dict[str, Part]:
        """Return the part of each subject."""
        return {subject: part for part in PARTS for subject in getattr(self, part)}

    def rows(self, dataset: SliceDataset) -> Rows:
        """Return the slices of each part.

        Raises:
            KeyError: a subject of the dataset is in no part.
        """
        part_of = self.part_of()
        part = np.array([PARTS.index(part_of[subject]) for subject in dataset.subjects])[dataset.subject]
        return {name: np.flatnonzero(part == number) for number, name in enumerate(PARTS)}


@dataclass(frozen=True)
class SliceSplit:
    """Slices shared out at random, whosever they are: for comparison only, see `SLICES_OF_ONE_PERSON`.

    Attributes:
        fractions: of training, validation and test.
        seed: same dataset and seed, same parts.
    """

    fractions: tuple[float, float, float]
    seed: int
    unit: ClassVar[str] = "slice"

    def rows(self, dataset: SliceDataset) -> Rows:
        """Return the slices of each part. Pictures of one slice (its sequences) stay together."""
        slices = np.stack([dataset.scan, dataset.slice_index], axis=1)
        kinds, which = np.unique(slices, axis=0, return_inverse=True)
        place = np.random.default_rng(self.seed).permutation(len(kinds))[which.reshape(-1)]
        ends = np.rint(np.cumsum(self.fractions)[:-1] * len(kinds))
        part = np.searchsorted(ends, place, side="right")
        return {name: np.flatnonzero(part == number) for number, name in enumerate(PARTS)}


class AnySplit(Protocol):
    """Slices shared out; `unit` is "subject" where no subject is in two parts, else "slice"."""

    unit: ClassVar[str]

    def rows(self, dataset: SliceDataset) -> Rows:
        """Return the slices of each part."""
