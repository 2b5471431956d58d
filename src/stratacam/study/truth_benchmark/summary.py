"""Scores of slices as means over people, class by class, and what they say in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stratacam.evidence import registry
from stratacam.evidence.planting.pick import Pick, pick
from stratacam.evidence.planting.score import CONSENSUS, SINGLE
from stratacam.evidence.planting.verdict import LEVELS, MINIMUM_PEOPLE, PEOPLE, has_learnt, verdict
from stratacam.evidence.values import Summary, by_subject, summarise
from stratacam.study.truth_benchmark.scoring import Place, ScoredFold

Tables = Mapping[str, Mapping[str, Sequence[Summary]]]
"""Every score, with intervals, by class and by whose maps they are."""


class ScoreRow(NamedTuple):
    """A row of `table.tsv`: a `Summary` of the maps of some networks, over the slices of one class."""

    group: str
    networks: str
    method: str
    layer: str
    measure: str
    against: str
    value: float
    low: float
    high: float
    subjects: int


@dataclass(frozen=True)
class BenchmarkSummary:
    """What the folds together say.

    Attributes:
        tables: of the classes of which slices are scored.
        picked: the map that was picked; None where there are too few people.
        accuracy: by whose it is, share of the held-out slices that are classified right.
        learnt: whether this is more than chance.
        held_out: number of these slices.
        scored: number of those whose maps were scored.
        units: over what intervals are.
        verdict: in words.
    """

    tables: Tables
    picked: Pick | None
    accuracy: Mapping[str, float]
    learnt: bool
    held_out: int
    scored: int
    units: str
    verdict: str


def summarise_folds(
    folds: Sequence[ScoredFold], targeted: Sequence[str], people: Sequence[str], *, networks: int
) -> BenchmarkSummary:
    """Means and intervals over people, or over levels of their slices where there are two people.

    Args:
        folds: the scores of each.
        targeted: classes that have targets.
        people: all of them.
        networks: of each fold.
    """
    units = PEOPLE if len(people) >= MINIMUM_PEOPLE else LEVELS

    def unit_of(place: Place) -> str:
        return place.person if units == PEOPLE else f"{place.person} {place.level:04d}"

    slices = {name: one for fold in folds for name, one in fold.slices.items()}
    whose = list(dict.fromkeys(name for one in slices.values() for name in one.values))
    tables = {
        group: {
            name: by_subject(
                {key: one.values[name] for key, one in slices.items() if one.group == group},
                {key: unit_of(one.place) for key, one in slices.items()},
            )
            for name in whose
        }
        for group in targeted
    }
    right: dict[str, dict[str, list[bool]]] = {}
    for fold in folds:
        for name, known in fold.right.items():
            for place, one in zip(fold.places, known, strict=True):
                right.setdefault(name, {}).setdefault(unit_of(place), []).append(one)
    accuracy = {name: np.array([np.mean(one) for one in found.values()]) for name, found in right.items()}
    return BenchmarkSummary(
        {
            group: {name: summarise(table, registry.limits()) for name, table in of_class.items()}
            for group, of_class in tables.items()
            if any(table.keys for table in of_class.values())
        },
        pick(tables),
        {
            name: float(np.mean([one for known in found.values() for one in known]))
            for name, found in right.items()
        },
        has_learnt(accuracy.get(CONSENSUS, accuracy[SINGLE])),
        sum(len(fold.places) for fold in folds),
        len(slices),
        units,
        verdict(tables, accuracy, units, networks=networks),
    )
