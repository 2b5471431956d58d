"""What one stack is by its header, and what speaks against taking it, without regard to other stacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stratacam.scans.dicom.rules import ImportMap
from stratacam.scans.dicom.series import Stack, stack_fault
from stratacam.scans.signs import ECHOES, FIELD, LOCALISER, SECONDARY, find_signs

MINIMUM_SLICES = 8
PLANES = 3  # orientations of a localiser
PHASES = {"P", "PHASE", "PHASE MAP", "P_FFE"}
MAXIMUM_ECHOES = {"SE": 2, "GR": 1}  # proton density and T2w in one; more are made to measure relaxation


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
    signs: tuple[str, ...] = ()  # names of `signs`: why it was not taken, or in spite of what it was
    doubt: str = ""  # what else speaks against it


def decide(stack: Stack, label: str | None, siblings: Mapping[str, str], wanted: ImportMap) -> Decision:
    """Decide about one stack of the subject `label`, which shows the signs `siblings` together with others.

    It is "taken" if nothing in the stack itself speaks against it.
    """
    header = stack.first.header
    decision = Decision(stack, label, None, None, "not taken", "")
    # 1. It can be a volume.
    if unfit := _unfit(stack):
        return replace(decision, reason=unfit)
    # 2. A rule says which sequence it is.
    number = wanted.first_rule(header)
    sequence = None if number is None else wanted.rule[number].sequence
    shown = find_signs(header, stack.first.image_type, sequence) | dict(siblings)
    if number is None or sequence is None:
        return replace(decision, reason=_listed(shown) or wanted.why_none(header))
    # 3. No sign says that it is something else, but those that the map allows.
    by_rule = f"{sequence} by rule {number + 1}"
    decision = replace(decision, sequence=sequence, reason=by_rule)
    allowed = {*wanted.allow.get(sequence, ()), *([SECONDARY] if wanted.rule[number].derived else [])}
    if against := {name: entry for name, entry in shown.items() if name not in allowed}:
        return replace(decision, reason=f"{by_rule}, but {_listed(against)}", signs=tuple(against))
    # 4. It can be used: whose it is is known, and it is one whole volume.
    if label is None and stack.first.patient:
        return replace(decision, reason="its PatientID is not in [subjects]")
    fault = stack_fault(stack)
    if label is None:
        fault = 'has no PatientID; if all such files are one person, add "" = "label" to [subjects]'
    if fault:
        return replace(decision, state="left out", reason=fault)
    reason = f"{by_rule}, in spite of {_listed(shown)}" if shown else by_rule
    return replace(decision, state="taken", reason=reason, signs=tuple(shown))


def sibling_signs(stacks: Sequence[Stack]) -> list[dict[str, str]]:
    """For every stack, signs (name -> DICOM keyword) that it shows together with others of its acquisition.

    These are echoes, phase beside magnitude, and orientations: exports may make series of what was one acquisition.
    """
    acquisitions: dict[tuple[object, ...], list[Stack]] = {}
    for stack in stacks:
        acquisitions.setdefault(_acquisition(stack), []).append(stack)
    return [_shown_together(stack, acquisitions[_acquisition(stack)]) for stack in stacks]


def _acquisition(stack: Stack) -> tuple[object, ...]:
    frame = stack.first
    named = frame.header["SeriesDescription"] or frame.series
    return (frame.patient, frame.study, named, frame.header["RepetitionTime"])


def _shown_together(stack: Stack, siblings: Sequence[Stack]) -> dict[str, str]:
    header = stack.first.header
    spoiled = "GR" in header["ScanningSequence"] and not header["InversionTime"].strip("0.")
    numbered = [one for one in siblings if one.first.series_number == stack.first.series_number]
    shown = {}
    if (
        len({one.first.header["EchoTime"] for one in numbered})
        > MAXIMUM_ECHOES["GR" if "GR" in header["ScanningSequence"] else "SE"]
    ):
        shown[ECHOES] = "EchoTime"
    if spoiled and any(PHASES.intersection(one.first.image_type) for one in siblings):
        shown[FIELD] = "ImageType"
    if len({one.first.orientation for one in siblings if one.first.series == stack.first.series}) >= PLANES:
        shown[LOCALISER] = "ImageOrientationPatient"
    return shown


def _unfit(stack: Stack) -> str | None:
    if stack.first.colours != 1:
        return "colour"
    if len(stack.slices) < MINIMUM_SLICES:
        differ = f"; the stacks of the series differ in {', '.join(stack.differ)}" if stack.differ else ""
        return f"{len(stack.slices)} slices, fewer than {MINIMUM_SLICES}{differ}"
    return None


def _listed(signs: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({entry})" for name, entry in signs.items())
