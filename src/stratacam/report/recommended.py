"""The map to believe: which of all judged maps is recommended, or why none is, read and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stratacam.evidence import registry
from stratacam.maps.fused import fused_title
from stratacam.maps.reliability import WANTED
from stratacam.networks import network_title, short_name
from stratacam.report.names import method_title
from stratacam.report.numbers import decimal, estimate_of
from stratacam.report.reading import json_if_there
from stratacam.study.folders import StudyFolders
from stratacam.study.runs import Run, is_of_these_models

UNMEASURED = (
    "Which map to believe was not measured: run `stratacam evidence` and the study's TOML file. Without it, maps are "
    "pictures."
)
PASSED = ("recommended", "says the same")
"""Verdicts on maps that meet every criterion."""


@dataclass(frozen=True)
class Recommended:
    """Content of `evidence/recommended.json`.

    Attributes:
        chosen: the recommended map with its numbers and reliability; None where none is recommended.
        nearest: of the judged maps the one that fails the fewest criteria; None where one is recommended.
        judged: every judged map: `folder`, `method`, `layer`, `verdict`, `faults`, `reasons`.
        networks: what made the maps of each folder, in words.
    """

    chosen: Mapping[str, Any] | None
    nearest: Mapping[str, Any] | None
    judged: Sequence[Mapping[str, Any]]
    networks: Mapping[str, str]

    def title(self, judged: Mapping[str, Any]) -> str:
        """A judged map: method, layer and networks."""
        return ", ".join(
            (method_title(judged["method"]), fused_title(judged["layer"]), self.networks[judged["folder"]])
        )

    def verdict(self, folder: str, method: str, layer: str) -> str:
        """On a map; "not judged" where it was not among those judged."""
        wanted = (folder, method, layer)
        found = (one for one in self.judged if (one["folder"], one["method"], one["layer"]) == wanted)
        return str(next(found, {"verdict": "not judged"})["verdict"])


def read_recommended(folders: StudyFolders, runs: Sequence[Run]) -> Recommended | None:
    """Read which map is recommended; None where that was not measured of the present models."""
    found = json_if_there(folders.recommendation)
    if not found:
        return None
    networks = {short_name(run.network): run.network for run in runs}
    titles = {}
    for folder in {one["folder"] for one in found["judged"]}:
        about = json_if_there(folders.evidence / folder / "about.json")
        network = networks.get(folder.rpartition("_")[0])
        if not about or network is None or not is_of_these_models(folders, about):
            return None
        titles[folder] = networks_title(network, about)
    return Recommended(found["recommended"], found["nearest"], found["judged"], titles)


def networks_title(network: str, about: Mapping[str, Any]) -> str:
    """The networks whose maps were measured, such as "VGG16 (consensus of 3 networks)".

    Args:
        network: the architecture.
        about: content of `about.json`.
    """
    title = network_title(network)
    members = about.get("networks", 1)
    return f"{title} ({networks_words(members)})" if members > 1 else title


def networks_words(members: int) -> str:
    """Write "one network" or "consensus of 3 networks"."""
    return f"consensus of {members} networks" if members > 1 else "one network"


def in_short(recommended: Recommended | None) -> list[str]:
    """For the top of the page: the map to believe with its reliability and numbers, or what stands in the way."""
    if recommended is None:
        return [UNMEASURED]
    if recommended.chosen is None:
        return [_none(recommended)]
    chosen = recommended.chosen
    count = len(recommended.judged)
    passed = sum(one["verdict"] in PASSED for one in recommended.judged)
    meets = "it alone meets" if passed == 1 else f"{passed} meet"
    return [
        f"The map to believe is {recommended.title(chosen)}: of {count} judged maps {meets} every criterion of the "
        f"rule. {how_reliable(chosen)} {numbers_words(chosen)}".rstrip()
    ]


def how_reliable(chosen: Mapping[str, Any]) -> str:
    """The reliability of the recommended map, and how many networks are needed."""
    found = chosen["reliability"]
    if found is None:
        return "Its reliability is not known, as one network made it."
    needed = found["needed"]
    enough = (
        f"how many networks are needed for {WANTED:g} is not known"
        if needed is None
        else f"{needed} network{'s are' if needed > 1 else ' is'} needed for {WANTED:g}"
    )
    return (
        f"Its reliability is {decimal(found['mean'])} (expected correlation with the consensus of {found['networks']} "
        f"other networks; {enough})."
    )


def numbers_words(chosen: Mapping[str, Any]) -> str:
    """The cross-fitted numbers; "" where there are none."""
    numbers = "; ".join(cross_fitted(one) for one in chosen["numbers"])
    return f"On subjects who did not choose it (cross-fitted; 95 % intervals): {numbers}." if numbers else ""


def cross_fitted(number: Mapping[str, Any]) -> str:
    """One number, as `CrossFitted`."""
    measure = next(one for one in registry.measures() if one.name == number["measure"])
    return (
        f"{measure.heading(number['against'])} {estimate_of(number['value'], number['low'], number['high'])}"
    )


def _none(recommended: Recommended) -> str:
    """That no map is recommended, and what stands in the way of the nearest."""
    nearest = recommended.nearest
    if nearest is None:
        return "No map of this study is recommended, as none was judged."
    said = (
        f"it fails: {'; '.join(nearest['faults'])}"
        if nearest["faults"]
        else f"nothing can be said of it: {'; '.join(nearest['reasons'])}"
    )
    count = len(recommended.judged)
    which = f"the nearest of {count} judged is" if count > 1 else "the only one judged is"
    return f"No map of this study is recommended; {which} {recommended.title(nearest)}, and {said}."
