"""What the network loses when a structure is filled: over the subjects who are given each class."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.counterfactual.shams import above_sham, sham_of
from stratacam.evidence.counterfactual.structures import LOGIT_CHANGE
from stratacam.evidence.inference import MINIMUM_SUBJECTS, mean_interval, simultaneous
from stratacam.evidence.inference.means import LEVEL
from stratacam.evidence.values import SubjectTable, Value, by_subject

Floats = NDArray[np.float64]

LOSSES = "structures.tsv"
"""The table of a network's losses."""


class StructureLoss(NamedTuple):
    """What filling a structure does to the logit of a class; intervals of 95 % over subjects, NaN where there is none.

    Attributes:
        explained: the class.
        structure: its name.
        change: mean fall.
        low: of its interval.
        high: of its interval.
        sham: mean fall of shams.
        sham_low: of its interval.
        sham_high: of its interval.
        subjects: who have the structure in some slice.
        first: subjects in whom no other structure and no sham changes the logit more, up or down.
        verdict: "lost" or "gained" more than by shams, or "cannot say" and why.
    """

    explained: str
    structure: str
    change: float
    low: float
    high: float
    sham: float
    sham_low: float
    sham_high: float
    subjects: int
    first: int
    verdict: str


def losses_by_class(
    scans: Mapping[str, Sequence[Value]],
    explained_of: Mapping[str, str],
    subject_of: Mapping[str, str],
    *,
    seed: int = 0,
) -> list[StructureLoss]:
    """Summarise structures by the class that was explained.

    A verdict needs a family-wise p-value of 5 % at most, over all structures and classes, of the difference from shams.

    Args:
        scans: by scan, its values.
        explained_of: by scan, the class.
        subject_of: by scan.
        seed: of the sign flips.
    """
    tables = {
        explained: by_subject(
            {name: rows for name, rows in scans.items() if explained_of[name] == explained}, subject_of
        )
        for explained in sorted(set(explained_of.values()))
    }
    found = [
        (explained, structure) for explained, table in tables.items() for structure in _structures(table)
    ]
    if not found:
        return []
    subjects = sorted(set(subject_of.values()))
    differences = np.full((len(subjects), len(found)), np.nan)
    for column, (explained, structure) in enumerate(found):
        rows = [subjects.index(subject) for subject in tables[explained].subjects]
        differences[rows, column] = _column(tables[explained], above_sham(structure))
    tested = simultaneous(differences, seed=seed)
    return [
        _summary(tables[explained], explained, structure, _verdict(mean, p, int(count)))
        for (explained, structure), mean, p, count in zip(
            found, tested.mean, tested.p, tested.subjects, strict=True
        )
    ]


def _structures(table: SubjectTable) -> list[str]:
    """The structures that were filled, in the order of the table."""
    against = [key[3] for key in table.keys if key[:3] == ("", "", LOGIT_CHANGE.name)]
    return [name for name in against if sham_of(name) in against]


def _column(table: SubjectTable, against: str) -> Floats:
    return table.column(("", "", LOGIT_CHANGE.name, against))


def _summary(table: SubjectTable, explained: str, structure: str, verdict: str) -> StructureLoss:
    change, sham = _column(table, structure), _column(table, sham_of(structure))
    names = _structures(table)
    others = [_column(table, name) for name in names if name != structure]
    others += [_column(table, sham_of(name)) for name in names]
    largest = np.nan_to_num(np.abs(others)).max(axis=0)
    return StructureLoss(
        explained,
        structure,
        float(np.nanmean(change)),
        *mean_interval(change),
        float(np.nanmean(sham)) if not np.isnan(sham).all() else math.nan,
        *mean_interval(sham),
        int((~np.isnan(change)).sum()),
        int((np.abs(change) > largest).sum()),
        verdict,
    )


def _verdict(mean: float, p: float, subjects: int) -> str:
    if subjects < MINIMUM_SUBJECTS:
        return f"cannot say ({subjects} subjects; {MINIMUM_SUBJECTS} are needed)"
    if p > LEVEL:
        return "cannot say (no more than shams, as far as can be seen)"
    return "lost" if mean > 0 else "gained"
