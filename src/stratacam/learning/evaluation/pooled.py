"""Balanced accuracy over several trainings of one kind, of slices and of subjects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stratacam.learning.dataset import SliceDataset
from stratacam.learning.evaluation.evaluate import subject_probabilities
from stratacam.learning.evaluation.intervals import Floats, Integers, Interval, resample
from stratacam.learning.evaluation.metrics import accuracies

PERMUTATIONS = 1000


@dataclass(frozen=True)
class Pooled:
    """Balanced accuracy over trainings.

    Attributes:
        value: mean over the trainings.
        interval: 95 %, over resamples of subjects; a subject comes with all its slices in all trainings.
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
        seed: of resamples and permutations.

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

    def balanced(self, times: Floats, labels: Integers | None = None) -> Floats:
        """Balanced accuracy, (draws,), of each subject taken `times` (draws, subjects)."""
        one_hot = np.eye(self.predicted.shape[1])[self.labels if labels is None else labels]
        confusion = np.einsum("ds,st,sp->dtp", times, one_hot, self.predicted, optimize=True)
        with np.errstate(invalid="ignore"):
            return accuracies(confusion)[1]


def _pool(trainings: Sequence[_Counts], seed: int) -> Pooled:
    subjects = sorted({subject for training in trainings for subject in training.subjects})
    place = {subject: number for number, subject in enumerate(subjects)}
    times = resample(len(subjects), seed=seed)
    generator = np.random.default_rng([seed, 1])
    per_seed, drawn, permuted = [], [], []
    for training in trainings:
        once = np.ones((1, len(training.subjects)))
        per_seed.append(float(training.balanced(once)[0]))
        drawn.append(training.balanced(times[:, [place[subject] for subject in training.subjects]]))
        permuted.append(
            [training.balanced(once, generator.permutation(training.labels))[0] for _ in range(PERMUTATIONS)]
        )
    return Pooled(
        float(np.mean(per_seed)),
        _percentiles(np.nanmean(drawn, axis=0)),
        _percentiles(np.mean(permuted, axis=0)),
        tuple(per_seed),
    )


def _percentiles(values: Floats) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
