"""What groups are compared beside: age, sex and the like, from the cohort's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratacam.errors import InputError
from stratacam.scans.cohort.people import read_people
from stratacam.scans.cohort.spelling import check_spelling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratacam.study.gathering import Gathered
    from stratacam.study.study import Study

USUAL = ("age", "sex")
"""Covariates where the settings name none and everybody has them."""


def read_people_of(study: Study, gathered: Gathered) -> dict[str, dict[str, str]]:
    """By subject, the covariates of its first scan, as the tables have them.

    Raises:
        InputError: a column that the settings name is not there, or somebody who is learnt from lacks it.
    """
    wanted = study.configuration.evidence.covariates
    columns = USUAL if wanted is None else wanted
    if not columns:
        return {}
    people = read_people(
        study.configuration.cohort.input, gathered.scans, columns, required=wanted is not None
    )
    first: dict[str, dict[str, str]] = {}
    for scan in gathered.scans:
        first.setdefault(f"sub-{scan.subject}", people[scan.name])
    covariates_of(first, sorted({scan.subject for scan in gathered.cohort.pictures}), wanted)
    return first


def covariates_of(
    people: Mapping[str, Mapping[str, str]], subjects: Sequence[str], wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.float64] | None]:
    """Names and values (subjects, c): numbers as they are, words as one column for each but the first.

    Raises:
        InputError: somebody lacks one that the settings name.
    """
    columns = USUAL if wanted is None else wanted
    lacking = [
        subject for subject in subjects if any(column not in people.get(subject, {}) for column in columns)
    ]
    if not columns or (lacking and wanted is None):
        return (), None
    if lacking:
        raise InputError(
            f"evidence.covariates: {', '.join(lacking)} lacks {' or '.join(columns)}; fill it in, or leave it out."
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
