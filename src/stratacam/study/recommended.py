"""The map that a finished study recommends, and the runs that make it."""

from collections.abc import Sequence

from stratacam.errors import InputError
from stratacam.evidence.pick import JudgedMap
from stratacam.files import read_json
from stratacam.study.folders import StudyFolders
from stratacam.study.runs import TrainedRun, is_of_these_models, read_runs

EXPLAIN_RECOMMENDED = "explain recommended"
"""Step that makes the recommended map of every scan."""

REMEDY = "measure the maps with `stratacam evidence` on the study's file."


def recommended_map(folders: StudyFolders) -> JudgedMap:
    """The map that a study recommends.

    Raises:
        InputError: its maps were not measured, or of models that were trained in another way, or none is recommended.
    """
    file = folders.recommended
    if not file.is_file():
        raise InputError(f"{file}: is not there, so no map is recommended; {REMEDY}")
    content = read_json(file, REMEDY)
    found = content["recommended"]
    if found is None:
        nearest = content["nearest"] or {"faults": [], "reasons": []}
        why = [*nearest["faults"], *nearest["reasons"]]
        raise InputError(
            f"{file}: recommends no map"
            + (f" (of the nearest, {nearest['method']} at {nearest['layer']}: {why[0]})" if why else "")
            + "; expected one that passed the rule; choose a method and a layer yourself, and do not rely on them."
        )
    about = read_json(folders.evidence / found["name"] / "about.json", REMEDY)
    if not about.get("trained") or not is_of_these_models(folders, about):
        raise InputError(f"{file}: is of models that were trained in another way; {REMEDY}")
    return JudgedMap(
        **{name: found[name] for name in ("name", "networks", "method", "layer", "verdict")},
        faults=tuple(found["faults"]),
        reasons=tuple(found["reasons"]),
    )


def runs_of(found: JudgedMap, folders: StudyFolders) -> list[TrainedRun]:
    """The runs of the networks that a map was judged of, in their order."""
    runs = read_runs(folders.runs)
    first = runs[0].run
    return [
        one
        for one in runs
        if one.run.network == first.network and (found.networks > 1 or one.run.model == found.name)
    ]


def choose_runs(runs: Sequence[TrainedRun], subject: str, *, several: bool) -> list[TrainedRun]:
    """Of runs those that held a subject out; else all, or the first.

    Args:
        runs: of one network.
        subject: such as "sub-01".
        several: whether a consensus is wanted.
    """
    chosen = [one for one in runs if subject in one.held_out] or list(runs)
    return chosen if several else chosen[:1]
