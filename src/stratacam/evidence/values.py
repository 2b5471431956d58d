"""Measures as rows of one long table, and their means over subjects with intervals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.inference import mean_interval
from stratacam.evidence.inference.means import UNLIMITED, Limits, mean_known


class Value(NamedTuple):
    """One measure of one scan.

    Attributes:
        method: that made the map, such as "gradcam"; or what the map is held against, such as "edges".
        layer: whose map it is; "" where there is none.
        measure: such as "pointing".
        against: the other layer, what was randomised, or what was changed; "" where neither applies.
        value: mean over slices.
        slices: how many slices it is the mean of.
    """

    method: str
    layer: str
    measure: str
    against: str
    value: float
    slices: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What is measured."""
        return self[:4]


class Summary(NamedTuple):
    """A measure over subjects: mean and 95 % interval, see `mean_interval`; NaN where there is none."""

    method: str
    layer: str
    measure: str
    against: str
    value: float
    low: float
    high: float
    subjects: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What is measured."""
        return self[:4]


def mean_of(method: str, layer: str, measure: str, values: Iterable[float], against: str = "") -> list[Value]:
    """The mean over the slices where the measure is a number, as one row; no row where there are none."""
    numbers = [float(value) for value in values if not math.isnan(value)]
    return [Value(method, layer, measure, against, float(np.mean(numbers)), len(numbers))] if numbers else []


class SubjectTable(NamedTuple):
    """Values by subject.

    Attributes:
        keys: what is measured: method, layer, measure, against.
        subjects: sorted.
        values: (subjects, keys), NaN where there is none.
    """

    keys: tuple[tuple[str, str, str, str], ...]
    subjects: tuple[str, ...]
    values: NDArray[np.float64]

    def column(self, key: tuple[str, str, str, str]) -> NDArray[np.float64]:
        """The values of one measure, (subjects,); NaN where there is none."""
        if key not in self.keys:
            return np.full(len(self.subjects), np.nan)
        return np.asarray(self.values[:, self.keys.index(key)])


def by_subject(scans: Mapping[str, Sequence[Value]], subject_of: Mapping[str, str]) -> SubjectTable:
    """Values of scans as values of subjects: the mean over a subject's scans, of those that are finite."""
    keys = tuple(dict.fromkeys(value.key for values in scans.values() for value in values))
    subjects = tuple(sorted({subject_of[scan] for scan in scans}))
    found: dict[tuple[str, tuple[str, str, str, str]], list[float]] = {}
    for scan, values in scans.items():
        for value in values:
            found.setdefault((subject_of[scan], value.key), []).append(value.value)
    table = np.full((len(subjects), len(keys)), np.nan)
    position = {key: column for column, key in enumerate(keys)}
    for (subject, key), numbers in found.items():
        table[subjects.index(subject), position[key]] = mean_known(np.array(numbers))
    return SubjectTable(keys, subjects, table)


def limits_of(limits: Limits | None, against: str) -> Limits:
    """The limits of a measure's rows: those of the measure, or of a difference ("above ...")."""
    least, most = limits or UNLIMITED
    return (least - most, most - least) if "above" in against else (least, most)


def summarise(table: SubjectTable, limits: Mapping[str, Limits] | None = None) -> list[Summary]:
    """Mean over subjects of every measure, with its interval.

    Args:
        table: of subjects.
        limits: by measure, the lowest and highest value that it can have, see `mean_interval`; those of a difference
            ("above ...") follow.
    """
    found = []
    for key, values in zip(table.keys, table.values.T, strict=True):
        interval = mean_interval(values, limits_of((limits or {}).get(key[2]), key[3]))
        found.append(Summary(*key, float(mean_known(values)), *interval, int(np.isfinite(values).sum())))
    return found
