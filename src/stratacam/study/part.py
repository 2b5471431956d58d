"""A part of one step, for some people: what a batch system runs as one job of many."""

from collections.abc import Sequence
from dataclasses import dataclass

from stratacam.errors import InputError

STEPS = ("prepare", "pictures", "activations", "train", "explain", "truth", "evidence")
"""Steps with a task for every scan, or of "train" for every run, in the order in which they are done."""

CHECK = "check"
"""What is done together with the first."""


def with_check(step: str) -> str:
    """The step that does a step: the first does the check, too."""
    return STEPS[0] if step == CHECK else step


class StepDoneError(Exception):
    """All that was to be done of a step has been tried; what follows is not wanted."""


@dataclass(frozen=True)
class Part:
    """Tasks of one step.

    Attributes:
        step: of `STEPS`.
        people: subjects such as "sub-01"; none: everybody.
        runs: names of trainings; none: all.
    """

    step: str
    people: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def is_of(self, step: str) -> bool:
        """Whether a step is the one, or is done together with it."""
        return step == self.step or (step == CHECK and self.step == STEPS[0])

    def is_before(self, step: str) -> bool:
        """Whether a step comes after the one."""
        return step != CHECK and STEPS.index(step) > STEPS.index(self.step)

    def has(self, name: str) -> bool:
        """Whether a task, by the name of its scan or run, is wanted."""
        if self.step == "train":
            return not self.runs or name in self.runs
        return not self.people or name.partition("_")[0] in self.people


def part_of(step: str | None, people: Sequence[str], runs: Sequence[str]) -> Part | None:
    """The part that the options of the command line ask for; None where they ask for everything.

    Raises:
        InputError: they contradict each other.
    """
    if step is None:
        if people or runs:
            option = "--participant-label" if people else "--training"
            raise InputError(
                f"{option}: found without --step; expected the step that is to be done for them: add it."
            )
        return None
    if step not in STEPS:
        raise InputError(f"--step: found {step!r}; expected one of {', '.join(STEPS)}: choose one.")
    if people and step == "train":
        raise InputError(
            "--participant-label: found with --step train, which is of no one person; expected --training."
        )
    if runs and step != "train":
        raise InputError(
            f"--training: found with --step {step}; expected --participant-label, or --step train."
        )
    return Part(step, tuple(f"sub-{one.removeprefix('sub-')}" for one in people), tuple(runs))
