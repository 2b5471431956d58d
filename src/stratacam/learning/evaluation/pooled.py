"""Balanced accuracy over several trainings of one kind, of slices and of subjects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stratacam.learning.dataset import SliceDataset
from stratacam.learning.evaluation.evaluate import subject_probabilities
from stratacam.learning.evaluation.intervals import (
    Floats,
    Integers,
    Interval,
    clustered_interval,
    combine,
    within,
)
from stratacam.learning.evaluation.metrics import accuracies

PERMUTATIONS = 1000


@dataclass(frozen=True)
class Pooled:
    """Balanced accuracy over trainings.

    Attributes:
        value: mean over the trainings.
        interval: 95 %, over subjects; a subject comes with all its slices in all trainings.
        chance: the middle 95 % of what the same predictions give when, in each training, the groups of the
            subjects held out are permuted.
        per_seed: of each training.
    """

    value: float
    interval: Interval
    chance: Interval
    per_seed: tuple[float, ...]


def pool_seeds(trainings: Sequence[tuple[SliceDataset, Floats]], *, seed: int = 0) -> tuple[Pooled, Pooled]:
    """Score several trainings together.

    Args:
        trainings: of each, the slices held out and their probabilities (n, classes).
        seed: of permutations.

    Returns:
        Of slices, and of subjects by the mean probability of their slices.
    """
    of_slices, of_subjects = [], []
    for dataset, probabilities in trainings:
        labels = dataset.subject_labels()
        decided = subject_probabilities(dataset, probabilities).argmax(1)
        classes = len(dataset.classes)
        by_slice = np.zeros((len(dataset.subjects), classes))
        np.add.at(by_slice, (dataset.subject, probabilities.argmax(1)), 1)
        of_slices.append(_Counts(dataset.subjects, labels, by_slice))
        of_subjects.append(_Counts(dataset.subjects, labels, np.eye(classes)[decided]))
    return _pool(of_slices, seed), _pool(of_subjects, seed)


@dataclass(frozen=True)
class _Counts:
    """Of each subject, its label and how often each class was predicted of it, (subjects, classes)."""

    subjects: tuple[str, ...]
    labels: Integers
    predicted: Floats

    def balanced(self, labels: Integers | None = None) -> float:
        """Balanced accuracy."""
        one_hot = np.eye(self.predicted.shape[1])[self.labels if labels is None else labels]
        return float(accuracies(one_hot.T @ self.predicted)[1])


def _pool(trainings: Sequence[_Counts], seed: int) -> Pooled:
    generator = np.random.default_rng([seed, 1])
    per_seed = [training.balanced() for training in trainings]
    permuted = [
        [training.balanced(generator.permutation(training.labels)) for _ in range(PERMUTATIONS)]
        for training in trainings
    ]
    low, high = np.percentile(np.mean(permuted, axis=0), [2.5, 97.5])
    value = float(np.mean(per_seed))
    return Pooled(value, _interval(trainings, value), (float(low), float(high)), tuple(per_seed))


def _interval(trainings: Sequence[_Counts], value: float) -> Interval:
    """Combine the intervals of the classes' recalls, each over the subjects that were of the class in any training."""
    right: list[dict[str, float]] = [{} for _ in range(trainings[0].predicted.shape[1])]
    count: list[dict[str, float]] = [{} for _ in right]
    for training in trainings:
        for subject, label, predicted in zip(
            training.subjects, training.labels, training.predicted, strict=True
        ):
            right[label][subject] = right[label].get(subject, 0) + predicted[label]
            count[label][subject] = count[label].get(subject, 0) + predicted.sum()
    of_class = [
        (np.array(list(some.values())), np.array(list(whole.values())))
        for some, whole in zip(right, count, strict=True)
        if whole
    ]
    recalls = [float(some.sum() / whole.sum()) for some, whole in of_class]
    limits = [clustered_interval(some, whole) for some, whole in of_class]
    low, high = combine(recalls, limits, np.full(len(recalls), 1 / len(recalls)))
    shift = value - float(np.mean(recalls))
    return within((low + shift, high + shift), 0, 1)
