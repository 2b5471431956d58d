"""All scores of slices or subjects, each with its intervals and what chance gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from stratacam.learning.evaluation import metrics
from stratacam.learning.evaluation.calibration import BINS, SUBJECT_BINS, confidence_bins
from stratacam.learning.evaluation.intervals import (
    Floats,
    Integers,
    Interval,
    balanced_posterior,
    exact_interval,
    percentile_interval,
    permutation_p_value,
    resample,
)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % intervals, and what chance gives; `None` where a number would not be valid."""

    value: float
    chance: float | None
    bootstrap: Interval | None
    small_sample: Interval | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class DecisionScores:
    """The confusion matrix (rows: true group, columns: predicted) and what follows from it.

    Sensitivity and specificity are of each class, by name; `None` where no subject, or every subject, is of the class.
    """

    confusion: tuple[tuple[int, ...], ...]
    accuracy: Estimate
    balanced_accuracy: Estimate
    sensitivity: Mapping[str, Estimate | None]
    specificity: Mapping[str, Estimate | None]


@dataclass(frozen=True)
class ProbabilityScores:
    """How close probabilities are to the true classes: lower is better."""

    brier: Estimate
    log_loss: Estimate
    expected_calibration_error: Estimate


@dataclass(frozen=True)
class Scores:
    """All scores of slices, or of subjects; `calibrated` after temperature scaling, where there was any."""

    confusion: tuple[tuple[int, ...], ...]
    accuracy: Estimate
    balanced_accuracy: Estimate
    sensitivity: Mapping[str, Estimate | None]
    specificity: Mapping[str, Estimate | None]
    auroc: Mapping[str, Estimate | None]
    macro_auroc: Estimate | None
    brier: Estimate
    log_loss: Estimate
    expected_calibration_error: Estimate
    calibrated: ProbabilityScores | None


def score(
    label: Integers,
    probabilities: Floats,
    classes: Sequence[str],
    *,
    subject: Integers | None = None,
    calibrated: Floats | None = None,
    seed: int = 0,
) -> Scores:
    """Score slices with intervals over subjects, or subjects with intervals for few and p-values as well.

    Args:
        label: (n,) position of each slice's, or subject's, group in `classes`.
        probabilities: (n, classes).
        classes: names of the groups.
        subject: (n,) number of each slice's subject, from 0 without gaps; not given: every row is a subject.
        calibrated: (n, classes) the probabilities after temperature scaling.
        seed: of resamples and permutations.
    """
    decisions = score_decisions(label, probabilities.argmax(1), classes, subject=subject, seed=seed)
    whose = np.arange(len(label)) if subject is None else subject
    times = resample(int(whose.max()) + 1, seed=seed)
    of_class = np.bincount(label, minlength=len(classes))
    occurring = np.flatnonzero((of_class > 0) & (of_class < len(label)))
    value = metrics.aurocs(label, probabilities, whose, np.ones((1, times.shape[1])))[0]
    resampled = metrics.aurocs(label, probabilities, whose, times)
    macro = None
    if len(occurring):
        p_value = None
        if subject is None:
            gain = stats.rankdata(probabilities, axis=0) * _one_over(of_class * (len(label) - of_class))
            p_value = permutation_p_value(gain, label, seed=seed)
        macro = _estimate(
            value[occurring].mean(), 0.5, resampled[:, occurring].mean(1), times, p_value=p_value
        )
    bins = SUBJECT_BINS if subject is None else BINS
    as_given = _score_probabilities(label, probabilities, whose, times, bins)
    return Scores(
        **vars(decisions),
        **vars(as_given),
        auroc={
            name: _estimate(value[number], 0.5, resampled[:, number], times) if number in occurring else None
            for number, name in enumerate(classes)
        },
        macro_auroc=macro,
        calibrated=None
        if calibrated is None
        else _score_probabilities(label, calibrated, whose, times, bins),
    )


