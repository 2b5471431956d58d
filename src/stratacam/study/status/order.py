"""In which order a study's steps come."""

import shlex
from collections.abc import Iterable, Sequence

RUN = (
    "check", "prepare", "pictures", "activations", "train", "evaluate", "measures", "baselines", "comparison",
    "surroundings", "confounds", "sample_size", "explain", "report",
)  # fmt: skip
"""Steps of `stratacam run`."""

EVIDENCE = (
    "check",
    "prepare",
    "pictures",
    "activations",
    "train",
    "truth",
    "evidence",
    "recommend",
    "report",
)
"""Steps of `stratacam evidence`."""

COMMANDS = {"run": RUN, "evidence": EVIDENCE, "demo": (*RUN[:-1], "truth", "evidence", "recommend", "report")}

ALL = (*RUN[:-1], "truth", "evidence", "recommend", "leakage", "permutations", "report")


def place_of(step: str) -> int:
    """Where a step such as "evidence network_seed-0" stands; steps that are not known stand last."""
    first = step.partition(" ")[0]
    return ALL.index(first) if first in ALL else len(ALL)


def words_of(command: str) -> list[str]:
    """The words of a command as a log has it, without their quotation marks."""
    try:
        return shlex.split(command)
    except ValueError:  # of an earlier version, which wrote none
        return command.split()


def is_part(command: str) -> bool:
    """Whether a command does a part of one step."""
    return "--step" in command


def after(command: str, seen: Iterable[str]) -> Sequence[str]:
    """Steps that a command comes to after those that it has been in; none where the command is of another kind."""
    words = words_of(command)
    steps = COMMANDS.get(words[0] if words else "", ())
    if not steps or is_part(command):
        return ()
    places = [steps.index(first) for step in seen if (first := step.partition(" ")[0]) in steps]
    return steps[max(places) + 1 :] if places else steps
