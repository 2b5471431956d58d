"""What each sequence contributes, over the subjects whose maps explain each class."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.inference.jackknife import jackknife
from stratacam.evidence.measures import SHARE
from stratacam.evidence.sequences.values import SequenceValue

Floats = NDArray[np.float64]

SEQUENCES = "sequences.tsv"
"""The table of a network's sequences."""

ALL = "all"
"""The row of all sequences together."""


class SequenceSummary(NamedTuple):
    """What a sequence adds to a class; 95 % intervals over subjects and donors, NaN where there is none.

    Attributes:
        explained: the class.
        sequence: its name, or "all".
        value: mean Shapley value, in logits.
        low: of its interval.
        high: of its interval.
        share: mean share of the sizes of all values; NaN for "all".
        share_low: of its interval.
        share_high: of its interval.
        subjects: how many.
        donors: how many people stood in.
    """

    explained: str
    sequence: str
    value: float
    low: float
    high: float
    share: float
    share_low: float
    share_high: float
    subjects: int
    donors: int


def sequences_by_class(
    scans: Mapping[str, Sequence[SequenceValue]],
    explained_of: Mapping[str, str],
    subject_of: Mapping[str, str],
) -> list[SequenceSummary]:
    """Means over subjects, of each scan's values of the class that is explained in it.

    Args:
        scans: by scan, its values; none where they were not measured.
        explained_of: by scan, the class.
        subject_of: by scan.
    """
    found = []
    for explained in sorted(set(explained_of.values())):
        rows = {
            name: [row for row in values if row.of_class == explained]
            for name, values in scans.items()
            if explained_of[name] == explained
        }
        if any(rows.values()):
            found += _summaries(explained, rows, subject_of)
    return found


def shares(values: Floats) -> Floats:
    """Sizes of values (n, sequences) as shares of their sum; 0 where nothing contributes."""
    sizes = np.abs(values)
    total = sizes.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(sizes, total, out=np.zeros_like(sizes), where=total > 0))


def with_sum(values: Floats) -> Floats:
    """Values (n, sequences) with their sum as another column."""
    return np.column_stack([values, values.sum(axis=1)])


def _summaries(
    explained: str, scans: Mapping[str, Sequence[SequenceValue]], subject_of: Mapping[str, str]
) -> list[SequenceSummary]:
    """One class: a row for each sequence, and one for all."""
    weights: dict[tuple[str, str], float] = {}
    sums: dict[tuple[str, str], Floats] = {}
    for name, rows in scans.items():
        slices = {row.donor: row.slices for row in rows}
        for donor, count in slices.items():
            # every scan of a subject counts the same, and in it every slice
            pair, weight = (subject_of[name], donor), count / sum(slices.values())
            values = weight * np.array([row.value for row in rows if row.donor == donor])
            weights[pair] = weights.get(pair, 0.0) + weight
            sums[pair] = sums.get(pair, np.zeros_like(values)) + values
    subjects, donors = zip(*sums, strict=True)
    weight_of = np.array(list(weights.values()))
    means = np.stack(list(sums.values())) / weight_of[:, None]
    of_values = jackknife(subjects, donors, means, weight_of, with_sum)
    of_shares = jackknife(subjects, donors, means, weight_of, shares)
    sequences = dict.fromkeys(row.sequence for rows in scans.values() for row in rows)
    found = []
    for place, name in enumerate((*sequences, ALL)):
        value, low, high = (float(one[place]) for one in of_values)
        share, least, most = (float(one[place]) if name != ALL else math.nan for one in of_shares)
        found.append(
            SequenceSummary(
                explained,
                name,
                value,
                low,
                high,
                share,
                max(least, SHARE[0]),
                min(most, SHARE[1]),
                len(set(subjects)),
                len(set(donors)),
            )
        )
    return found