def score_decisions(
    label: Integers,
    predicted: Integers,
    classes: Sequence[str],
    *,
    subject: Integers | None = None,
    seed: int = 0,
) -> DecisionScores:
    """Score the groups, (n,), that slices or subjects are given; arguments as for `score`."""
    whose = np.arange(len(label)) if subject is None else subject
    counts = metrics.confusion_by_subject(label, predicted, whose, len(classes))
    times = resample(len(counts), seed=seed)
    confusion, resampled = counts.sum(0), np.tensordot(times, counts, axes=1)
    value, of_resample = metrics.accuracies(confusion), metrics.accuracies(resampled)
    of_class, right = confusion.sum(1), np.diagonal(confusion)
    chance, even_chance = float(of_class.max() / of_class.sum()), float(1 / (of_class > 0).sum())
    exact = subject is None
    accuracy_p = balanced_p = None
    if exact and (of_class > 0).sum() > 1:
        accuracy_p = float(stats.binomtest(right.sum(), len(label), chance, alternative="greater").pvalue)
        gain = np.eye(len(classes))[predicted] * _one_over(of_class)
        balanced_p = permutation_p_value(gain, label, seed=seed)
    others = of_class.sum() - of_class
    spared = others - (confusion.sum(0) - right)
    return DecisionScores(
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        accuracy=_estimate(
            float(value[0]),
            chance,
            of_resample[0],
            times,
            small_sample=exact_interval(int(right.sum()), len(label)) if exact else None,
            p_value=accuracy_p,
        ),
        balanced_accuracy=_estimate(
            float(value[1]),
            even_chance,
            of_resample[1],
            times,
            small_sample=balanced_posterior(confusion, seed=seed) if exact else None,
            p_value=balanced_p,
        ),
        sensitivity=_shares(classes, right, of_class, metrics.sensitivities(resampled), times, exact=exact),
        specificity=_shares(classes, spared, others, metrics.specificities(resampled), times, exact=exact),
    )


def _score_probabilities(
    label: Integers, probabilities: Floats, subject: Integers, times: Floats, bins: int
) -> ProbabilityScores:
    subjects = times.shape[1]
    rows = times @ np.bincount(subject, minlength=subjects)
    shares = np.bincount(label, minlength=probabilities.shape[1]) / len(label)

    def mean(values: Floats, chance: float) -> Estimate:
        resampled = times @ np.bincount(subject, values, minlength=subjects) / rows
        return _estimate(values.mean(), chance, resampled, times)

    gaps = np.zeros((subjects, bins))
    gap = probabilities.max(1) - (probabilities.argmax(1) == label)
    np.add.at(gaps, (subject, confidence_bins(probabilities, bins)), gap)
    return ProbabilityScores(
        brier=mean(metrics.brier_scores(label, probabilities), float(1 - (shares**2).sum())),
        log_loss=mean(metrics.log_losses(label, probabilities), float(stats.entropy(shares))),
        expected_calibration_error=_estimate(
            np.abs(gaps.sum(0)).sum() / len(label), None, np.abs(times @ gaps).sum(1) / rows, times
        ),
    )


def _estimate(
    value: float,
    chance: float | None,
    resampled: Floats,
    times: Floats,
    *,
    small_sample: Interval | None = None,
    p_value: float | None = None,
) -> Estimate:
    several = times.shape[1] > 1
    return Estimate(
        float(value), chance, percentile_interval(resampled) if several else None, small_sample, p_value
    )


def _shares(
    classes: Sequence[str], part: Integers, whole: Integers, resampled: Floats, times: Floats, *, exact: bool
) -> dict[str, Estimate | None]:
    """Estimate a share, part of whole, for each class."""
    return {
        name: _estimate(
            part[number] / whole[number],
            None,
            resampled[:, number],
            times,
            small_sample=exact_interval(int(part[number]), int(whole[number])) if exact else None,
        )
        if whole[number]
        else None
        for number, name in enumerate(classes)
    }


def _one_over(counts: Integers) -> Floats:
    return np.divide(1, counts, out=np.zeros(len(counts)), where=counts > 0)
