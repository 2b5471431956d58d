"""The map that a study recommends: of all that passed the rule, of one network or of several, the most faithful."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.choice import CrossFitted, halves, most_faithful
from stratacam.evidence.recommendation import LayerVerdict, meets_means, rule
from stratacam.evidence.rows import read_rows
from stratacam.evidence.scan_evidence import ScanEvidence
from stratacam.evidence.tables import RECOMMENDATION, Tables
from stratacam.evidence.values import SubjectTable, Value, by_subject
from stratacam.files import read_json


@dataclass(frozen=True)
class JudgedMaps:
    """What the rule says of the maps of one network, or of the consensus of several.

    Attributes:
        name: of the folder of their evidence.
        networks: how many the maps are of.
        table: of all subjects.
        verdicts: by method, of every layer.
    """

    name: str
    networks: int
    table: SubjectTable
    verdicts: Mapping[str, Sequence[LayerVerdict]]


@dataclass(frozen=True)
class JudgedMap:
    """One map as it was judged: of which networks, by which method, of which layer or layers."""

    name: str
    networks: int
    method: str
    layer: str
    verdict: str
    faults: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def unmet(self) -> int:
        """How many criteria are not met."""
        return len(self.faults) + len(self.reasons)


@dataclass(frozen=True)
class Pick:
    """The map that is recommended.

    Attributes:
        judged: every map.
        recommended: the one; None where none passed.
        numbers: of the maps that either half of the subjects chose, each on the other half: what this way of choosing
            gives on people who took no part in it. A half chooses among the maps whose means over it meet every
            criterion, whatever the other half says of them.
        of_halves: those maps; None of a half in which no map meets them.
        nearest: where none passed, the one with the fewest criteria that are not met.
        given: whether the network was given, and not trained.
    """

    judged: tuple[JudgedMap, ...]
    recommended: JudgedMap | None
    numbers: tuple[CrossFitted, ...]
    of_halves: tuple[JudgedMap | None, JudgedMap | None]
    nearest: JudgedMap | None
    given: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        chosen = {
            "numbers": [asdict(one) for one in self.numbers],
            "of_halves": [one and asdict(one) for one in self.of_halves],
        }
        return {
            "rule": rule(given=self.given)._asdict(),
            "recommended": self.recommended and asdict(self.recommended) | chosen,
            "nearest": self.nearest and asdict(self.nearest),
            "judged": [asdict(one) for one in self.judged],
        }


def pick(judged: Sequence[JudgedMaps], *, seed: int = 0, given: bool = False) -> Pick:
    """The most faithful of the maps that passed, with numbers from people who took no part in a choice.

    Args:
        judged: of one architecture; the bounds of their rules hold for all of them together.
        seed: of the halves.
        given: whether the network was given, and not trained.
    """
    maps = tuple(
        JudgedMap(one.name, one.networks, method, layer.layer, layer.verdict, layer.faults, layer.reasons)
        for one in judged
        for method, verdicts in one.verdicts.items()
        for layer in verdicts
    )
    passed = [place for place, one in enumerate(maps) if one.verdict == "recommended"]
    if not passed:
        nearest = min(maps, key=lambda one: one.unmet, default=None)
        return Pick(maps, None, (), (None, None), nearest, given)
    tables = {one.name: one.table for one in judged}
    table = _side_by_side(tables)
    half = halves(len(table.subjects), seed=seed)

    def candidates(side: NDArray[np.bool_]) -> list[int]:
        """Places of the maps whose means over one side of the subjects meet every criterion."""
        subjects = {name for name, inside in zip(table.subjects, side, strict=True) if inside}
        of_side = {name: _of(one, subjects) for name, one in tables.items()}
        return [
            place for place, one in enumerate(maps) if meets_means(of_side[one.name], (one.method, one.layer))
        ]

    found = most_faithful(
        table,
        [(_method(one.name, one.method), one.layer) for one in maps],
        half,
        passed=passed,
        candidates=(candidates(half), candidates(~half)),
    )
    one, other = (None if place is None else maps[place] for place in found.of_halves)
    return Pick(maps, maps[found.place], found.numbers, (one, other), None, given)


def _of(table: SubjectTable, subjects: Collection[str]) -> SubjectTable:
    """A table of some of its subjects."""
    chosen = [place for place, subject in enumerate(table.subjects) if subject in subjects]
    return SubjectTable(table.keys, tuple(table.subjects[place] for place in chosen), table.values[chosen])


@dataclass(frozen=True)
class JudgedFiles:
    """Where that was written.

    Attributes:
        name: of the folder of their evidence.
        networks: how many the maps are of.
        scans: the measures of every scan.
        recommendation: what the rule says.
    """

    name: str
    networks: int
    scans: tuple[ScanEvidence, ...]
    recommendation: Path

    @classmethod
    def of(cls, tables: Tables) -> Self:
        """What `write_tables` writes, and what it reads."""
        return cls(tables.model, tables.networks, tables.scans, tables.folder / RECOMMENDATION)


def read_judged(files: JudgedFiles) -> JudgedMaps:
    """Read what was written of one network, or of a consensus."""
    remedy = "run `stratacam evidence` again."
    about = {scan.name: read_json(scan.about, remedy) for scan in files.scans}
    values = {scan.name: read_rows(scan.values, Value) for scan in files.scans}
    methods = read_json(files.recommendation, remedy)["methods"]
    return JudgedMaps(
        files.name,
        files.networks,
        by_subject(values, {name: found["subject"] for name, found in about.items()}),
        {
            one["method"]: [
                LayerVerdict(
                    layer["layer"],
                    layer["verdict"],
                    tuple(layer["faults"]),
                    tuple(layer["reasons"]),
                    tuple(layer["alike"]),
                )
                for layer in one["layers"]
            ]
            for one in methods
        },
    )


def _side_by_side(tables: Mapping[str, SubjectTable]) -> SubjectTable:
    """Tables of the same subjects as one, in which methods are named with the table; of those who are in all."""
    subjects = tuple(sorted(set.intersection(*(set(table.subjects) for table in tables.values()))))
    rows = [[table.subjects.index(subject) for subject in subjects] for table in tables.values()]
    return SubjectTable(
        tuple((_method(name, key[0]), *key[1:]) for name, table in tables.items() for key in table.keys),
        subjects,
        np.hstack([table.values[chosen] for table, chosen in zip(tables.values(), rows, strict=True)]),
    )


def _method(name: str, method: str) -> str:
    return f"{name} {method}"
