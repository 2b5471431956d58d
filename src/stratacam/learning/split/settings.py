"""The settings of the split."""

import math
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

FOLDS = 5


class SplitSettings(BaseModel, frozen=True, extra="forbid"):
    """How slices are shared out: folds of subjects, one split by fractions, a table, or slices at random."""

    unit: Literal["subject", "slice"] = Field(
        default="subject",
        description='what is held out: whole subjects; or "slice" for slices at random, for comparison only, as the '
        "accuracy is then inflated",
    )
    folds: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="number of folds, every subject held out once; 1: one split by the fractions; absent: "
        f"{FOLDS}, fewer if a group is smaller, and 1 if a fraction is given or slices are split",
    )
    train: float = Field(
        default=0.75, gt=0, lt=1, description="fraction of the subjects of each group that is trained on"
    )
    validation: float = Field(
        default=0.10,
        gt=0,
        lt=1,
        description="fraction that decides when training stops; with folds, its ratio to `train` counts",
    )
    test: float = Field(default=0.15, gt=0, lt=1, description="fraction that is held out and evaluated")
    repeats: Literal["new", "same"] = Field(
        default="new",
        description='"new": every seed draws a split of its own; "same": all seeds share that of the first, so that '
        "all of them have held out the same subjects",
    )
    group_by: str | None = Field(
        default=None,
        description="column of participants.tsv or the table, such as family or site; subjects with the same value "
        "stay together",
    )
    table: Path | None = Field(
        default=None,
        description="table (.tsv, .csv) of the split, with the columns `subject` and `part` (train, validation, "
        "test), or `subject` and `fold` (number of the fold in which the subject is held out)",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        total = self.train + self.validation + self.test
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise ValueError(f"train, validation and test add up to {total:g}; they must add up to 1")
        if self.unit == "slice" and (self.folds or 1) > 1:
            raise ValueError('unit = "slice" knows no folds; leave folds out, or split by subject')
        if self.unit == "slice" and (self.group_by or self.table):
            raise ValueError('unit = "slice" does not keep subjects together; leave group_by and table out')
        if self.table and (self.group_by or self.folds):
            raise ValueError("the table says who is held out with whom; leave group_by and folds out")
        return self

    @property
    def maximum_folds(self) -> int:
        """Folds that are wanted; the smallest group may allow fewer."""
        if self.folds is not None:
            return self.folds
        one = self.unit == "slice" or {"train", "validation", "test"} & self.model_fields_set
        return 1 if one else FOLDS

    def seed_for(self, seed: int, first: int) -> int:
        """The seed that draws the split of a training with `seed`, where `first` is that of the first training."""
        return first if self.repeats == "same" else seed

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Of training, validation and test."""
        return self.train, self.validation, self.test
