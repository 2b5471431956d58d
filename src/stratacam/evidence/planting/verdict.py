"""What the scores of maps on planted lesions say, in words: which map was picked, and what each class shows."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.inference import MINIMUM_SUBJECTS, mean_interval, simultaneous
from stratacam.evidence.localisation import AVERAGE_PRECISION, POINTING
from stratacam.evidence.planting.pick import TablesOfClass, candidates_of, pick
from stratacam.evidence.planting.score import ABOVE_DECOYS, CONSENSUS, DECOYS, NONE, RANDOM, SINGLE
from stratacam.evidence.references import EDGES, INTENSITY
from stratacam.evidence.values import SubjectTable

MINIMUM_ACCURACY = 0.6
"""Of a network whose maps say something; two classes."""

NAMED = 5
"""Maps that a sentence names at most."""

PEOPLE, LEVELS = "people", "levels of slices"
"""Over what intervals are."""

MINIMUM_PEOPLE = 3
"""From which on intervals are over people."""


def has_learnt(accuracy: NDArray[np.float64]) -> bool:
    """Whether held-out slices are recognised: the mean is `MINIMUM_ACCURACY`, and its interval lies above a half.

    Args:
        accuracy: (units,), share of the slices of each person, or level, that are classified right.
    """
    low, _ = mean_interval(accuracy)
    return bool(accuracy.mean() >= MINIMUM_ACCURACY and low > 0.5)


def verdict(
    tables: Mapping[str, TablesOfClass],
    accuracy: Mapping[str, NDArray[np.float64]],
    units: str,
    *,
    networks: int = 1,
) -> str:
    """Sentences on whether maps find what tells the classes apart, and not only what is bright.

    Args:
        tables: scores of units by class; of the classes that have targets.
        accuracy: by whose it is, (units,), share of the held-out slices of each unit that are classified right; chance
            is a half.
        units: `PEOPLE` or `LEVELS`.
        networks: how many are in the consensus.
    """
    judged = accuracy.get(CONSENSUS, accuracy[SINGLE])
    over = f"over {len(judged)} {units}"
    who = f"The consensus of {networks} networks" if CONSENSUS in accuracy else "The network"
    right = f"{who} is right on {judged.mean():.0%} of the held-out slices ({_interval(judged)} {over})"
    if CONSENSUS in accuracy:
        right += f", the first alone on {accuracy[SINGLE].mean():.0%}"
    if not has_learnt(judged):
        return (
            f"{right}, chance being 50%: it was not shown to have learnt what tells the classes apart. "
            "What its maps show: cannot say."
        )
    return " ".join(
        [
            f"{right}.",
            _picked(tables, units),
            *(_of_class(name, table, units, alone=len(tables) == 1) for name, table in tables.items()),
            _above(tables, units),
        ]
    )


def _picked(tables: Mapping[str, TablesOfClass], units: str) -> str:
    """The map that was picked, and how it scores where it was not."""
    best = pick(tables)
    if best is None:
        return (
            f"Which map to read: cannot say (fewer than two {units} with slices that are classified right)."
        )

    def said(measure: str, against: str, *, share: bool = False) -> str:
        one = best.score(measure, against)
        kind = ".0%" if share else ".2f"
        return f"{one.value:{kind}} ({one.low:{kind}} to {one.high:{kind}})"

    precision, pointing = AVERAGE_PRECISION.name, POINTING.name
    over = f", as a mean over the classes {' and '.join(best.classes)}" if len(best.classes) > 1 else ""
    return (
        f"The map picked on one half of the {units} and scored on the other{over}: {best.names}. Average precision on "
        f"targets {said(precision, '')}, on decoys {said(precision, DECOYS)}, difference "
        f"{said(precision, ABOVE_DECOYS)}; its maximum lies on a target in {said(pointing, '', share=True)} of the "
        f"slices, on a decoy in {said(pointing, DECOYS, share=True)}."
    )


def _of_class(name: str, of_class: TablesOfClass, units: str, *, alone: bool) -> str:
    """The best map of a class, unless it is the only one, and what maps without a network score."""
    best = pick({name: of_class})
    if best is None:
        return f"{name}: cannot say (fewer than two {units} with slices that are classified right)."
    table = of_class[NONE]
    score = {key[0]: value for key, value in zip(table.keys, _means(table), strict=True) if _is_score(key)}
    references = f"edges {score[EDGES]:.2f}, the picture itself {score[INTENSITY]:.2f}, random maps {score[RANDOM]:.2f}"
    if alone:
        return f"Maps without a network, targets less decoys: {references}."
    found = best.score(AVERAGE_PRECISION.name, ABOVE_DECOYS)
    return (
        f"{name}: the best map, chosen on one half of the {units} and scored on the other, is {best.names}, average "
        f"precision on targets less that on decoys {found.value:.2f} ({found.low:.2f} to {found.high:.2f}); "
        f"{references}."
    )


def _above(tables: Mapping[str, TablesOfClass], units: str) -> str:
    """Which maps show targets more than decoys, with one error rate for all maps of all classes."""
    question = "Which maps show targets more than decoys"
    subjects = sorted(
        {subject for of_class in tables.values() for table in of_class.values() for subject in table.subjects}
    )
    if units != PEOPLE or len(subjects) < MINIMUM_SUBJECTS:
        found = f"{len(subjects)} people" if units == PEOPLE else f"fewer than {MINIMUM_PEOPLE} people"
        return (
            f"{question} in other people: cannot say ({found}; {MINIMUM_SUBJECTS} are needed). The figures describe "
            "these people."
        )
    names, columns = [], []
    for name, of_class in tables.items():
        for candidate in candidates_of(of_class):
            table = of_class[candidate.networks]
            scores = table.column((*candidate[1:], AVERAGE_PRECISION.name, ABOVE_DECOYS))
            values = dict(zip(table.subjects, scores, strict=True))
            names.append(f"{candidate.title}" + (f", {name}" if len(tables) > 1 else ""))
            columns.append([values.get(subject, math.nan) for subject in subjects])
    bounds = simultaneous(np.array(columns).T)
    shown = [int(one) for one in np.argsort(-bounds.mean) if bounds.low[one] > 0]
    if not shown:
        return f"{question}: none was shown to."
    rest = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return (
        f"{question} (lower bounds above 0, one error rate of 5 % for all maps and classes): "
        f"{'; '.join(names[one] for one in shown[:NAMED])}{rest}."
    )


def _is_score(key: Sequence[str]) -> bool:
    """Whether a row is average precision on targets less that on decoys."""
    return tuple(key[2:]) == (AVERAGE_PRECISION.name, ABOVE_DECOYS)


def _means(table: SubjectTable) -> NDArray[np.float64]:
    return np.asarray(np.nanmean(table.values, axis=0))


def _interval(accuracy: NDArray[np.float64]) -> str:
    low, high = mean_interval(accuracy)
    return f"{max(low, 0):.0%} to {min(high, 1):.0%}"
