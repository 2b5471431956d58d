"""From probabilities to predictions and scores, per slice and per subject."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from stratacam.errors import InputError
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.evaluation.intervals import Floats
from stratacam.learning.evaluation.result import Evaluation, SlicePredictions
from stratacam.learning.evaluation.retrained import Permuted, rank_p_value, score_permuted
from stratacam.learning.evaluation.scores import SLICES, Unit, score, score_decisions


def evaluate(
    dataset: SliceDataset,
    probabilities: Floats,
    *,
    calibrated: Floats | None = None,
    folds: int = 1,
    seed: int = 0,
) -> Evaluation:
    """Score the probabilities of slices by slice and by subject.

    Args:
        dataset: the slices.
        probabilities: (n, classes).
        calibrated: (n, classes) the same after temperature scaling; scored beside, not used for predictions.
        folds: models whose predictions are pooled, see `Unit`.
        seed: of permutations.

    Raises:
        InputError: probabilities that do not belong to the slices, or are none.
    """
    labels, classes = dataset.subject_labels(), dataset.classes
    unit = Unit(folds=folds, seed=seed)
    for given in (probabilities, calibrated):
        if given is not None:
            _check(given, "slices", len(dataset), len(classes))
    of_subject = subject_probabilities(dataset, probabilities)
    of_subject_calibrated = None if calibrated is None else subject_probabilities(dataset, calibrated)
    votes = subject_probabilities(dataset, np.eye(len(classes))[probabilities.argmax(1)])
    winners = votes == votes.max(1, keepdims=True)
    majority = np.where(winners, of_subject, -1).argmax(1)
    return Evaluation(
        classes=classes,
        subject_names=dataset.subjects,
        subject_labels=labels,
        subject_probabilities=of_subject,
        subjects=score(labels, of_subject, classes, unit=unit, calibrated=of_subject_calibrated),
        subject_calibrated=of_subject_calibrated,
        subject_majority=majority,
        subjects_majority=score_decisions(labels, majority, classes, unit=unit),
        slice_predictions=SlicePredictions(dataset, probabilities, calibrated),
        slices=score(dataset.label, probabilities, classes, unit=SLICES, calibrated=calibrated),
        folds=folds,
    )


def evaluate_subjects(
    subjects: Sequence[str],
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    classes: Sequence[str],
    *,
    folds: int = 1,
    permuted: Permuted | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score probabilities of subjects whose slices, if any, are not known.

    Args:
        subjects: names, each once.
        labels: (subjects,) position of each one's group in `classes`.
        probabilities: (subjects, classes).
        classes: names of the groups.
        folds: models whose predictions are pooled, see `Unit`.
        permuted: by the same training on permuted groups, for p-values that hold over folds too.
        seed: of permutations.

    Raises:
        InputError: a subject twice, or labels or probabilities that do not belong to the subjects.
    """
    label, given = np.asarray(labels, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if len(set(subjects)) != len(subjects) or label.shape != (len(subjects),):
        raise InputError(
            f"evaluation, subjects: found {len(subjects)} names, {len(set(subjects))} of them different, and labels "
            f"of shape {label.shape}; expected every subject once with one label: give one row a subject."
        )
    _check(given, "subjects", len(subjects), len(classes))
    scores = score(label, given, classes, unit=Unit(folds=folds, seed=seed))
    if permuted is not None and scores.macro_auroc is not None:
        null, balanced, auroc = score_permuted(permuted), scores.balanced_accuracy, scores.macro_auroc
        scores = replace(
            scores,
            balanced_accuracy=replace(balanced, p_value=rank_p_value(balanced.value, null.balanced_accuracy)),
            macro_auroc=replace(auroc, p_value=rank_p_value(auroc.value, null.macro_auroc)),
        )
    return Evaluation(
        classes=tuple(classes),
        subject_names=tuple(subjects),
        subject_labels=label,
        subject_probabilities=given,
        subjects=scores,
        folds=folds,
    )


def subject_probabilities(dataset: SliceDataset, probabilities: Floats) -> Floats:
    """Return the mean over the slices by which each subject is scored, (subjects, classes).

    These are the slices of its first scan and of all others in the group of the first.

    Args:
        dataset: the slices.
        probabilities: (n, classes).
    """
    scored = dataset.label == dataset.subject_labels()[dataset.subject]
    subject = dataset.subject[scored]
    sums = np.zeros((len(dataset.subjects), probabilities.shape[1]))
    np.add.at(sums, subject, probabilities[scored])
    return sums / np.bincount(subject)[:, None]


def _check(probabilities: Floats, unit: str, rows: int, classes: int) -> None:
    if probabilities.shape != (rows, classes) or rows == 0 or not np.isfinite(probabilities).all():
        numbers = "" if np.isfinite(probabilities).all() else ", some of them not numbers,"
        raise InputError(
            f"evaluation, probabilities of {unit}: found shape {probabilities.shape}{numbers} for {rows} {unit} and "
            f"{classes} groups; expected a finite probability of each group for each: predict the same "
            "slices with a model of these groups; if training went astray, lower its learning rates."
        )
