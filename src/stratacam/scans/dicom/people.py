"""Who the patients of a folder are: IDs that stand for several people, and people who have several IDs."""

from collections.abc import Iterable, Mapping, Sequence

from stratacam.scans.dicom.series import Stack

DETAILS = {"birth_date": "birth date", "sex": "sex", "name": "name"}


def contradictions(stacks: Iterable[Stack], same_person: Iterable[str]) -> dict[str, str]:
    """PatientIDs under which details of the person differ, and which details; absent details contradict none."""
    people: dict[str, set[object]] = {}
    for stack in stacks:
        people.setdefault(stack.first.patient, set()).add(stack.first.person)
    differ = {
        patient: [
            words for key, words in DETAILS.items() if len({getattr(one, key) for one in found} - {""}) > 1
        ]
        for patient, found in people.items()
        if patient not in same_person
    }
    return {patient: listed(words) for patient, words in differ.items() if words}


def doubts(stacks: Sequence[Stack], labels: Mapping[str, str], same_person: Iterable[str]) -> list[str]:
    """Notes on IDs that several people have, or one person may have; they name IDs, for the console."""
    studies: dict[str, set[str]] = {}
    people: dict[object, set[str]] = {}
    for stack in stacks:
        studies.setdefault(stack.first.study, set()).add(stack.first.patient)
        if stack.first.person.birth_date and stack.first.person.name:
            people.setdefault(stack.first.person, set()).add(stack.first.patient)
    found = {("one study holds files of", tuple(sorted(ids))) for ids in studies.values()}
    found |= {("birth date, sex and name are the same for", tuple(sorted(ids))) for ids in people.values()}
    notes = [
        f"PatientID {patient!r} is that of people who differ in {words}, so that nothing of it was imported: give each "
        "an ID, or import each one's files by themselves under a label of [subjects]; if it is one person, add the ID "
        "to same_person of the map"
        for patient, words in contradictions(stacks, same_person).items()
    ]
    return notes + [
        f"{what} PatientID {listed([repr(one) for one in ids])}: if they are one person, give them one label in "
        "[subjects] of the map"
        for what, ids in sorted(found)
        if len({labels.get(one, one) for one in ids}) > 1
    ]


def listed(words: Sequence[str]) -> str:
    """A, B and C."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
