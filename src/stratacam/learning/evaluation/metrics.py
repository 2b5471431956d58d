"""Measures of a classifier, of all subjects as they are or of many resamples of them at once.

A resample is a row of `times`, (resamples, subjects): how often each subject counts, see `intervals.resample`.
Where a measure needs what is not there (a sensitivity without anybody of the class), it is NaN.
"""

import math

import numpy as np
import numpy.typing as npt

from stratacam.learning.evaluation.intervals import NUMBERS_AT_ONCE, Floats, Integers


def confusion_by_subject(label: Integers, predicted: Integers, subject: Integers, classes: int) -> Integers:
    """Count true and predicted labels of each subject's slices: (subjects, classes, classes)."""
    counts = np.zeros((int(subject.max()) + 1, classes, classes), dtype=np.int64)
    np.add.at(counts, (subject, label, predicted), 1)
    return counts


def accuracies(confusion: npt.NDArray[np.generic]) -> tuple[Floats, Floats]:
    """Return accuracy and balanced accuracy of confusion matrices (..., classes, classes).

    Balanced accuracy is the mean sensitivity over the classes that occur.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    of_class = counts.sum(-1)
    recall = np.divide(right, of_class, out=np.zeros(right.shape), where=of_class > 0)
    return right.sum(-1) / of_class.sum(-1), recall.sum(-1) / (of_class > 0).sum(-1)


def sensitivities(confusion: npt.NDArray[np.generic]) -> Floats:
    """Return the share of each class that is given this class, (..., classes)."""
    counts = np.asarray(confusion, dtype=np.float64)
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1))


def specificities(confusion: npt.NDArray[np.generic]) -> Floats:
    """Return the share of all others that is not given the class, for each class, (..., classes)."""
    counts = np.asarray(confusion, dtype=np.float64)
    of_class, given = counts.sum(-1), counts.sum(-2)
    others = of_class.sum(-1, keepdims=True) - of_class
    wrong = given - np.diagonal(counts, axis1=-2, axis2=-1)
    return _ratio(others - wrong, others)


def auroc(scores: Floats, positive: npt.NDArray[np.bool_], subject: Integers, times: Floats) -> Floats:
    """Return the area under the ROC curve of each resample, (resamples,).

    It is the share of pairs, one positive and one negative, in which the positive has the higher score; a tie
    counts one half (Mann and Whitney). A slice counts as often as its subject does.

    Args:
        scores: (n,) of the slices.
        positive: (n,) whether a slice is of the class.
        subject: (n,) position of its subject among the columns of `times`.
        times: (resamples, subjects).
    """
    order = np.argsort(scores[~positive])
    negative_subject = subject[~positive][order]
    negative_scores = scores[~positive][order]
    below = np.searchsorted(negative_scores, scores[positive], side="left")
    not_above = np.searchsorted(negative_scores, scores[positive], side="right")
    values = []
    for some in np.array_split(times, math.ceil(times.shape[0] * len(scores) / NUMBERS_AT_ONCE)):
        positives = some.T[subject[positive]]
        negatives = np.zeros((len(negative_subject) + 1, len(some)))
        np.cumsum(some.T[negative_subject], axis=0, out=negatives[1:])
        won = np.einsum("pr,pr->r", positives, negatives[below])
        won_or_even = np.einsum("pr,pr->r", positives, negatives[not_above])
        values.append(_ratio((won + won_or_even) / 2, positives.sum(0) * negatives[-1]))
    return np.concatenate(values)


def aurocs(label: Integers, probabilities: Floats, subject: Integers, times: Floats) -> Floats:
    """Return the AUROC of each class against the rest, by its probability: (resamples, classes)."""
    each = [
        auroc(probabilities[:, number], label == number, subject, times)
        for number in range(probabilities.shape[1])
    ]
    return np.stack(each, axis=1)


def brier_scores(label: Integers, probabilities: Floats) -> Floats:
    """Return the sum over classes of the squared differences to the truth, 0 (right and sure) to 2: (n,).

    G. W. Brier, "Verification of forecasts expressed in terms of probability" (1950).
    """
    wanted = np.eye(probabilities.shape[1])[label]
    return np.asarray(((probabilities - wanted) ** 2).sum(1))


def log_losses(label: Integers, probabilities: Floats) -> Floats:
    """Return minus the logarithm of the true class's probability, taken as 2.2e-16 at least: (n,), in nats."""
    of_truth = probabilities[np.arange(len(label)), label]
    return np.asarray(-np.log(np.maximum(of_truth, np.finfo(np.float64).eps)))


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))
