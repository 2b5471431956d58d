"""What the scores of maps on planted lesions say, in words: class by class, and never from too few people."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.inference import MINIMUM_SUBJECTS, mean_interval, simultaneous
from stratacam.evidence.localisation import AVERAGE_PRECISION
from stratacam.evidence.planting.score import ABOVE_DECOYS, RANDOM
from stratacam.evidence.references import CEILING, EDGES, INTENSITY
from stratacam.evidence.values import SubjectTable

MINIMUM_ACCURACY = 0.6
"""Of a network whose maps say something; two classes."""

NAMED = 5
"""Maps that a sentence names at most."""

PEOPLE, LEVELS = "people", "levels of slices"
"""Over what intervals are."""

MINIMUM_PEOPLE = 3
"""From which on intervals are over people."""


class BestMap(NamedTuple):
    """The best map of one class, chosen on one half of the units and scored on the other, both ways.

    Attributes:
        names: method and layer of the map that each half chose.
        value: mean over units, each scored by the map that the other half chose.
        low: of the 95 % interval of the mean.
        high: of it.
    """

    names: tuple[tuple[str, str], ...]
    value: float
    low: float
    high: float


def best_map(table: SubjectTable) -> BestMap | None:
    """The best map by average precision on targets less that on decoys; None for fewer than two units of scores."""
    columns = _maps(table)
    values = table.values[:, columns]
    values = values[~np.isnan(values).all(axis=1)] if columns else values
    if len(values) < 2:
        return None
    names: list[tuple[str, str]] = []
    scored = np.full(len(values), np.nan)
    for half in (0, 1):
        chosen = int(np.nanargmax(np.nanmean(values[half::2], axis=0)))
        names.append(table.keys[columns[chosen]][:2])
        scored[1 - half :: 2] = values[1 - half :: 2, chosen]
    return BestMap(tuple(dict.fromkeys(names)), float(np.nanmean(scored)), *mean_interval(scored))


def has_learnt(accuracy: NDArray[np.float64]) -> bool:
    """Whether held-out slices are recognised: the mean is `MINIMUM_ACCURACY`, and its interval lies above a half.

    Args:
        accuracy: (units,), share of the slices of each person, or level, that are classified right.
    """
    low, _ = mean_interval(accuracy)
    return bool(accuracy.mean() >= MINIMUM_ACCURACY and low > 0.5)


def verdict(tables: Mapping[str, SubjectTable], accuracy: NDArray[np.float64], units: str) -> str:
    """Sentences on whether maps find what tells the classes apart, and not only what is bright.

    Args:
        tables: scores of units by class.
        accuracy: (units,), share of the held-out slices of each unit that are classified right; chance is a half.
        units: `PEOPLE` or `LEVELS`.
    """
    over = f"over {len(accuracy)} {units}"
    right = (
        f"The network is right on {accuracy.mean():.0%} of the held-out slices ({_interval(accuracy)} {over})"
    )
    if not has_learnt(accuracy):
        return (
            f"{right}, chance being 50%: it was not shown to have learnt what tells the classes apart. "
            "What its maps show: cannot say."
        )
    return " ".join(
        [
            f"{right}.",
            *(_of_class(name, table, units) for name, table in tables.items()),
            _above(tables, units),
        ]
    )


def _of_class(name: str, table: SubjectTable, units: str) -> str:
    """The best map of a class, and what maps without a network score."""
    best = best_map(table)
    if best is None:
        return f"{name}: cannot say (fewer than two {units} with slices that are classified right)."
    score = {key[0]: value for key, value in zip(table.keys, _means(table), strict=True) if _is_score(key)}
    names = " or ".join(f"{method} at {layer}" for method, layer in best.names)
    return (
        f"{name}: the best map, chosen on one half of the {units} and scored on the other, is {names}, average "
        f"precision on targets less that on decoys {best.value:.2f} ({best.low:.2f} to {best.high:.2f}); edges "
        f"{score[EDGES]:.2f}, the picture itself {score[INTENSITY]:.2f}, random maps {score[RANDOM]:.2f}."
    )


def _above(tables: Mapping[str, SubjectTable], units: str) -> str:
    """Which maps show targets more than decoys, with one error rate for all maps of both classes."""
    question = "Which maps show targets more than decoys"
    people = max(len(table.subjects) for table in tables.values())
    if units != PEOPLE or people < MINIMUM_SUBJECTS:
        found = f"{people} people" if units == PEOPLE else f"fewer than {MINIMUM_PEOPLE} people"
        return (
            f"{question} in other people: cannot say ({found}; {MINIMUM_SUBJECTS} are needed). The figures describe "
            "these people."
        )
    subjects = sorted({subject for table in tables.values() for subject in table.subjects})
    names, columns = [], []
    for name, table in tables.items():
        for column in _maps(table):
            values = dict(zip(table.subjects, table.values[:, column], strict=True))
            names.append(f"{table.keys[column][0]} at {table.keys[column][1]} ({name})")
            columns.append([values.get(subject, math.nan) for subject in subjects])
    bounds = simultaneous(np.array(columns).T)
    shown = [int(one) for one in np.argsort(-bounds.mean) if bounds.low[one] > 0]
    if not shown:
        return f"{question}: none was shown to."
    rest = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return (
        f"{question} (lower bounds above 0, one error rate of 5 % for all maps and classes): "
        f"{', '.join(names[one] for one in shown[:NAMED])}{rest}."
    )


def _is_score(key: Sequence[str]) -> bool:
    """Whether a row is average precision on targets less that on decoys."""
    return tuple(key[2:]) == (AVERAGE_PRECISION.name, ABOVE_DECOYS)


def _maps(table: SubjectTable) -> list[int]:
    """Columns of the scores of a network's maps."""
    return [
        column for column, key in enumerate(table.keys) if _is_score(key) and key[1] and key[0] != CEILING
    ]


def _means(table: SubjectTable) -> NDArray[np.float64]:
    return np.asarray(np.nanmean(table.values, axis=0))


def _interval(accuracy: NDArray[np.float64]) -> str:
    low, high = mean_interval(accuracy)
    return f"{max(low, 0):.0%} to {min(high, 1):.0%}"
