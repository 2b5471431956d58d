"""Which of all judged maps is recommended, or that none is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from stratacam.evidence.choice import CrossFitted
from stratacam.evidence.pick import JudgedMap
from stratacam.maps.fused import fused_title
from stratacam.networks import network_title
from stratacam.report.content.files import Row, json_if_there, table_if_there
from stratacam.report.names import method_title
from stratacam.study.folders import StudyFolders
from stratacam.study.map_reliability import RELIABILITY
from stratacam.study.runs import Run, is_of_these_models

PASSED = ("recommended", "says the same")
"""Verdicts on maps that meet every criterion."""


@dataclass(frozen=True)
class Recommended:
    """Which map is recommended, of the maps of the first network and of the consensus of its seeds.

    Attributes:
        network: the architecture.
        judged: every map.
        chosen: the recommended one; None where none passed.
        numbers: of the maps that either half of the subjects chose, on the other half.
        nearest: where none passed, the one that fails the fewest criteria.
        reliability: of the recommended map, a row of `reliability.tsv`; None where it is of one network.
        of_halves: what each half of the subjects chose in the same way; None for a half that chose no map.
        subjects: on whom the maps were measured, at most; 0 where that was not kept.
    """

    network: str
    judged: tuple[JudgedMap, ...]
    chosen: JudgedMap | None
    numbers: tuple[CrossFitted, ...]
    nearest: JudgedMap | None
    reliability: Row | None
    of_halves: tuple[JudgedMap | None, ...] = ()
    subjects: int = 0

    def title(self, one: JudgedMap) -> str:
        """A judged map: method, layer and networks."""
        networks = networks_title(self.network, one.networks)
        return f"{method_title(one.method)}, {fused_title(one.layer)}, {networks}"

    def verdict(self, networks: int, method: str, layer: str) -> str:
        """On a map of one network or of several; "not judged" where it was not among those judged."""
        wanted = (networks > 1, method, layer)
        return next(
            (one.verdict for one in self.judged if (one.networks > 1, one.method, one.layer) == wanted),
            "not judged",
        )


def read_recommended(folders: StudyFolders, runs: Sequence[Run]) -> Recommended | None:
    """Read which map is recommended; None where that was not measured of the present models."""
    found = json_if_there(folders.recommended)
    if not found:
        return None
    judged = tuple(_judged(one) for one in found["judged"])
    abouts = [json_if_there(folders.evidence / name / "about.json") for name in {one.name for one in judged}]
    if not all(about and is_of_these_models(folders, about) for about in abouts):
        return None
    chosen = found["recommended"] and _judged(found["recommended"])
    rows = table_if_there(folders.recommended_maps / RELIABILITY) if chosen else ()
    return Recommended(
        runs[0].network,
        judged,
        chosen,
        tuple(CrossFitted(**one) for one in found["recommended"]["numbers"]) if chosen else (),
        found["nearest"] and _judged(found["nearest"]),
        next((row for row in rows if (row["method"], row["layer"]) == (chosen.method, chosen.layer)), None),
        tuple(one and _judged(one) for one in found["recommended"].get("of_halves", ())) if chosen else (),
        max((about.get("subjects", 0) for about in abouts), default=0),
    )


def _judged(one: Mapping[str, Any]) -> JudgedMap:
    return JudgedMap(**{field.name: one[field.name] for field in fields(JudgedMap)})


def networks_title(network: str, count: int) -> str:
    """An architecture, and of how many networks a consensus is, such as "network (consensus of 3 networks)"."""
    title = network_title(network)
    return f"{title} ({networks_words(count)})" if count > 1 else title


def networks_words(count: int) -> str:
    """Write "one network" or "consensus of 3 networks"."""
    return f"consensus of {count} networks" if count > 1 else "one network"
