"""Baselines: the classes' shares, and logistic regression on simple features.

Every baseline is scored as the networks are: a subject is predicted by a model that saw nothing of it. Whatever is
learned (what a missing value becomes, the scale of a feature, the strength of regularisation, the weights) is
learned from the training subjects of the fold only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from stratacam.errors import InputError

Fold = tuple[Sequence[str], Sequence[str]]
"""The subjects to train on, and those to predict."""

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
FIXED_STRENGTH = 1.0
INNER_FOLDS = 3
ITERATIONS = 1000


@dataclass(frozen=True)
class Features:
    """One row for each scan or slice: features, label and subject.

    Attributes:
        names: of the features, (d,).
        values: (n, d), NaN where a value is missing.
        label: (n,), position in the classes.
        subject: (n,); the rows of a subject are in the order of its scans.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    label: npt.NDArray[np.int64]
    subject: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Baseline:
    """The out-of-fold probabilities of a baseline.

    Attributes:
        name: "majority", "age_sex", "intensity", "volume" or "frozen_features".
        title: what it is, in words.
        probabilities: (n_subjects, classes), in the order of `subjects`.
        strengths: by fold, the C of scikit-learn's `LogisticRegression`; none for the majority.
    """

    name: str
    title: str
    probabilities: npt.NDArray[np.float64]
    strengths: tuple[float, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """Who is predicted, from whom, and as what.

    Attributes:
        subjects: whose probabilities are wanted, in this order.
        folds: each of `subjects` is predicted in one.
        classes: names of the groups.
        seed: of inner folds.
    """

    subjects: Sequence[str]
    folds: Sequence[Fold]
    classes: Sequence[str]
    seed: int = 0

    def __post_init__(self) -> None:
        if any(set(train) & set(test) for train, test in self.folds):
            raise AssertionError("a subject is on two sides of a fold")
        if sorted(one for _, test in self.folds for one in test) != sorted(self.subjects):
            raise AssertionError("the folds do not predict every subject exactly once")


def majority(label: npt.NDArray[np.int64], subject: npt.NDArray[np.str_], protocol: Protocol) -> Baseline:
    """Give every subject the shares of the classes among the training subjects of its fold.

    Args:
        label: (n,) of scans or slices.
        subject: (n,) their subjects; a subject counts once, with its first label.
        protocol: who is predicted.
    """
    probabilities = np.empty((len(protocol.subjects), len(protocol.classes)))
    first = _first_labels(label, subject)
    for train, test in protocol.folds:
        counts = np.bincount([first[one] for one in train], minlength=len(protocol.classes))
        probabilities[_positions(protocol.subjects, test)] = counts / counts.sum()
    return Baseline("majority", "shares of the classes among the training subjects", probabilities)


def logistic(features: Features, protocol: Protocol, *, name: str, title: str) -> Baseline:
    """Predict subjects by multinomial logistic regression on the features of their scans or slices.

    In each fold, missing values become the median of the training rows, features are standardised by the training
    rows, and an L2-penalised logistic regression is fitted in which classes have equal weight and, within a class,
    subjects too, however many rows they have; the weights add up to the number of subjects. With one row a subject
    this is `class_weight="balanced"`. C is the power of ten from 0.0001 to 100 with the lowest cross-entropy per
    subject, classes having equal weight, in a stratified 3-fold cross-validation over the training subjects (the
    smallest of those within 1e-9); it is 1 where a class has fewer than 6 of them.

    A subject's probabilities are the means over its rows in the class of the first row: someone whose group changes
    between sessions is scored once, by the group that came first.

    Args:
        features: of the scans or slices of all subjects.
        protocol: who is predicted.
        name: of the baseline.
        title: of the baseline, in words.

    Raises:
        InputError: the training subjects of a fold are all of one class.
    """
    classes = len(protocol.classes)
    probabilities = np.empty((len(protocol.subjects), classes))
    first = _first_labels(features.label, features.subject)
    strengths = []
    for number, (train, test) in enumerate(protocol.folds, start=1):
        if len({first[one] for one in train}) < 2:
            raise InputError(
                f"fold {number}: found {len(train)} training subjects, all of one group; expected two groups at "
                "least: fewer folds, or more subjects of the smaller groups."
            )
        with threadpool_limits(1):  # small products: threads that wait for each other take 20 times as long
            strength = _choose_strength(features, sorted(train), classes, protocol.seed)
            predicted = _fit_predict(features, train, test, [strength], classes)[0]
        probabilities[_positions(protocol.subjects, test)] = predicted
        strengths.append(strength)
    return Baseline(name, title, probabilities, tuple(strengths))


def row_weights(label: npt.NDArray[np.int64], subject: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    """Return a weight for each row, equal for classes and for the subjects of a class; the sum is that of the subjects.

    A subject with rows in two classes is one subject in each.
    """
    pairs, pair, rows_of_pair = np.unique(
        np.array([f"{one} {number}" for one, number in zip(subject, label, strict=True)]),
        return_inverse=True,
        return_counts=True,
    )
    class_of_pair = np.empty(len(pairs), dtype=np.int64)
    class_of_pair[pair] = label
    weights = 1 / (rows_of_pair[pair] * np.bincount(class_of_pair)[label])
    return np.asarray(weights * len(pairs) / weights.sum())


def _choose_strength(features: Features, train: Sequence[str], classes: int, seed: int) -> float:
    """Return the C with the lowest cross-entropy in an inner cross-validation over the training subjects."""
    first = _first_labels(features.label, features.subject)
    label = np.array([first[one] for one in train])
    counts = np.bincount(label)
    if counts[counts > 0].min() < 2 * INNER_FOLDS:
        return FIXED_STRENGTH
    members = np.array(train)
    predicted = np.empty((len(STRENGTHS), len(train), classes))
    for inner, held_out in StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=seed).split(
        members, label
    ):
        predicted[:, held_out] = _fit_predict(
            features, members[inner].tolist(), members[held_out].tolist(), STRENGTHS, classes
        )
    right = np.clip(predicted[:, np.arange(len(label)), label], 1e-12, 1)
    losses = -np.log(right) @ row_weights(label, members)
    return STRENGTHS[int(np.flatnonzero(losses <= losses.min() + 1e-9)[0])]


def _fit_predict(
    features: Features, train: Sequence[str], test: Sequence[str], strengths: Sequence[float], classes: int
) -> npt.NDArray[np.float64]:
    """Fit on the rows of `train`; return probabilities, (strengths, test subjects, classes)."""
    first = _first_labels(features.label, features.subject)
    fitted = np.flatnonzero(np.isin(features.subject, list(train)))
    of_first = features.label == np.array([first[one] for one in features.subject])
    scored = np.flatnonzero(np.isin(features.subject, list(test)) & of_first)
    label, subject = features.label[fitted], features.subject[fitted]
    prepare = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    training = prepare.fit_transform(features.values[fitted])
    held_out = prepare.transform(features.values[scored])
    weights = row_weights(label, subject)
    place = _positions(test, features.subject[scored])
    probabilities = np.zeros((len(strengths), len(test), classes))
    for number, strength in enumerate(strengths):
        model = LogisticRegression(C=strength, max_iter=ITERATIONS)
        model.fit(training, label, sample_weight=weights)
        np.add.at(
            probabilities[number], (place[:, None], model.classes_[None, :]), model.predict_proba(held_out)
        )
    return np.asarray(probabilities / np.bincount(place, minlength=len(test))[:, None])


def _first_labels(label: npt.NDArray[np.int64], subject: npt.NDArray[np.str_]) -> dict[str, int]:
    """Subject to the label of its first row."""
    names, row = np.unique(subject, return_index=True)
    return dict(zip(names.tolist(), label[row].tolist(), strict=True))


def _positions(
    subjects: Sequence[str], wanted: Sequence[str] | npt.NDArray[np.str_]
) -> npt.NDArray[np.int64]:
    """The position in `subjects` of each of `wanted`."""
    position = {one: number for number, one in enumerate(subjects)}
    return np.array([position[str(one)] for one in wanted], dtype=np.int64)
