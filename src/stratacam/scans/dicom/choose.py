"""Which stack becomes which sequence of which subject and session, and why."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stratacam.scans.dicom.decide import Decision, decide, sibling_signs
from stratacam.scans.dicom.people import contradictions
from stratacam.scans.dicom.rules import ImportMap
from stratacam.scans.dicom.series import Stack
from stratacam.scans.sequences import find_sequence
from stratacam.scans.signs import AGENT

HEAD_MM = 100.0  # a volume of the whole head reaches further in every direction


def choose(stacks: Sequence[Stack], wanted: ImportMap) -> list[Decision]:
    """Decide about every stack.

    The first rule that holds says what a stack is, unless a sign in its header (`signs`) says that it is something
    else and the map does not allow that. Colour and stacks of fewer than 8 slices are not taken; what is no whole
    volume is left out, and so are all stacks of a PatientID that several people have. Of several stacks for one
    sequence of one study the fittest is taken (`_criteria`). Several studies of a subject become sessions 1, 2 ...
    in order of their dates; only studies of which something is taken count.

    Returns:
        One decision per stack, in the same order.
    """
    labels = subject_labels(stacks, wanted)
    several = contradictions(stacks, wanted.same_person)
    decisions = []
    for stack, siblings in zip(stacks, sibling_signs(stacks), strict=True):
        patient = stack.first.patient
        decision = decide(stack, labels.get(patient), siblings, wanted)
        if decision.state == "taken" and patient in several:
            reason = f"its PatientID is that of people who differ in {several[patient]}"
            decision = replace(decision, state="left out", reason=reason)
        decisions.append(decision)
    return _with_sessions(_fittest(decisions))


def subject_labels(stacks: Sequence[Stack], wanted: ImportMap) -> dict[str, str]:
    """PatientID to label: the map's, or 01, 02 ... in sorted order of the IDs (without the empty one)."""
    patients = sorted({stack.first.patient for stack in stacks})
    if wanted.subjects is not None:
        return {patient: wanted.subjects[patient] for patient in patients if patient in wanted.subjects}
    named = [patient for patient in patients if patient]
    width = max(2, len(str(len(named))))
    return {patient: f"{number:0{width}}" for number, patient in enumerate(named, start=1)}


def _fittest(decisions: list[Decision]) -> list[Decision]:
    """Take one of several stacks for a sequence of a study, and say why."""
    studies: dict[tuple[str | None, str], list[int]] = {}  # positions of the decisions on each study
    for number, decision in enumerate(decisions):
        studies.setdefault((decision.subject, decision.stack.first.study), []).append(number)
    for numbers in studies.values():
        study = [decisions[number] for number in numbers]
        rivals: dict[str | None, list[int]] = {}  # by sequence
        for number in numbers:
            if decisions[number].state == "taken":
                rivals.setdefault(decisions[number].sequence, []).append(number)
        for same in rivals.values():
            # 1. A series after one that shows a contrast agent is in doubt, and so less fit than one before it.
            for number in same:
                decisions[number] = replace(decisions[number], doubt=_agent_before(decisions[number], study))
            # 2. The fittest is taken; a gap in time before it is a doubt, but does not rank it.
            best, *others = sorted(
                same, key=lambda number: [value for value, _ in _criteria(decisions[number])]
            )
            doubt = decisions[best].doubt or _gap_before(decisions[best], study)
            reason = decisions[best].reason + (f"; the best of {len(same)} series" if others else "")
            reason += f"; in doubt: {doubt}" if doubt else ""
            # 3. The others are not taken; each says by what it is less fit.
            for number in others:
                why = f"{decisions[number].reason}, but {_why(decisions[best], decisions[number])}"
                decisions[number] = replace(decisions[number], state="not taken", reason=why)
            decisions[best] = replace(decisions[best], reason=reason, doubt=doubt)
    return decisions


def _criteria(decision: Decision) -> list[tuple[Any, str]]:
    """By what rivals are compared, in this order: lower is fitter; and how to say so.

    The number of slices does not count: what matters is how much of the head they cover, and how finely.
    """
    stack = decision.stack
    covered = round(min(*stack.extent_mm, HEAD_MM), -1)
    reach = round(stack.extent_mm[2], -1)
    edge = round(max(stack.spacing_mm or 0.0, *(stack.first.spacing or (0.0,))), 1)
    moved = "(if it is blurred by motion, ask for the other one by a rule with its SeriesNumber)"
    return [
        (bool(decision.signs), "shows no such sign"),
        (bool(decision.doubt), "was not acquired after a contrast agent"),
        (-covered, f"covers more of the head ({covered:.0f} mm)"),
        (stack.first.image_type[0] == "DERIVED", "is not derived from other images"),
        (edge, f"has smaller voxels (longest edge {edge} mm)"),
        (-reach, f"reaches further along its slices ({reach:.0f} mm)"),
        (stack.moment, f"was acquired first {moved}"),
        ((stack.first.series_number, stack.letter, stack.part), f"comes first {moved}"),
    ]


def _why(best: Decision, other: Decision) -> str:
    """Why the one is better than the other."""
    pairs = zip(_criteria(best), _criteria(other), strict=True)
    words = next(words for (value, words), (rival, _) in pairs if value != rival)
    return f"series {best.stack.name} {words}"


def _agent_before(decision: Decision, study: Sequence[Decision]) -> str:
    """Doubt about a series that follows one which shows a contrast agent, though it shows none itself."""
    moment = decision.stack.moment
    if not find_sequence(decision.sequence or "").enhances or AGENT in decision.signs:
        return ""
    found = [one.stack for one in study if AGENT in one.signs and "" < one.stack.moment < moment]
    return f"acquired after series {found[0].name}, which shows a contrast agent" if found else ""


def _gap_before(decision: Decision, study: Sequence[Decision]) -> str:
    """Doubt about a T1w that follows an earlier one after other series, as is done with a contrast agent."""
    before = [one.stack for one in study if "" < one.stack.moment < decision.stack.moment]
    earlier = [
        one.stack for one in study if one.stack in before and one.sequence == "T1w" and one.state == "taken"
    ]
    if decision.sequence != "T1w" or not earlier:
        return ""
    first = min(earlier, key=lambda stack: stack.moment)
    if all(stack in earlier or stack.moment <= first.moment for stack in before):
        return ""
    return f"acquired after others that followed series {first.name}, perhaps after a contrast agent"


def _with_sessions(decisions: Sequence[Decision]) -> list[Decision]:
    """Number the studies of a subject that have a chosen series, in order of their earliest times."""
    moments: dict[str | None, dict[str, str]] = {}  # subject -> study -> its earliest moment
    for decision in decisions:
        if decision.state == "taken":
            frame, studies = decision.stack.first, moments.setdefault(decision.subject, {})
            studies[frame.study] = min(frame.study_moment, studies.get(frame.study, frame.study_moment))
    sessions = {
        (subject, study): str(number)
        for subject, studies in moments.items()
        for number, study in enumerate(sorted(studies, key=lambda one: (studies[one], one)), start=1)
        if len(studies) > 1
    }
    return [
        replace(decision, session=sessions.get((decision.subject, decision.stack.first.study)))
        for decision in decisions
    ]
