"""The audit: which variables does the group follow from, and which do a network's outputs within the groups?"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stratacam.errors import InputError
from stratacam.learning.confounds.family import LEVEL, family_wise
from stratacam.learning.confounds.intervals import (
    correlation_interval,
    cramers_v_interval,
    ratio_interval,
)
from stratacam.learning.confounds.statistics import group_statistics, output_statistics
from stratacam.learning.confounds.variables import Variable
from stratacam.learning.evaluation.intervals import Floats, Integers, Interval

DRAWS = 4999
MINIMUM_SUBJECTS = 10
"""Fewer say nothing: "cannot say"."""


@dataclass(frozen=True)
class Association:
    """What was found of one variable.

    Attributes:
        name: of the variable.
        kind: of the variable.
        measure: what `value` is, such as "Cramér's V".
        subjects: that have a value.
        missing: that have none, and are left out of this variable's test.
        value: association between 0 (none) and 1; None where it cannot be had.
        interval: 95 %; None where there is none.
        p_value: family-wise, over all variables together; None where nothing was tested.
        smallest: association from which on the variable would have been flagged; None where no association would.
        verdict: "flagged", "not flagged", "cannot say", or "not tested" where all subjects have the same.
        reason: of the verdict, where it needs one.
    """

    name: str
    kind: str
    measure: str
    subjects: int
    missing: int
    value: float | None
    interval: Interval | None
    p_value: float | None
    smallest: float | None
    verdict: str
    reason: str = ""


def audit_groups(
    variables: Sequence[Variable], labels: npt.ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> tuple[Association, ...]:
    """Whether the group follows from each variable; family-wise 5 % over all, by permutation of the groups.

    Args:
        variables: of the subjects; see `numbers`, `words` and `features`.
        labels: (subjects,) the group of each, from 0.
        draws: permutations.
        seed: of the permutations.

    Raises:
        InputError: variables of other subjects than the labels.

    Example:
        >>> from stratacam.learning.confounds import words
        >>> site = words("site", "scanner", ["A"] * 9 + ["B"] * 9)
        >>> [found.verdict for found in audit_groups([site], [0] * 8 + [1] * 10)]
        ['flagged']
    """
    label = np.asarray(labels, dtype=np.int64)
    generator = np.random.default_rng(seed)
    drawn = np.vstack([label, generator.permuted(np.tile(label, (draws, 1)), axis=1)])
    classes = int(label.max()) + 1

    def interval(variable: Variable, value: float) -> Interval | None:
        groups = len(np.unique(label[variable.known]))
        if groups < 2 or variable.form == "features":
            return None
        if variable.form == "word":
            return cramers_v_interval(value, len(variable.columns), groups, variable.columns.shape[1])
        return ratio_interval(value, len(variable.columns), groups)

    found = _audit(
        variables,
        len(label),
        lambda variable: group_statistics(variable, drawn, classes),
        interval,
        lambda variable: variable.measure,
    )
    return tuple(
        _unanswered(one, "known in one group only")
        if one.subjects >= MINIMUM_SUBJECTS and len(np.unique(label[variable.known])) < 2
        else one
        for one, variable in zip(found, variables, strict=True)
    )


def audit_outputs(
    variables: Sequence[Variable],
    labels: npt.ArrayLike,
    outputs: npt.ArrayLike,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[Association, ...]:
    """Whether a network's outputs follow from each variable within the groups, beyond the group itself.

    Family-wise 5 % over all variables, by permutation of the outputs among the subjects of a group. Means of groups are
    taken off outputs and variables, so that the association is a partial one.

    Args:
        variables: of the subjects.
        labels: (subjects,) the group of each, from 0.
        outputs: (subjects, k) held-out logits.
        draws: permutations.
        seed: of the permutations.

    Raises:
        InputError: variables or outputs of other subjects than the labels.
    """
    label, given = np.asarray(labels, dtype=np.int64), np.asarray(outputs, dtype=np.float64)
    if given.ndim != 2 or len(given) != len(label) or not np.isfinite(given).all():
        raise InputError(
            f"confounds, outputs: found shape {given.shape} for {len(label)} subjects; expected a row of finite "
            "numbers for each: give the outputs of the same subjects."
        )
    order = _orders_within(label, draws, seed)

    def interval(variable: Variable, value: float) -> Interval | None:
        simple = variable.form == "number" or variable.columns.shape[1] == 2
        if variable.form == "features" or not simple or given.shape[1] != 1:
            return None
        groups = len(np.unique(label[variable.known]))
        return correlation_interval(value, len(variable.columns) - groups + 1)

    return _audit(
        variables,
        len(label),
        lambda variable: output_statistics(variable, given, label, order),
        interval,
        lambda variable: (
            variable.measure if variable.form == "features" else "partial correlation given the group"
        ),
    )


def _unanswered(found: Association, reason: str) -> Association:
    """The variable without numbers, which would say nothing."""
    return replace(
        found, value=None, interval=None, p_value=None, smallest=None, verdict="cannot say", reason=reason
    )


def _orders_within(label: Integers, draws: int, seed: int) -> Integers:
    """Permutations (1 + draws, n) of the subjects, each within its group; the first leaves all in place."""
    generator = np.random.default_rng(seed)
    order = np.tile(np.arange(len(label)), (1 + draws, 1))
    for group in np.unique(label):
        members = np.flatnonzero(label == group)
        order[1:, members] = generator.permuted(order[1:, members], axis=1)
    return order


def _audit(
    variables: Sequence[Variable],
    subjects: int,
    statistics: Callable[[Variable], Floats],
    interval: Callable[[Variable, float], Interval | None],
    measure: Callable[[Variable], str],
) -> tuple[Association, ...]:
    for variable in variables:
        if len(variable.known) != subjects:
            raise InputError(
                f"confounds, {variable.name}: found values of {len(variable.known)} subjects for {subjects}; expected "
                "one for each: give None where it is missing."
            )
    tested = [one for one in variables if not (one.constant or one.nearly_unique)]
    found: dict[int, tuple[float, float, float]] = {}
    if tested:
        drawn = np.column_stack([statistics(variable) for variable in tested])
        p, smallest = family_wise(drawn, [variable.kind for variable in tested])
        found = {
            id(variable): (float(drawn[0, number]), float(p[number]), float(smallest[number]))
            for number, variable in enumerate(tested)
        }
    return tuple(
        _association(variable, measure(variable), interval, found.get(id(variable))) for variable in variables
    )


def _association(
    variable: Variable,
    measure: str,
    interval: Callable[[Variable, float], Interval | None],
    found: tuple[float, float, float] | None,
) -> Association:
    known, missing = int(variable.known.sum()), int((~variable.known).sum())
    of_variable = (variable.name, variable.kind, measure, known, missing)
    too_few = f"{known} subject{'s' if known > 1 else ''}; {MINIMUM_SUBJECTS} are needed"
    if found is None:
        verdict, reason = (
            ("cannot say", "no value is known")
            if not known
            else ("cannot say", too_few)
            if known < MINIMUM_SUBJECTS
            else ("not tested", "the same for all")
            if variable.constant
            else ("cannot say", "hardly two subjects share a value")
        )
        return Association(*of_variable, None, None, None, None, verdict, reason)
    value, p_value, smallest = max(found[0], 0.0), found[1], found[2]
    none = math.isnan(smallest)
    if known < MINIMUM_SUBJECTS:
        verdict, reason = "cannot say", too_few
    elif p_value <= LEVEL:
        verdict, reason = "flagged", ""
    elif none:
        verdict, reason = "cannot say", "no association would be flagged at these numbers"
    else:
        verdict, reason = "not flagged", ""
    return Association(
        *of_variable,
        value,
        interval(variable, value),
        p_value,
        None if none else max(smallest, 0.0),
        verdict,
        reason,
    )
