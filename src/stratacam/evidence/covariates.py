"""What groups are compared beside: age, sex and the like."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.learning.confounds import SITE
from stratacam.scans.cohort.spelling import check_spelling

USUAL = ("age", "sex")
"""Covariates where the settings name none and all subjects have them."""
CODES = {column.casefold() for column in SITE}


def covariates_of(
    people: Mapping[str, Mapping[str, str]], subjects: Sequence[str], wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.float64] | None]:
    """Values (subjects, c), and the covariate of every column: numbers as they are, words a column each but the first.

    Columns of site and scanner are words, also where their values are numbers: site 3 is not thrice site 1.

    What is the same in everybody is left out; None if nothing is left. "nan" and "inf" are no values.

    Raises:
        InputError: a subject lacks one that the settings name.
    """
    columns = USUAL if wanted is None else wanted
    lacking = [
        subject
        for subject in subjects
        if any(not _is_value(people.get(subject, {}).get(column, "nan")) for column in columns)
    ]
    if not columns or (lacking and wanted is None):
        return (), None
    if lacking:
        raise InputError(
            f"evidence.covariates: {', '.join(lacking)} lacks {' or '.join(columns)}; expected a value of each: "
            "fill them in, or leave the column out of the setting."
        )
    found = {
        column: _numbers([people[subject][column] for subject in subjects], codes=column.casefold() in CODES)
        for column in columns
    }
    varying = {column: values for column, values in found.items() if (values != values[:1]).any()}
    names = tuple(column for column, values in varying.items() for _ in values.T)
    return names, np.column_stack(list(varying.values())) if varying else None


def _is_value(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return True


def _numbers(words: Sequence[str], *, codes: bool) -> NDArray[np.float64]:
    with suppress(ValueError):
        if not codes:
            return np.array([float(word) for word in words])[:, None]
    check_spelling("evidence.covariates", words)
    kinds = sorted(set(words))
    return np.array([[float(word == kind) for kind in kinds[1:]] for word in words]).reshape(len(words), -1)
