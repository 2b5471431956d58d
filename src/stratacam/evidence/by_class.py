"""Localisation by class: each class has another truth, and one number for all hides which of them maps find."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stratacam.evidence import registry
from stratacam.evidence.localisation import AVERAGE_PRECISION
from stratacam.evidence.values import Summary, Value, by_subject, summarise

About = Mapping[str, Mapping[str, Any]]
"""By scan, what was measured; see `ScanEvidence.about`."""


class ClassSummary(NamedTuple):
    """A measure over the subjects of one class: mean and a 95 % interval; NaN where there is none."""

    group: str
    method: str
    layer: str
    measure: str
    against: str
    value: float
    low: float
    high: float
    subjects: int

    @property
    def summary(self) -> Summary:
        """The same without the class."""
        return Summary(*self[1:])


def summaries_by_class(
    values: Mapping[str, Sequence[Value]], about: About, truth: Mapping[str, Sequence[str]]
) -> list[ClassSummary]:
    """Every measure that needs the truth, over the subjects of each class in which that is stated.

    Args:
        values: by scan, its rows.
        about: by scan, its class and subject.
        truth: by class, the structures that tell it from the others.
    """
    names = {measure.name for measure in registry.measures_of_truth()}
    subject_of = {scan: one["subject"] for scan, one in about.items()}
    found = []
    for group in truth:
        rows = {
            scan: [row for row in values[scan] if row.measure in names]
            for scan, one in about.items()
            if one["group"] == group
        }
        if any(rows.values()):
            table = by_subject({scan: of_scan for scan, of_scan in rows.items() if of_scan}, subject_of)
            found += [ClassSummary(group, *summary) for summary in summarise(table, registry.limits())]
    return found


def truth_by_class(
    values: Mapping[str, Sequence[Value]], about: About, truth: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """By class that is stated, its structures, and how much of it could be scored.

    Returns:
        "structures"; "subjects" and "slices" that have truth; "scored_subjects" and "scored_slices": of these, those
        that the network classifies right.
    """
    found = {}
    for group, structures in truth.items():
        scans = [scan for scan, one in about.items() if one["group"] == group and one["truth_slices"]]
        scored = {
            scan: max(
                (row.slices for row in values[scan] if row.measure == AVERAGE_PRECISION.name), default=0
            )
            for scan in scans
        }
        found[group] = {
            "structures": list(structures),
            "subjects": len({about[scan]["subject"] for scan in scans}),
            "slices": sum(about[scan]["truth_slices"] for scan in scans),
            "scored_subjects": len({about[scan]["subject"] for scan in scans if scored[scan]}),
            "scored_slices": sum(scored.values()),
        }
    return found
