"""Which map to read: picked on one half of the people, and scored on the other, both ways.

The best score in a table of many maps is too high. Here every person is scored by the map that the other half picked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.inference import mean_interval
from stratacam.evidence.inference.means import mean_known
from stratacam.evidence.localisation import AVERAGE_PRECISION
from stratacam.evidence.measures import SHARE
from stratacam.evidence.planting.score import ABOVE_DECOYS, BY_DECOYS, DECOYS, NONE, SINGLE
from stratacam.evidence.values import SubjectTable, limits_of
from stratacam.maps.fused import fused_title

RULE = "highest mean average precision on targets less that on decoys"

HALVES = ("first half", "second half")
BOTH = "both halves"

TablesOfClass = Mapping[str, SubjectTable]
"""The scores of one class, by whose maps they are: `SINGLE`, `CONSENSUS`, `NONE`."""


class Candidate(NamedTuple):
    """A map that may be picked: of which networks, by which method, of which layer or layers."""

    networks: str
    method: str
    layer: str

    @property
    def title(self) -> str:
        """In words, such as "layercam at last (consensus)"; of one network without that."""
        words = f"{self.method} at {fused_title(self.layer)}"
        return words if self.networks == SINGLE else f"{words} ({self.networks})"


class PickedScore(NamedTuple):
    """A score of what the other half picked: mean over the units of a half, or of both, and its 95 % interval."""

    half: str
    measure: str
    against: str
    value: float
    low: float
    high: float
    units: int


@dataclass(frozen=True)
class Pick:
    """What was picked, and how it scores where it was not.

    Attributes:
        classes: over which scores are means.
        units: of each half, such as people.
        chosen: on each half, which is how the other one is scored.
        scores: average precision and pointing on targets, on decoys and their difference, by half.
    """

    classes: tuple[str, ...]
    units: tuple[tuple[str, ...], tuple[str, ...]]
    chosen: tuple[Candidate, Candidate]
    scores: tuple[PickedScore, ...]

    @property
    def names(self) -> str:
        """What was picked, in words."""
        return " or ".join(dict.fromkeys(one.title for one in self.chosen))

    def score(self, measure: str, against: str, half: str = BOTH) -> PickedScore:
        """One of the scores."""
        return next(one for one in self.scores if one[:3] == (half, measure, against))

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "rule": RULE,
            "classes": list(self.classes),
            "halves": [
                {"half": half, "units": list(units), "picked": chosen._asdict()}
                for half, units, chosen in zip(HALVES, self.units, self.chosen, strict=True)
            ],
            "scored_by_the_pick_of_the_other_half": [one._asdict() for one in self.scores],
        }


def candidates_of(tables: TablesOfClass) -> list[Candidate]:
    """The maps of networks that were scored."""
    return [
        Candidate(networks, method, layer)
        for networks, table in tables.items()
        if networks != NONE
        for method, layer, measure, against in table.keys
        if (measure, against) == (AVERAGE_PRECISION.name, ABOVE_DECOYS)
    ]


def pick(tables: Mapping[str, TablesOfClass]) -> Pick | None:
    """Pick by `RULE` on each half, and score on the other; a unit's score is the mean over its classes.

    Units are sorted, and every other one is in the first half.

    Args:
        tables: scores of units by class.

    Returns:
        None for fewer than two units with scores.
    """
    found = {name: one for name, one in tables.items() if candidates_of(one)}
    candidates = list(dict.fromkeys(one for table in found.values() for one in candidates_of(table)))
    units = sorted(
        {unit for of_class in found.values() for table in of_class.values() for unit in table.subjects}
    )
    if len(units) < 2:
        return None
    rule = _scores(found, candidates, units, AVERAGE_PRECISION.name, ABOVE_DECOYS)
    chosen = [int(np.nanargmax(mean_known(rule[half::2]))) for half in (0, 1)]
    picked_for = np.array([chosen[1 - place % 2] for place in range(len(units))])
    scores = []
    for measure in BY_DECOYS:
        for against in ("", DECOYS, ABOVE_DECOYS):
            every = _scores(found, candidates, units, measure, against)
            values = every[np.arange(len(units)), picked_for]
            for half, part in zip((*HALVES, BOTH), (values[::2], values[1::2], values), strict=True):
                interval = mean_interval(part, limits_of(SHARE, against))
                known = int(np.isfinite(part).sum())
                scores.append(PickedScore(half, measure, against, float(mean_known(part)), *interval, known))
    return Pick(
        tuple(found),
        (tuple(units[::2]), tuple(units[1::2])),
        (candidates[chosen[0]], candidates[chosen[1]]),
        tuple(scores),
    )


def _scores(
    tables: Mapping[str, TablesOfClass],
    candidates: Sequence[Candidate],
    units: Sequence[str],
    measure: str,
    against: str,
) -> NDArray[np.float64]:
    """(units, candidates), means over classes."""
    by_class = np.full((len(tables), len(units), len(candidates)), np.nan)
    for number, of_class in enumerate(tables.values()):
        for column, (networks, method, layer) in enumerate(candidates):
            table = of_class[networks]
            values = table.column((method, layer, measure, against))
            by_class[number, [units.index(unit) for unit in table.subjects], column] = values
    return mean_known(by_class)
