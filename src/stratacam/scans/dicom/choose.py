"""Which stack becomes which sequence of which subject and session, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stratacam.scans.dicom.rules import ImportMap
from stratacam.scans.dicom.series import Stack, stack_fault

FEWEST_SLICES = 8
PROJECTIONS = {"PROJECTION IMAGE", "MIP", "MIN IP", "MINIP", "MNIP"}
PHASES = {"P", "PHASE", "PHASE MAP"}


@dataclass(frozen=True)
class Decision:
    """What becomes of one stack. `reason` names nothing of the patient or the files."""

    stack: Stack
    subject: str | None  # label, without "sub-"
    session: str | None  # label, without "ses-"
    sequence: str | None  # what a rule says it is
    state: Literal["taken", "not taken", "left out"]  # left out: wanted, but it cannot be used
    reason: str
    detail: str = ""  # for the console only


def choose(stacks: Sequence[Stack], wanted: ImportMap) -> list[Decision]:
    """Decide about every stack.

    The first rule that holds says what a stack is. Localisers, projections, phase images, colour, stacks of
    fewer than 8 slices, and secondary images that no rule asks for are not taken; what is no whole volume is
    left out. Of several stacks for one sequence of one study, the one with most slices is taken, then the one
    with the thinnest, then the lowest series number. Several studies of a subject become sessions 1, 2 ... in
    order of their dates; only studies of which something is taken count.

    Args:
        stacks: as `read_folder` gives them.
        wanted: rules and labels.

    Returns:
        One decision per stack, in the same order.
    """
    labels = subject_labels(stacks, wanted)
    decisions = [_judge(stack, labels.get(stack.first.patient), wanted) for stack in stacks]
    rivals: dict[tuple[str | None, str, str | None], list[int]] = {}
    for number, decision in enumerate(decisions):
        if decision.state == "taken":
            key = (decision.subject, decision.stack.first.study, decision.sequence)
            rivals.setdefault(key, []).append(number)
    for numbers in rivals.values():
        best, *others = sorted(numbers, key=lambda number: _rank(decisions[number].stack))
        for number in others:
            decisions[number] = replace(
                decisions[number],
                state="not taken",
                reason=f"{decisions[number].reason}, but {_why(decisions[best].stack, decisions[number].stack)}",
            )
        if others:
            reason = f"{decisions[best].reason}; the best of {len(numbers)} series"
            decisions[best] = replace(decisions[best], reason=reason)
    return _with_sessions(decisions)


def subject_labels(stacks: Sequence[Stack], wanted: ImportMap) -> dict[str, str]:
    """PatientID to label: the map's, or 01, 02 ... in sorted order of the IDs (without the empty one)."""
    patients = sorted({stack.first.patient for stack in stacks})
    if wanted.subjects is not None:
        return {patient: wanted.subjects[patient] for patient in patients if patient in wanted.subjects}
    named = [patient for patient in patients if patient]
    width = max(2, len(str(len(named))))
    return {patient: f"{number:0{width}}" for number, patient in enumerate(named, start=1)}


def _judge(stack: Stack, label: str | None, wanted: ImportMap) -> Decision:
    """Decide about one stack without regard to the others."""
    decision = Decision(stack, label, None, None, "not taken", "")
    unsuitable = _unsuitable(stack)
    if unsuitable:
        return replace(decision, reason=unsuitable)
    number = wanted.first_rule(stack.first.header)
    if number is None:
        return replace(decision, reason="no rule holds")
    rule = wanted.rule[number]
    decision = replace(decision, sequence=rule.sequence, reason=f"{rule.sequence} by rule {number + 1}")
    if "SECONDARY" in stack.first.image_type and not rule.derived:
        return replace(decision, reason=f"{decision.reason}, but secondary (the rule lacks derived = true)")
    if label is None and not stack.first.patient:
        return replace(
            decision,
            state="left out",
            reason='has no PatientID; if all such files are one person, add "" = "label" to [subjects]',
        )
    if label is None:
        return replace(decision, reason="its PatientID is not in [subjects]")
    fault = stack_fault(stack)
    return replace(decision, state="left out", reason=fault) if fault else replace(decision, state="taken")


def _unsuitable(stack: Stack) -> str | None:
    kinds = set(stack.first.image_type)
    if stack.first.colours != 1:
        return "colour"
    if "LOCALIZER" in kinds:
        return "localiser"
    if kinds & PROJECTIONS:
        return "projection"
    if kinds & PHASES:
        return "phase image"
    if len(stack.slices) < FEWEST_SLICES:
        differ = f"; the stacks of the series differ in {', '.join(stack.differ)}" if stack.differ else ""
        return f"{len(stack.slices)} slices, fewer than {FEWEST_SLICES}{differ}"
    return None


def _rank(stack: Stack) -> tuple[int, float, int, int]:
    return (-len(stack.slices), _thickness(stack), stack.first.series_number, stack.part)


def _thickness(stack: Stack) -> float:
    return round(stack.spacing_mm or 0.0, 2)


def _why(best: Stack, other: Stack) -> str:
    """Why the one is better than the other."""
    if len(best.slices) != len(other.slices):
        return f"series {best.name} has more slices ({len(best.slices)}, not {len(other.slices)})"
    if _thickness(best) != _thickness(other):
        return f"series {best.name} has thinner slices ({_thickness(best)} mm, not {_thickness(other)} mm)"
    return f"series {best.name} comes first"


def _with_sessions(decisions: Sequence[Decision]) -> list[Decision]:
    studies: dict[str | None, set[tuple[str, str]]] = {}
    for decision in decisions:
        if decision.state == "taken":
            frame = decision.stack.first
            studies.setdefault(decision.subject, set()).add((frame.study_moment, frame.study))
    sessions: Mapping[tuple[str | None, str], str] = {
        (subject, study): str(number)
        for subject, found in studies.items()
        if len({study for _, study in found}) > 1
        for number, (_, study) in enumerate(_earliest(found), start=1)
    }
    return [
        replace(decision, session=sessions.get((decision.subject, decision.stack.first.study)))
        for decision in decisions
    ]


def _earliest(studies: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Every study once, in order of its earliest moment."""
    first: dict[str, str] = {}
    for moment, study in sorted(studies):
        first.setdefault(study, moment)
    return sorted((moment, study) for study, moment in first.items())
