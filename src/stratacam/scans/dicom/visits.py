"""Notes on visits: sequences that are missing, what would take them, and scans that may not be of a whole head."""

import json
from collections.abc import Sequence

from stratacam.scans.cohort.bids import scan_name
from stratacam.scans.dicom.choose import HEAD_MM
from stratacam.scans.dicom.decide import Decision
from stratacam.scans.dicom.people import listed


def visit_notes(decisions: Sequence[Decision], sequences: Sequence[str]) -> list[str]:
    """Notes for the console on every visit of every subject; `sequences` are those that the map has rules for."""
    subjects: dict[str, dict[str, list[Decision]]] = {}
    for decision in decisions:
        if decision.subject is not None:
            visit = scan_name(decision.subject, decision.session)
            subjects.setdefault(decision.subject, {}).setdefault(visit, []).append(decision)
    return [note for visits in subjects.values() for note in _of_subject(visits, sequences)]


def _of_subject(visits: dict[str, list[Decision]], sequences: Sequence[str]) -> list[str]:
    taken = {name: _taken(found) for name, found in visits.items()}
    notes = []
    for name, found in visits.items():
        if any(taken.values()) and not taken[name]:
            continue  # another examination, of the spine perhaps
        lacking = [sequence for sequence in sequences if sequence not in taken[name]]
        if lacking:
            notes.append(f"{name} lacks {listed(lacking)}")
        for sequence in lacking:
            signed = next((one for one in found if one.sequence == sequence and one.signs), None)
            if signed:
                notes.append(
                    f"{name}: series {signed.stack.name} is {sequence}, but {listed(signed.signs)}: the map takes it "
                    f"with allow.{sequence} = {json.dumps(signed.signs)}"
                )
            notes += [
                f"{name}: {other} has {sequence}: if both are one visit, put its files into one session"
                for other in visits
                if sequence in taken[other]
            ]
        for sequence, decision in taken[name].items():
            shortest = min(decision.stack.extent_mm)
            if shortest < HEAD_MM:
                notes.append(
                    f"{name}: {sequence} series {decision.stack.name} reaches {shortest:.0f} mm in one direction: look "
                    "whether it is the whole head"
                )
    return notes


def _taken(decisions: Sequence[Decision]) -> dict[str, Decision]:
    return {one.sequence: one for one in decisions if one.state == "taken" and one.sequence}
