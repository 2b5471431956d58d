"""All scores of slices or subjects; those of subjects with their intervals and what chance gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from stratacam.learning.evaluation import metrics
from stratacam.learning.evaluation.auroc import areas, mean_interval
from stratacam.learning.evaluation.calibration import BINS, SUBJECT_BINS, reliability
from stratacam.learning.evaluation.intervals import (
    POOLED_FOLDS,
    Floats,
    Integers,
    Interval,
    combine,
    permutation_p_value,
    share_interval,
    within,
)


@dataclass(frozen=True)
class Estimate:
    """A value with what chance gives, its 95 % interval and p-value; `None` where a number would not be valid."""

    value: float
    chance: float | None = None
    interval: Interval | None = None
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


@dataclass(frozen=True)
class Unit:
    """What is scored.

    Attributes:
        subjects: whether a row is a subject; slices get no intervals and no p-values, since they are not independent.
        folds: models whose predictions are pooled. With more than one, intervals are wider, and permuting the held-out
            labels is no valid test.
        seed: of permutations.
    """

    subjects: bool = True
    folds: int = 1
    seed: int = 0

    @property
    def tested(self) -> bool:
        """Whether p-values are valid."""
        return self.subjects and self.folds == 1

    @property
    def widen(self) -> float:
        """Factor of the intervals."""
        return POOLED_FOLDS if self.folds > 1 else 1.0


SUBJECTS = Unit()
SLICES = Unit(subjects=False)


def score(
    label: Integers,
    probabilities: Floats,
    classes: Sequence[str],
    *,
    unit: Unit = SUBJECTS,
    calibrated: Floats | None = None,
) -> Scores:
    """Score subjects, with intervals and p-values, or slices.

    Args:
        label: (n,) position of each one's group in `classes`.
        probabilities: (n, classes).
        classes: names of the groups.
        unit: what is scored.
        calibrated: (n, classes) the probabilities after temperature scaling.
    """
    decisions = score_decisions(label, probabilities.argmax(1), classes, unit=unit)
    found = areas(label, probabilities)
    of_class = dict(zip(found.classes.tolist(), range(len(classes)), strict=False))
    macro = None
    if of_class:
        p_value = None
        if unit.tested:
            counts = np.bincount(label, minlength=len(classes))
            gain = stats.rankdata(probabilities, axis=0) * _one_over(counts * (len(label) - counts))
            p_value = permutation_p_value(gain, label, seed=unit.seed)
        interval = mean_interval(found, unit.widen) if unit.subjects else None
        macro = Estimate(float(found.values.mean()), 0.5, interval, p_value)

    def auroc(place: int) -> Estimate:
        interval = found.interval(place, unit.widen) if unit.subjects else None
        return Estimate(float(found.values[place]), 0.5, interval)

    return Scores(
        **vars(decisions),
        **vars(_score_probabilities(label, probabilities, unit)),
        auroc={
            name: auroc(of_class[number]) if number in of_class else None
            for number, name in enumerate(classes)
        },
        macro_auroc=macro,
        calibrated=None if calibrated is None else _score_probabilities(label, calibrated, unit),
    )


def score_decisions(
    label: Integers, predicted: Integers, classes: Sequence[str], *, unit: Unit = SUBJECTS
) -> DecisionScores:
    """Score the groups, (n,), that slices or subjects are given; arguments as for `score`."""
    confusion = metrics.confusion_matrix(label, predicted, len(classes))
    of_class, right = confusion.sum(1), np.diagonal(confusion)
    chance, even_chance = float(of_class.max() / of_class.sum()), float(1 / (of_class > 0).sum())
    accuracy_p = balanced_p = None
    if unit.tested and (of_class > 0).sum() > 1:
        accuracy_p = float(stats.binomtest(right.sum(), len(label), chance, alternative="greater").pvalue)
        gain = np.eye(len(classes))[predicted] * _one_over(of_class)
        balanced_p = permutation_p_value(gain, label, seed=unit.seed)
    others = of_class.sum() - of_class
    spared = others - (confusion.sum(0) - right)
    accuracy, balanced = (float(value) for value in metrics.accuracies(confusion))
    share = _share(int(right.sum()), len(label), unit)
    return DecisionScores(
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        accuracy=Estimate(accuracy, chance, share.interval if share else None, accuracy_p),
        balanced_accuracy=Estimate(
            balanced,
            even_chance,
            balanced_interval(confusion, unit.widen) if unit.subjects else None,
            balanced_p,
        ),
        sensitivity=_shares(classes, right, of_class, unit),
        specificity=_shares(classes, spared, others, unit),
    )


def balanced_interval(confusion: Integers, widen: float = 1.0) -> Interval:
    """Return the 95 % interval of the mean recall over the classes that have subjects.

    Args:
        confusion: (classes, classes) rows true, columns predicted.
        widen: factor of the interval, see `intervals.POOLED_FOLDS`.
    """
    of_class = confusion.sum(1)
    count = of_class[of_class > 0]
    right = np.diagonal(confusion)[of_class > 0]
    limits = [share_interval(int(part), int(whole)) for part, whole in zip(right, count, strict=True)]
    weights = np.full(len(count), 1 / len(count))
    return within(combine(right / count, limits, weights, widen=widen), 0, 1)


def _score_probabilities(label: Integers, probabilities: Floats, unit: Unit) -> ProbabilityScores:
    shares = np.bincount(label, minlength=probabilities.shape[1]) / len(label)
    bins = reliability(probabilities, label, bins=SUBJECT_BINS if unit.subjects else BINS)
    gaps = np.abs(bins.confidence - bins.accuracy)
    return ProbabilityScores(
        brier=Estimate(
            float(metrics.brier_scores(label, probabilities).mean()), float(1 - (shares**2).sum())
        ),
        log_loss=Estimate(
            float(metrics.log_losses(label, probabilities).mean()), float(stats.entropy(shares))
        ),
        expected_calibration_error=Estimate(float(np.nansum(gaps * bins.count) / len(label))),
    )


def _shares(
    classes: Sequence[str], part: Integers, whole: Integers, unit: Unit
) -> dict[str, Estimate | None]:
    """Estimate a share, part of whole, for each class."""
    return {name: _share(int(part[number]), int(whole[number]), unit) for number, name in enumerate(classes)}


def _share(part: int, whole: int, unit: Unit) -> Estimate | None:
    if not whole:
        return None
    limits = [share_interval(part, whole)]
    interval = within(combine([part / whole], limits, [1.0], widen=unit.widen), 0, 1)
    return Estimate(part / whole, None, interval if unit.subjects else None)


def _one_over(counts: Integers) -> Floats:
    return np.divide(1, counts, out=np.zeros(len(counts)), where=counts > 0)
