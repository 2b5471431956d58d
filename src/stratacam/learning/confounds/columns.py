"""Which columns of a cohort's tables, and which facts of acquisition, are possible confounds."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from stratacam.learning.baselines.simple import age_and_sex
from stratacam.learning.confounds.variables import Variable, numbers, words

SITE = (
    "site", "site_id", "center", "centre", "hospital", "institution", "institution_name", "InstitutionName", "scanner",
    "scanner_id", "scanner_model", "ManufacturersModelName", "manufacturer", "vendor", "field_strength",
    "magnetic_field_strength", "MagneticFieldStrength", "coil",
)  # fmt: skip
"""Columns that say where and by which scanner somebody was scanned, in any case of their letters."""

PERSON = ("age", "sex")

FEW_VALUES = 5
"""A column of numbers with no more different ones is of codes, hence of words."""


def table_variables(people: Sequence[Mapping[str, str]], more: Sequence[str] = ()) -> list[Variable]:
    """Age, sex, and the columns of sites and of `more` that are there.

    Where at least two subjects lack a value that others have, whether it is known is a variable too.

    Args:
        people: of every subject, column to value, where there is one.
        more: further columns.
    """
    persons = [age_and_sex(person) for person in people]
    found = [
        numbers("age", "person", [person.get("age") for person in persons], unit="years"),
        words("sex", "person", [("F", "M")[int(one["sex"])] if "sex" in one else None for one in persons]),
    ]
    named = {name for person in people for name in person}
    for column in dict.fromkeys((*SITE, *more)):
        if column in named and column not in PERSON:
            values = [person.get(column) for person in people]
            found.append(words(column, "scanner", values) if column in SITE else _any(column, values))
    return [part for variable in found for part in with_missing(variable)]


def acquisition_variables(acquisitions: Sequence[Mapping[str, str]]) -> list[Variable]:
    """What headers and sidecars say of every subject's scan, as `stratacam.scans.cohort.acquisition` has it."""
    names = dict.fromkeys(name for one in acquisitions for name in one)
    found = [words(name, "scanner", [one.get(name) for one in acquisitions]) for name in names]
    return [part for variable in found for part in with_missing(variable)]


def with_missing(variable: Variable) -> Iterable[Variable]:
    """A variable and, where at least two subjects lack it and two have it, whether it is known."""
    yield variable
    known = int(variable.known.sum())
    if 2 <= known <= len(variable.known) - 2:
        yield words(
            f"whether {variable.name} is known",
            variable.kind,
            ["yes" if one else "no" for one in variable.known],
        )


def by_group(variable: Variable, labels: Sequence[int], classes: Sequence[str]) -> str:
    """The median of a number, or the most frequent word, of every group; "" for features.

    Example:
        >>> by_group(words("site", "scanner", ["A", "A", "B", "C"]), [0, 0, 1, 1], ["control", "MS"])
        'control: A (2 of 2); MS: B (1 of 2)'
    """
    if variable.form == "features":
        return ""
    parts = []
    for number, name in enumerate(classes):
        values = [
            value
            for value, label, known in zip(variable.values, labels, variable.known, strict=True)
            if known and label == number
        ]
        if not values:
            parts.append(f"{name}: none known")
        elif variable.form == "number":
            median = np.median([float(value) for value in values if value is not None])
            parts.append(f"{name}: median {median:.4g} {variable.unit}".rstrip())
        else:
            first = max(sorted({str(value) for value in values}), key=values.count)
            parts.append(f"{name}: {first} ({values.count(first)} of {len(values)})")
    return "; ".join(parts)


def _any(column: str, values: Sequence[str | None]) -> Variable:
    """A column that somebody named: numbers if all values are, and not codes; else words."""
    try:
        given = [None if value is None else float(value) for value in values]
    except ValueError:
        return words(column, "person", values)
    return (
        numbers(column, "person", given) if len(set(given)) > FEW_VALUES else words(column, "person", values)
    )
