"""The strategies of one cohort, by one method's maps of one layer: verdict, members, and what they follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from stratacam.evidence.draws import generator
from stratacam.evidence.inference import MINIMUM_SUBJECTS
from stratacam.evidence.strategies.association import associations
from stratacam.evidence.strategies.partition import Floats, Partition, partition_of
from stratacam.evidence.strategies.profiles import MINIMUM_CELLS, Profiles

BLANK = 0
"""Number of the strategy of subjects without any heat."""


class Member(NamedTuple):
    """A subject and its strategy.

    Attributes:
        explained: the class that the maps explain in everybody, or "own class".
        method: that made the maps.
        layer: whose maps they are.
        subject: name.
        group: its class; "" where that is not known.
        given: the class that the network gives its scans.
        right: "yes" or "no"; "" where the class is not known.
        strategy: number from 1, the largest first; 0 for a subject without any heat.
        likeness: mean likeness of its map to those of the other members; NaN where there is none.
        other: the same to the members of the strategy that resembles it most of the others.
    """

    explained: str
    method: str
    layer: str
    subject: str
    group: str
    given: str
    right: str
    strategy: int
    likeness: float
    other: float


@dataclass(frozen=True)
class Strategies:
    """The strategies of one analysis.

    Attributes:
        explained: what the maps explain.
        method: that made the maps.
        layer: whose maps they are.
        verdict: "several" where one strategy is refuted, "one" where it is not, else "cannot say".
        reason: why nothing can be said.
        p: family-wise p-value of there being one strategy.
        stability: by strategy, mean Jaccard index with what is found in random subsamples; of several only.
        regions: number of regions that maps are compared by.
        cells: number of cells that maps are compared by.
        members: everybody.
        follows: by what is known of subjects, the p-value of having nothing to do with the strategies.
    """

    explained: str
    method: str
    layer: str
    verdict: Literal["one", "several", "cannot say"]
    reason: str
    p: float
    stability: tuple[float, ...]
    regions: int
    cells: int
    members: tuple[Member, ...]
    follows: Mapping[str, float]

    def named(self, number: int) -> list[str]:
        """The subjects of a strategy."""
        return [one.subject for one in self.members if one.strategy == number]

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        numbers = sorted({one.strategy for one in self.members} - {BLANK})
        return {
            "explained": self.explained,
            "method": self.method,
            "layer": self.layer,
            "verdict": self.verdict,
            "reason": self.reason,
            "p": self.p,
            "regions": self.regions,
            "cells": self.cells,
            "without_heat": self.named(BLANK),
            "strategies": [
                {
                    "number": number,
                    "stability": self.stability[number - 1] if self.stability else None,
                    "subjects": self.named(number),
                    "groups": _counts([one.group for one in self.members if one.strategy == number]),
                    "right": _counts([one.right for one in self.members if one.strategy == number]),
                }
                for number in numbers
            ],
            "follows": dict(self.follows),
        }


def strategies_of(
    key: tuple[str, str, str],
    profiles: Profiles,
    people: Mapping[str, Mapping[str, str]],
    *,
    analyses: int,
    seed: int,
) -> Strategies:
    """Find the strategies of one analysis.

    Args:
        key: what the maps explain, method and layer.
        profiles: of the subjects.
        people: by subject, in their order, "group", "given", "run" and whatever strategies may follow.
        analyses: for how many, of which this is one, p-values of there being one strategy are corrected.
        seed: of everything random.
    """
    points = profiles.points
    reason = _too_little(profiles)
    nothing = Partition(np.ones(len(points), dtype=np.int_), 1.0, ())
    found = nothing if reason else partition_of(points, analyses=analyses, seed=seed)
    strategy = np.full(len(profiles.lit), BLANK)
    strategy[profiles.lit] = found.labels
    likeness = _likeness(points, found)
    rows = iter(likeness)
    members = tuple(
        Member(
            *key, subject, one["group"], one["given"], _right(one), int(number),
            *(next(rows) if number != BLANK else (float("nan"), float("nan"))),
        )
        for (subject, one), number in zip(people.items(), strategy, strict=True)
    )  # fmt: skip
    several = bool(found.stability)
    lit = [one for one, its in zip(people.values(), profiles.lit, strict=True) if its]
    names = dict.fromkeys(name for one in lit for name in one)
    known = {name: [one.get(name, "") for one in lit] for name in names}
    known["right"] = [_right(one) for one in lit]
    return Strategies(
        *key,
        verdict="cannot say" if reason else "several" if several else "one",
        reason=reason,
        p=found.p,
        stability=found.stability,
        regions=profiles.regions,
        cells=profiles.cells,
        members=members,
        follows=associations(found.labels, known, generator(seed, "follows", *key)) if several else {},
    )


def _too_little(profiles: Profiles) -> str:
    """Why nothing can be said; "" where there is enough."""
    if len(profiles.points) < MINIMUM_SUBJECTS:
        return f"{len(profiles.points)} subjects with heat; {MINIMUM_SUBJECTS} are needed"
    if profiles.cells < MINIMUM_CELLS:
        return f"slices of all subjects reach {profiles.cells} cells; {MINIMUM_CELLS} are needed"
    return ""


def _likeness(points: Floats, found: Partition) -> list[tuple[float, float]]:
    """Of each subject, mean likeness to the other members of its strategy, and to those of the most alike other one."""
    numbers = np.unique(found.labels)
    member = (found.labels[:, None] == numbers).astype(np.float64)
    sums, size = points @ (points.T @ member), member.sum(axis=0)
    own_number = found.labels - 1
    rows = np.arange(len(points))
    own = sums[rows, own_number] - (points**2).sum(axis=1)
    with_others = size[own_number] > 1
    own = np.divide(own, size[own_number] - 1, out=np.full(len(points), np.nan), where=with_others)
    others = np.where(member > 0, -np.inf, sums / np.maximum(size, 1)).max(axis=1, initial=-np.inf)
    return [
        (float(one), float(other) if np.isfinite(other) else float("nan"))
        for one, other in zip(own, others, strict=True)
    ]


def _right(person: Mapping[str, str]) -> str:
    return "" if not person["group"] else "yes" if person["given"] == person["group"] else "no"


def _counts(words: Sequence[str]) -> dict[str, int]:
    """How often each word occurs, the most frequent first."""
    return {
        word: words.count(word) for word in sorted(set(words), key=lambda word: (-words.count(word), word))
    }
