"""Scores of slices as means over people, class by class, and what they say in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stratacam.evidence import registry
from stratacam.evidence.planting.verdict import LEVELS, MINIMUM_PEOPLE, PEOPLE, has_learnt, verdict
from stratacam.evidence.values import Summary, by_subject, summarise
from stratacam.study.truth_benchmark.scoring import Place, ScoredFold


@dataclass(frozen=True)
class BenchmarkSummary:
    """What the folds together say.

    Attributes:
        tables: every score, with intervals, by class of which slices are classified right.
        accuracy: share of the held-out slices that are classified right.
        learnt: whether this is more than chance.
        held_out: number of these slices.
        scored: number of those whose maps were scored.
        units: over what intervals are.
        verdict: in words.
    """

    tables: Mapping[str, Sequence[Summary]]
    accuracy: float
    learnt: bool
    held_out: int
    scored: int
    units: str
    verdict: str


def summarise_folds(
    folds: Sequence[ScoredFold], classes: Sequence[str], people: Sequence[str]
) -> BenchmarkSummary:
    """Means and intervals over people, or over levels of their slices where there are two people."""
    units = PEOPLE if len(people) >= MINIMUM_PEOPLE else LEVELS

    def unit_of(place: Place) -> str:
        return place.person if units == PEOPLE else f"{place.person} {place.level:04d}"

    slices = {name: one for fold in folds for name, one in fold.slices.items()}
    tables = {
        group: by_subject(
            {name: one.values for name, one in slices.items() if one.group == group},
            {name: unit_of(one.place) for name, one in slices.items()},
        )
        for group in classes
    }
    right: dict[str, list[bool]] = {}
    for place, known in (row for fold in folds for row in fold.right):
        right.setdefault(unit_of(place), []).append(known)
    accuracy = np.array([np.mean(one) for one in right.values()])
    every = [known for one in right.values() for known in one]
    return BenchmarkSummary(
        {group: summarise(table, registry.limits()) for group, table in tables.items() if table.keys},
        float(np.mean(every)),
        has_learnt(accuracy),
        len(every),
        len(slices),
        units,
        verdict(tables, accuracy, units),
    )
