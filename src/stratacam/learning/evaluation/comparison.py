"""Is one model better than another on the same subjects?"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from stratacam.errors import InputError
from stratacam.learning.evaluation import metrics
from stratacam.learning.evaluation.intervals import (
    PERMUTATIONS,
    Floats,
    Integers,
    Interval,
    percentile_interval,
    permutations_at_once,
    resample,
)


@dataclass(frozen=True)
class Difference:
    """First model minus second, with its 95 % interval; `None` where a number would not be valid."""

    value: float
    bootstrap: Interval | None
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
    labels: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike, *, seed: int = 0
) -> Comparison:
    """Compare two models' probabilities of the same subjects, row by row.

    Intervals: 95 % percentiles over resamples of subjects, the same for both models.

    Args:
        labels: (subjects,) the true class of each.
        first: (subjects, classes) probabilities by the first model.
        second: (subjects, classes) probabilities by the second model.
        seed: of resamples and swaps.

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
    subjects, classes = both[0].shape
    times = resample(subjects, seed=seed)
    predicted = [probabilities.argmax(1) for probabilities in both]
    right = [(given == label).astype(np.float64) for given in predicted]
    only_first, only_second = int((right[0] > right[1]).sum()), int((right[1] > right[0]).sum())
    discordant = only_first + only_second
    mcnemar = float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0

    of_class = np.bincount(label, minlength=classes)
    gain = (right[0] - right[1]) / of_class[label] / (of_class > 0).sum()
    values, resampled = zip(*(_accuracies(label, given, classes, times) for given in predicted), strict=True)
    value, spread = values[0] - values[1], resampled[0] - resampled[1]
    return Comparison(
        subjects=subjects,
        only_first=only_first,
        only_second=only_second,
        accuracy=_difference(value[0], spread[0], subjects, mcnemar),
        balanced_accuracy=_difference(value[1], spread[1], subjects, swap_p_value(gain, seed=seed)),
        macro_auroc=_auroc_difference(label, both, times),
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


def _accuracies(label: Integers, predicted: Integers, classes: int, times: Floats) -> tuple[Floats, Floats]:
    """Return accuracy and balanced accuracy, (2,), and those of the resamples, (2, resamples)."""
    counts = metrics.confusion_by_subject(label, predicted, np.arange(len(label)), classes)
    resampled = np.tensordot(times, counts, axes=1)
    return np.stack(metrics.accuracies(counts.sum(0))), np.stack(metrics.accuracies(resampled))


def _auroc_difference(label: Integers, both: tuple[Floats, Floats], times: Floats) -> Difference | None:
    subject, once = np.arange(len(label)), np.ones((1, len(label)))
    occurring = np.unique(label)
    if len(occurring) < 2:
        return None
    (value,), spread = (
        metrics.aurocs(label, both[0], subject, drawn)[:, occurring].mean(1)
        - metrics.aurocs(label, both[1], subject, drawn)[:, occurring].mean(1)
        for drawn in (once, times)
    )
    return _difference(value, spread, len(label))


def _difference(value: float, spread: Floats, subjects: int, p_value: float | None = None) -> Difference:
    interval = percentile_interval(spread) if subjects > 1 else None
    return Difference(float(value), interval, p_value)
