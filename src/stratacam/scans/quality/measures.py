"""The numbers of a prepared scan that are compared over a cohort, read from its record."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAXIMUM_ROBUST_SD = 3.5
MINIMUM_SCANS = 8  # values: of fewer, none is called an outlier
MAD_TO_SD = 1.4826
MEAN_DEVIATION_TO_SD = 1.2533
DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Measure:
    """What a column of the index and a plot of it show."""

    sequence: str  # "" for a measure of the whole scan
    title: str
    unit: str
    digits: int

    @property
    def label(self) -> str:
        """Such as "FLAIR moved, mm"."""
        name = f"{self.sequence} {self.title}" if self.sequence else self.title[:1].upper() + self.title[1:]
        return f"{name}, {self.unit}" if self.unit else name


def read_measures(record: Mapping[str, Any]) -> dict[Measure, float | None]:
    """Return the measures of a record, in the order shown; None for missing ones."""
    found: dict[Measure, float | None] = {
        Measure("", "brain volume", "ml", 0): number(record.get("BrainVolume")),
        Measure("", "kept slices", "", 0): number(record.get("KeptSlices")),
        Measure("", "template fit", "", 3): number(part(record, "Template").get("Dice")),
    }
    biases = part(record, "BiasRange")
    registrations = part(record, "Registration")
    for sequence in dict.fromkeys((*biases, *registrations)):
        if sequence in registrations:
            one = part(registrations, sequence)
            found[Measure(sequence, "moved", "mm", 1)] = number(one.get("Translation"))
            found[Measure(sequence, "turned", "°", 1)] = number(one.get("Rotation"))
            found[Measure(sequence, "mutual information", "", 3)] = information(one.get("MetricAfter"))
            found[Measure(sequence, "shared", "nats", 2)] = number(one.get("SharedAfter"))
        if sequence in biases:
            found[Measure(sequence, "bias", "%", 1)] = per_cent(biases[sequence])
    return found


def as_text(value: float | None, digits: int, unit: str = "") -> str:
    """Return a number as text, or a dash for None."""
    if value is None:
        return DASH
    return f"{value:.{digits}f}" + (f" {unit}" if unit and unit != "°" else unit)


def number(value: object) -> float | None:
    """Return `value` as a finite number, None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def information(metric: object) -> float | None:
    """Return mutual information (more is better) from the metric of the registration, which is its negative."""
    value = number(metric)
    return None if value is None else 0.0 - value


def per_cent(log_deviation: object) -> float | None:
    """Return a standard deviation of a log field as per cent of the field."""
    value = number(log_deviation)
    return None if value is None else 100 * math.expm1(value)


def part(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the table at `key` of a record, an empty one if it is not there."""
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}


def flags_of(record: Mapping[str, Any]) -> list[str] | None:
    """Return the flags of a record; None if it does not say whether there are any."""
    flags = record.get("Flags")
    return [str(flag) for flag in flags] if isinstance(flags, list) else None


def outliers(values: ArrayLike) -> NDArray[np.bool_]:
    """Say which values lie more than 3.5 robust standard deviations from the median.

    B. Iglewicz and D. C. Hoaglin, "How to detect and handle outliers" (1993): the robust standard deviation is
    1.4826 times the median absolute deviation from the median, or 1.2533 times the mean absolute deviation where
    more than half of the values are equal.

    Args:
        values: (N,), NaN where there is none.

    Returns:
        (N,) Boolean; False for NaN, and False for all if there are fewer than 8 values.

    Example:
        >>> import numpy as np
        >>> np.flatnonzero(outliers([1200, 1310, 1250, 1420, 1180, 1290, 640, 1330, 1260]))
        array([6])
    """
    array = np.asarray(values, dtype=np.float64)
    seen = np.isfinite(array)
    if seen.sum() < MINIMUM_SCANS:
        return np.zeros(len(array), dtype=bool)
    away = np.abs(array - np.median(array[seen]))
    spread = MAD_TO_SD * np.median(away[seen]) or MEAN_DEVIATION_TO_SD * away[seen].mean()
    return np.asarray(seen & (np.nan_to_num(away) > MAXIMUM_ROBUST_SD * spread), dtype=bool)
