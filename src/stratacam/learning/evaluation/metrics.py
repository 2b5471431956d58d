"""Measures of a classifier's decisions and probabilities."""

import numpy as np
import numpy.typing as npt

from stratacam.learning.evaluation.intervals import Floats, Integers


def confusion_matrix(label: Integers, predicted: Integers, classes: int) -> Integers:
    """Count true (rows) and predicted (columns) labels, (classes, classes)."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (label, predicted), 1)
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
