"""Is one model better than another on the same subjects?"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from stratacam.errors import InputError
from stratacam.learning.evaluation.auroc import areas, difference_interval
from stratacam.learning.evaluation.intervals import (
    PERMUTATIONS,
    POOLED_FOLDS,
    Floats,
    Integers,
    Interval,
    combine,
    paired_interval,
    permutations_at_once,
    within,
)


@dataclass(frozen=True)
class Difference:
    """First model minus second, with its 95 % interval; `None` where a number would not be valid."""

    value: float
    interval: Interval | None
    p_value: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two models on the same subjects.

    Attributes:
        subjects: how many.
        only_first: how many only the first model has right.
        only_second: how many only the second has right.
        accuracy: difference; its p-value is McNemar's, exact.
        balanced_accuracy: difference; p-value by swapping the models' predictions within subjects.
        macro_auroc: difference, not tested; None where all subjects are of one group.
    """

    subjects: int
    only_first: int
    only_second: int
    accuracy: Difference
    balanced_accuracy: Difference
    macro_auroc: Difference | None

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold, with the names of the attributes."""
        return asdict(self)


def compare(
    labels: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike, *, folds: int = 1, seed: int = 0
) -> Comparison:
    """Compare two models' probabilities of the same subjects, row by row.

    Intervals of 95 %: accuracy, by Bonett and Price (2012); balanced accuracy, from those of the groups by MOVER;
    macro AUROC, from those of the areas by MOVER with their correlations. With pooled folds, subjects depend on each
    other through the models, so that there are no p-values (swapping at a level of 5 % found 7 to 11 % of nothing);
    the wider intervals hold.

    Args:
        labels: (subjects,) the true class of each.
        first: (subjects, classes) probabilities by the first model.
        second: (subjects, classes) probabilities by the second model.
        folds: of each model, whose predictions are pooled.
        seed: of swaps.

    Raises:
        InputError: arrays of different subjects.
    """
    label = np.asarray(labels, dtype=np.int64)
    both = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if both[0].shape != both[1].shape or both[0].ndim != 2 or len(both[0]) != len(label) or len(label) == 0:
        raise InputError(
            f"comparison, probabilities: found shapes {both[0].shape} and {both[1].shape} for {len(label)} subjects; "
            "expected one row a subject and one column a group in both: give the same subjects to both."
        )
    tested, widen = folds == 1, POOLED_FOLDS if folds > 1 else 1.0
    right = [probabilities.argmax(1) == label for probabilities in both]
    only_first, only_second = right[0] & ~right[1], right[1] & ~right[0]
    of_class = np.bincount(label)
    gain = (only_first.astype(np.float64) - only_second) / of_class[label] / (of_class > 0).sum()
    won, lost = int(only_first.sum()), int(only_second.sum())
    everybody = np.zeros(len(label), dtype=np.int64)
    return Comparison(
        subjects=len(label),
        only_first=won,
        only_second=lost,
        accuracy=Difference(
            (won - lost) / len(label),
            _gain_interval(everybody, only_first, only_second, widen),
            (float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0) if tested else None,
        ),
        balanced_accuracy=Difference(
            float(gain.sum()),
            _gain_interval(label, only_first, only_second, widen),
            swap_p_value(gain, seed=seed) if tested else None,
        ),
        macro_auroc=_auroc_difference(label, both, widen),
    )


def swap_p_value(gain: Floats, *, seed: int) -> float:
    """Return the two-sided p-value of a difference when the two models are swapped at random in each subject.

    Args:
        gain: (subjects,) what each subject adds to the difference; swapping the models changes its sign.
        seed: of the swaps; the observed difference is counted among them.
    """
    generator = np.random.default_rng(seed)
    as_far = 1
    for count in permutations_at_once(len(gain)):
        sign = generator.choice([-1.0, 1.0], size=(count, len(gain)))
        as_far += int((np.abs(sign @ gain) >= abs(gain.sum()) - 1e-9).sum())
    return as_far / (1 + PERMUTATIONS)


def _gain_interval(
    stratum: Integers, only_first: npt.NDArray[np.bool_], only_second: npt.NDArray[np.bool_], widen: float
) -> Interval:
    """Return the interval of the mean over strata of the difference in the share that is right."""
    values, limits = [], []
    for number in np.unique(stratum):
        inside = stratum == number
        count, won, lost = (int(some[inside].sum()) for some in (inside, only_first, only_second))
        values.append((won - lost) / count)
        limits.append(paired_interval(won, lost, count))
    return within(combine(values, limits, np.full(len(values), 1 / len(values)), widen=widen), -1, 1)


def _auroc_difference(label: Integers, both: tuple[Floats, Floats], widen: float) -> Difference | None:
    first, second = (areas(label, probabilities) for probabilities in both)
    if not len(first.values):
        return None
    value = float(first.values.mean() - second.values.mean())
    return Difference(value, difference_interval(first, second, widen))
