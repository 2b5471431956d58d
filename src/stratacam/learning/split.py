"""Subjects into training, validation and test: by subject, stratified by group, seeded."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, model_validator

from stratacam.errors import InputError
from stratacam.files import write_text

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


class SplitSettings(BaseModel, frozen=True, extra="forbid"):
    """How subjects are shared out: fractions that add up to 1."""

    train: float = Field(
        default=0.75, gt=0, lt=1, description="fraction of the subjects of each group to train on"
    )
    validation: float = Field(
        default=0.10, gt=0, lt=1, description="fraction that decides when to stop training"
    )
    test: float = Field(default=0.15, gt=0, lt=1, description="fraction held out, for the reported accuracy")

    @model_validator(mode="after")
    def _fractions_add_up(self) -> Self:
        total = self.train + self.validation + self.test
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise ValueError(f"train, validation and test add up to {total:g}; they must add up to 1")
        return self


@dataclass(frozen=True)
class Split:
    """The subjects of each part, sorted; no subject is in two parts."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        times = Counter(self.train + self.validation + self.test)
        twice = sorted(subject for subject, count in times.items() if count > 1)
        if twice:
            raise AssertionError(f"subjects on two sides of the split: {', '.join(twice)}")

    def part_of(self) -> dict[str, Part]:
        """Return the part of each subject."""
        return {subject: part for part in PARTS for subject in getattr(self, part)}


def split_subjects(
    labels: Mapping[str, str], settings: SplitSettings | None = None, *, seed: int = 0
) -> Split:
    """Share subjects out at random, group by group, so that every group is in every part.

    Args:
        labels: subject to group. All sessions of a subject follow it.
        settings: the fractions of the parts; 75, 10 and 15 per cent if not given.
        seed: same labels, settings and seed, same split, in whatever order the labels come.

    Raises:
        InputError: fewer than two groups, or a group with fewer than three subjects.

    Example:
        >>> split = split_subjects({f"sub-{i:02}": "AB"[i % 2] for i in range(20)}, seed=1)
        >>> len(split.train), len(split.validation), len(split.test)
        (15, 2, 3)
    """
    settings = settings or SplitSettings()
    groups = sorted(set(labels.values()))
    if len(groups) < 2:
        raise InputError(
            f"participants.tsv, group: found {len(groups)} group ({', '.join(groups) or 'none'}) among the "
            "usable subjects, expected at least 2. Remedy: add subjects of another group, or choose another "
            "column"
        )
    generator = np.random.default_rng(seed)
    fractions = np.array([getattr(settings, part) for part in PARTS])
    owed = np.zeros(len(PARTS))
    chosen: dict[Part, list[str]] = {part: [] for part in PARTS}
    for group in groups:
        subjects = sorted(subject for subject, label in labels.items() if label == group)
        if len(subjects) < len(PARTS):
            raise InputError(
                f'participants.tsv, group: "{group}" has {len(subjects)} usable subject'
                f"{'s' if len(subjects) > 1 else ''} ({', '.join(subjects)}), expected at least "
                f"{len(PARTS)}: one each to train, validate and test. Remedy: add subjects, merge the group "
                "with another, or leave it out"
            )
        shuffled = iter(generator.permutation(subjects).tolist())
        shares = fractions * len(subjects)
        counts = _apportion(shares, owed)
        owed += shares - counts
        for part, count in zip(PARTS, counts, strict=True):
            chosen[part] += [next(shuffled) for _ in range(count)]
    return Split(*(tuple(sorted(chosen[part])) for part in PARTS))


def write_split(file: Path, split: Split, labels: Mapping[str, str]) -> None:
    """Write the split as a table: subject, group, part."""
    part_of = split.part_of()
    rows = [f"{subject}\t{labels[subject]}\t{part_of[subject]}" for subject in sorted(part_of)]
    write_text(file, "\n".join(["subject\tgroup\tpart", *rows]) + "\n")


def _apportion(shares: npt.NDArray[np.float64], owed: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Round `shares` to whole subjects of the same sum, up where most is left over or `owed` by other groups.

    A part that would be empty takes one subject from the largest part.
    """
    counts = np.floor(shares + 1e-9).astype(np.int64)
    over = round(shares.sum()) - counts.sum()
    whole = shares - counts < 1e-9  # needs no rounding, whatever is owed
    counts[np.argsort(np.where(whole, np.inf, counts - shares - owed), kind="stable")[:over]] += 1
    for part in np.flatnonzero(counts == 0):
        counts[counts.argmax()] -= 1
        counts[part] = 1
    return counts
