"""How good the predictions are, and how far chance and few subjects could have brought them.

Subjects, not slices, are independent: every interval resamples subjects with all their slices.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.metrics import confusion_matrix

Interval = tuple[float, float]
Counts = npt.NDArray[np.int64]

RESAMPLES = 2000
PERMUTATIONS = 10_000
DRAWS_AT_ONCE = 100

METHODS = {
    "bootstrap": f"95 % percentile interval over {RESAMPLES} resamples of subjects, with all slices of each. "
    "The balanced accuracy of a resample is the mean recall over the groups present in it.",
    "small_sample": "95 % interval for few subjects, where the bootstrap degenerates (no width when all are "
    "right): accuracy, exact Clopper-Pearson; balanced accuracy, posterior of the mean recall with uniform "
    "priors (Brodersen et al. 2010).",
    "chance": "accuracy: share of the largest group; balanced accuracy: 1 / groups.",
    "p_value": f"one-sided, over subjects: accuracy, exact binomial test against chance; balanced accuracy, "
    f"{PERMUTATIONS} permutations of the subjects' groups, the observed one counted.",
}
"""How each number is obtained, in words; written beside the numbers."""


@dataclass(frozen=True)
class Estimate:
    """A value between 0 and 1 with its 95 % intervals; `None` where a number would not be valid."""

    value: float
    chance: float
    bootstrap: Interval
    small_sample: Interval | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Scores:
    """The confusion matrix (rows: true group, columns: predicted) and the accuracies that follow from it."""

    confusion: tuple[tuple[int, ...], ...]
    accuracy: Estimate
    balanced_accuracy: Estimate


def confusion_by_subject(
    label: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    subject: npt.NDArray[np.int64],
    classes: int,
) -> Counts:
    """Count true and predicted labels of each subject's slices: (subjects, classes, classes)."""
    counts = np.zeros((int(subject.max()) + 1, classes, classes), dtype=np.int64)
    np.add.at(counts, (subject, label, predicted), 1)
    return counts


def accuracies(confusion: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return accuracy and balanced accuracy of confusion matrices (..., classes, classes).

    Balanced accuracy is the mean recall over the classes that occur.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    of_class = confusion.sum(-1)
    recall = np.divide(right, of_class, out=np.zeros(right.shape), where=of_class > 0)
    return right.sum(-1) / of_class.sum(-1), recall.sum(-1) / (of_class > 0).sum(-1)


def score_slices(counts: Counts, *, seed: int) -> Scores:
    """Score slices from the counts of each subject, (subjects, classes, classes)."""
    confusion = counts.sum(0)
    accuracy, balanced = accuracies(confusion)
    accuracy_interval, balanced_interval = bootstrap(counts, seed=seed)
    return Scores(
        _plain(confusion),
        Estimate(float(accuracy), _largest_share(confusion), accuracy_interval),
        Estimate(float(balanced), _one_over_classes(confusion), balanced_interval),
    )


def score_subjects(
    label: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int, *, seed: int
) -> Scores:
    """Score subjects from their labels and predictions, (subjects,), with intervals for few and p-values."""
    confusion = confusion_matrix(label, predicted, labels=range(classes))
    accuracy, balanced = accuracies(confusion)
    counts = confusion_by_subject(label, predicted, np.arange(len(label)), classes)
    accuracy_interval, balanced_interval = bootstrap(counts, seed=seed)
    chance = _largest_share(confusion)
    right = int(np.trace(confusion))
    p_value = stats.binomtest(right, len(label), chance, alternative="greater").pvalue
    exact = stats.binomtest(right, len(label)).proportion_ci(0.95, method="exact")
    return Scores(
        _plain(confusion),
        Estimate(
            float(accuracy), chance, accuracy_interval, (float(exact.low), float(exact.high)), float(p_value)
        ),
        Estimate(
            float(balanced),
            _one_over_classes(confusion),
            balanced_interval,
            balanced_posterior(confusion, seed=seed),
            permutation_p_value(label, predicted, classes, seed=seed),
        ),
    )


def bootstrap(counts: Counts, *, seed: int) -> tuple[Interval, Interval]:
    """Resample subjects with replacement; return the intervals of accuracy and balanced accuracy."""
    generator = np.random.default_rng(seed)
    subjects = len(counts)
    values = []
    for _ in range(RESAMPLES // DRAWS_AT_ONCE):
        times = generator.multinomial(subjects, np.full(subjects, 1 / subjects), size=DRAWS_AT_ONCE)
        values.append(accuracies(np.tensordot(times, counts, axes=1)))
    accuracy, balanced = np.concatenate(values, axis=1)
    return _percentiles(accuracy), _percentiles(balanced)


def balanced_posterior(confusion: Counts, *, seed: int) -> Interval:
    """Return the 95 % interval of the mean of the recalls, each Beta(1 + right, 1 + wrong).

    K. H. Brodersen et al., "The balanced accuracy and its posterior distribution" (2010).
    """
    generator = np.random.default_rng(seed)
    present = confusion[confusion.sum(1) > 0]
    right = np.diagonal(confusion)[confusion.sum(1) > 0]
    return _percentiles(generator.beta(1 + right, 1 + present.sum(1) - right, (20_000, len(right))).mean(1))


def permutation_p_value(
    label: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int, *, seed: int
) -> float:
    """Return the share of permuted labels whose balanced accuracy is as high as the observed one."""
    generator = np.random.default_rng(seed)
    observed = accuracies(confusion_matrix(label, predicted, labels=range(classes)))[1]
    of_class = np.bincount(label, minlength=classes)
    weight = np.divide(1, of_class, out=np.zeros(classes), where=of_class > 0) / (of_class > 0).sum()
    values = np.empty(PERMUTATIONS)
    for number in range(PERMUTATIONS):
        permuted = generator.permutation(label)
        values[number] = weight[permuted[permuted == predicted]].sum()
    return float((1 + (values >= observed - 1e-9).sum()) / (1 + PERMUTATIONS))


def _percentiles(values: npt.NDArray[np.float64]) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _largest_share(confusion: Counts) -> float:
    return float(confusion.sum(1).max() / confusion.sum())


def _one_over_classes(confusion: Counts) -> float:
    return float(1 / (confusion.sum(1) > 0).sum())


def _plain(confusion: Counts) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in confusion)
