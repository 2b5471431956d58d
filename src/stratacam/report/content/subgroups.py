"""How the first network did in subgroups of the held-out people: by group, sex, age and site."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from stratacam.errors import InputError
from stratacam.learning.confounds.columns import SITE
from stratacam.learning.evaluation.intervals import POOLED_FOLDS, share_interval
from stratacam.report.content.study import StudyContent, subject_label
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.people import read_people

SEXES = {"f": "female", "m": "male"}


@dataclass(frozen=True)
class Subgroup:
    """Held-out people that share something.

    Attributes:
        by: what they share, such as "sex".
        name: its value, such as "female".
        subjects: how many they are.
        right: how many of them the first network classified right.
        interval: 95 % interval of that share.
    """

    by: str
    name: str
    subjects: int
    right: int
    interval: tuple[float, float]


def subgroups(study: StudyContent) -> list[Subgroup]:
    """Of the group, and of sex, age and site where the cohort's tables know them of everybody who was held out."""
    right = {subject_label(row["subject"]): row["group"] == row["predicted"] for row in study.predictions}
    values = {"group": {subject_label(row["subject"]): row["group"] for row in study.predictions}}
    people = _people(study, right)
    for column in ("sex", "age", *SITE):
        known = {subject: one[column] for subject, one in people.items() if one.get(column)}
        if len(known) == len(right) and len(set(known.values())) > 1:
            values[column] = _named(column, known)
    widen = POOLED_FOLDS if study.main.folds else 1.0
    found = []
    for by, of_subject in values.items():
        names = sorted(set(of_subject.values()))
        for name in study.card.classes if by == "group" else names:
            members = [subject for subject, value in of_subject.items() if value == name]
            if not members:
                continue
            count = sum(right[subject] for subject in members)
            found.append(Subgroup(by, name, len(members), count, _interval(count, len(members), widen)))
    return found


def _interval(right: int, count: int, widen: float) -> tuple[float, float]:
    share, (low, high) = right / count, share_interval(right, count)
    return max(share - widen * (share - low), 0.0), min(share + widen * (high - share), 1.0)


def _people(study: StudyContent, subjects: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """Values of the cohort's tables for every subject, of its first scan; none where the tables are not there."""
    scans = [
        Scan(scan.subject, scan.session, {})
        for scan in study.scans.values()
        if f"sub-{scan.subject}" in subjects
    ]
    try:
        found = read_people(study.delivered, scans, ("sex", "age", *SITE))
    except (InputError, OSError):
        return {}
    first: dict[str, Mapping[str, str]] = {}
    for name in sorted(found):
        first.setdefault(subject_label(name), found[name])
    return first


def _named(column: str, known: Mapping[str, str]) -> dict[str, str]:
    """Sexes in full, and ages by their median; other values as they are."""
    if column == "sex":
        return {subject: SEXES.get(value[:1].casefold(), value) for subject, value in known.items()}
    if column != "age":
        return dict(known)
    try:
        ages = {subject: float(value) for subject, value in known.items()}
    except ValueError:
        return dict(known)
    middle = median(ages.values())
    return {
        subject: f"from {middle:g} years" if age >= middle else f"below {middle:g} years"
        for subject, age in ages.items()
    }
