"""What may be a confound: a number, a word or many features of every subject, with those that are missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from stratacam.learning.evaluation.intervals import Floats

Kind = Literal["scanner", "person", "surroundings"]

SHARES: dict[Kind, float] = {"scanner": 0.6, "person": 0.2, "surroundings": 0.2}
"""Of the error rate, by kind. Site and scanner are the usual confound, so they have most of it."""

Form = Literal["number", "word", "features"]


@dataclass(frozen=True)
class Variable:
    """One possible confound of n subjects.

    Attributes:
        name: in words, such as "age".
        kind: whose share of the error rate it has, see `SHARES`.
        form: "number", "word" or "features".
        known: (n,) whether a subject has a value.
        columns: (known, d) of the subjects that have one: ranks of numbers, a column for each word, or features.
        values: the number or word of every subject, for descriptions; empty for features.
        unit: of a number, for descriptions.
    """

    name: str
    kind: Kind
    form: Form
    known: npt.NDArray[np.bool_]
    columns: Floats
    values: tuple[float | str | None, ...] = field(default=())
    unit: str = ""

    @property
    def measure(self) -> str:
        """What its association with groups is called."""
        return {
            "number": "correlation ratio of the ranks",
            "word": "Cramér's V",
            "features": "cross-validated correlation",
        }[self.form]

    @property
    def constant(self) -> bool:
        """Whether all subjects with a value have the same."""
        return bool(len(self.columns) < 2 or np.ptp(self.columns, axis=0).max(initial=0) == 0)

    @property
    def nearly_unique(self) -> bool:
        """Whether it is a word that hardly two subjects share, which cannot be held against groups."""
        return self.form == "word" and 2 * self.columns.shape[1] > len(self.columns) + 1


def numbers(name: str, kind: Kind, values: Sequence[float | None], *, unit: str = "") -> Variable:
    """A number of every subject, None or NaN where it is missing; only its rank counts."""
    given = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    known = np.isfinite(given)
    ranks = stats.rankdata(given[known])[:, None] if known.any() else np.empty((0, 1))
    return Variable(
        name, kind, "number", np.asarray(known), np.asarray(ranks, dtype=np.float64), tuple(values), unit
    )


def words(name: str, kind: Kind, values: Sequence[str | None]) -> Variable:
    """A word of every subject, None where it is missing; numbers that are codes are words too.

    Example:
        >>> words("site", "scanner", ["A", "B", None, "A"]).columns.tolist()
        [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    known = np.array([value is not None for value in values], dtype=bool)
    given = [value for value in values if value is not None]
    kinds = sorted(set(given))
    columns = np.array([[float(value == one) for one in kinds] for value in given]).reshape(
        len(given), len(kinds)
    )
    return Variable(name, kind, "word", known, columns, tuple(values))


def features(name: str, kind: Kind, values: npt.ArrayLike) -> Variable:
    """Many features of every subject, (n, d), NaN where one is missing.

    A subject without any feature is missing; single missing features become the mean of the others. Features are
    standardised, which asks for no group and so favours none.
    """
    given = np.asarray(values, dtype=np.float64)
    known = np.asarray(np.isfinite(given).any(axis=1))
    rows = given[known][:, np.isfinite(given[known]).any(axis=0)]
    rows = np.where(np.isfinite(rows), rows, np.nanmean(rows, axis=0)) if rows.size else rows
    spread = rows.std(axis=0) if len(rows) else np.zeros(rows.shape[1])
    varied = spread > 1e-9 * np.abs(rows).max(axis=0, initial=1e-300)
    standardised = (rows[:, varied] - rows[:, varied].mean(axis=0)) / spread[varied] if len(rows) else rows
    return Variable(name, kind, "features", np.asarray(known), standardised)
