"""How far a study says that a map may be believed."""

from dataclasses import dataclass

from stratacam.files import read_json
from stratacam.maps import ScanMaps
from stratacam.study.folders import StudyFolders
from stratacam.study.runs import is_of_these_models

PASSED = ("recommended", "says the same")
"""Verdicts on maps that meet every criterion of the rule."""


@dataclass(frozen=True)
class Trust:
    """What the study's evidence says of a map.

    Attributes:
        verdict: "meets every criterion", "not recommended", "cannot say", or "not measured".
        reason: the first fault or what is lacking; empty where every criterion is met.
    """

    verdict: str
    reason: str

    @property
    def sentence(self) -> str:
        """Verdict and reason in one sentence."""
        return f"Evidence: {self.verdict}" + (f": {self.reason}." if self.reason else " of the rule.")


def read_trust(folders: StudyFolders, maps: ScanMaps, layer: str) -> Trust:
    """What the study says of one of its maps: by its method, its layer, and whether one or several networks made it."""
    unmeasured = Trust("not measured", "without it, the map is a picture")
    content = read_json(folders.recommended) if folders.recommended.is_file() else {}
    wanted = (bool(maps.members), maps.method, layer)
    found = next(
        (
            one
            for one in content.get("judged", ())
            if (one["networks"] > 1, one["method"], one["layer"]) == wanted
        ),
        None,
    )
    if found is None:
        return unmeasured
    about = read_json(folders.evidence / found["name"] / "about.json")
    if not about.get("trained") or not is_of_these_models(folders, about):
        return unmeasured
    if found["verdict"] in PASSED:
        return Trust("meets every criterion", "")
    return Trust(found["verdict"], next(iter((*found["faults"], *found["reasons"])), "no reason was kept"))
