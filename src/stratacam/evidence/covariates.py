"""What groups are compared beside: age, sex and the like."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.scans.cohort.spelling import check_spelling

USUAL = ("age", "sex")
"""Covariates where the settings name none and all subjects have them."""


def covariates_of(
    people: Mapping[str, Mapping[str, str]], subjects: Sequence[str], wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.float64] | None]:
    """Names and values (subjects, c): numbers as they are, words as one column for each but the first.

    Raises:
        InputError: a subject lacks one that the settings name.
    """
    columns = USUAL if wanted is None else wanted
    lacking = [
        subject for subject in subjects if any(column not in people.get(subject, {}) for column in columns)
    ]
    if not columns or (lacking and wanted is None):
        return (), None
    if lacking:
        raise InputError(
            f"evidence.covariates: {', '.join(lacking)} lacks {' or '.join(columns)}; expected a value of each: "
            "fill them in, or leave the column out of the setting."
        )
    values = [_numbers([people[subject][column] for subject in subjects]) for column in columns]
    return tuple(columns), np.column_stack(values)


def _numbers(words: Sequence[str]) -> NDArray[np.float64]:
    try:
        return np.array([float(word) for word in words])[:, None]
    except ValueError:
        check_spelling("evidence.covariates", words)
        kinds = sorted(set(words))
        return np.array([[float(word == kind) for kind in kinds[1:]] for word in words]).reshape(
            len(words), -1
        )
