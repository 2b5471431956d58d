"""Calibration: reliability of probabilities, and temperature scaling.

C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks" (2017).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from stratacam.errors import InputError
from stratacam.learning.evaluation.intervals import Floats, Integers

BINS = 15
SUBJECT_BINS = 5
"""Fewer, because subjects are few."""

TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Reliability:
    """Slices or subjects by the highest probability they were given, in bins of equal width, (bins,) each.

    A bin holds low < highest probability <= high. Confidence (mean highest probability) and accuracy are NaN
    in empty bins.
    """

    low: Floats
    high: Floats
    count: Integers
    confidence: Floats
    accuracy: Floats


def fit_temperature(
    logits: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float:
    """Return the temperature that makes the logits of validation slices, divided by it, most likely.

    Above 1 the classifier was too sure. It is looked for between 0.05 and 20. Where every slice is right, sharper is
    always better and there is no best temperature: 1 is returned, which changes nothing.

    Args:
        logits: (n, classes), of slices that took no part in training.
        labels: (n,) the class of each.
        weights: (n,) weight of each; equal if not given.

    Raises:
        InputError: no slices, or arrays that do not belong together.

    Example:
        >>> logits = [[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]
        >>> round(fit_temperature(logits, [0, 0, 0, 1]), 3)  # softmax([2 / T, 0]) is (3/4, 1/4)
        1.82
    """
    values = np.asarray(logits, dtype=np.float64)
    label = np.asarray(labels, dtype=np.int64)
    weight = np.ones(len(label)) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(label) or len(label) == 0 or not np.isfinite(values).all():
        raise InputError(
            f"temperature, logits of the validation slices: found shape {values.shape} for {len(label)} labels; "
            "expected one finite row for each of at least one slice: see whether training went astray."
        )

    def loss(log_temperature: float) -> float:
        of_truth = log_softmax(values / math.exp(log_temperature), axis=1)[np.arange(len(label)), label]
        return float(-(weight @ of_truth) / weight.sum())

    low, high = map(math.log, TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-8})
    best = min((low, float(found.x), high), key=loss)
    return math.exp(best) if best > low + 0.01 else 1.0


def apply_temperature(logits: npt.ArrayLike, temperature: float) -> Floats:
    """Return the probabilities of logits divided by a temperature, (n, classes)."""
    return np.asarray(softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1))


def confidence_bins(probabilities: Floats, bins: int) -> Integers:
    """Return the bin of each row's highest probability, (n,)."""
    return np.asarray(np.clip(np.ceil(probabilities.max(1) * bins).astype(np.int64) - 1, 0, bins - 1))


def reliability(probabilities: Floats, labels: npt.ArrayLike, bins: int = BINS) -> Reliability:
    """Compare, bin by bin, how sure the classifier was with how often it was right.

    Args:
        probabilities: (n, classes).
        labels: (n,) the true class of each.
        bins: number of bins of equal width between 0 and 1.
    """
    label = np.asarray(labels, dtype=np.int64)
    where = confidence_bins(probabilities, bins)
    count = np.bincount(where, minlength=bins)

    def mean(values: npt.ArrayLike) -> Floats:
        sums = np.bincount(where, np.asarray(values), minlength=bins)
        return np.asarray(np.divide(sums, count, out=np.full(bins, np.nan), where=count > 0))

    edges = np.linspace(0, 1, bins + 1)
    return Reliability(
        low=edges[:-1],
        high=edges[1:],
        count=count,
        confidence=mean(probabilities.max(1)),
        accuracy=mean(probabilities.argmax(1) == label),
    )
