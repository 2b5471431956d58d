"""Baselines: the classes' shares, and logistic regression on simple features.

Every baseline is scored as the networks are: a subject is predicted by a model that saw nothing of it. Whatever is
learned (what a missing value becomes, the scale of a feature, the strength of regularisation, the weights) is
learned from the training subjects of the fold only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from stratacam.errors import InputError
from stratacam.learning.baselines.combat import Sites
from stratacam.learning.baselines.softmax import fit, predict, standardise
from stratacam.learning.evaluation.retrained import Permuted, permute_within_folds

Fold = tuple[Sequence[str], Sequence[str]]
"""The subjects to train on, and those to predict."""

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
FIXED_STRENGTH = 1.0
INNER_FOLDS = 3

PERMUTATIONS = 199
"""Of the groups, with training anew, where predictions are pooled over folds."""


@dataclass(frozen=True)
class Features:
    """One row for each scan or slice: features, label and subject.

    Attributes:
        names: of the features, (d,).
        values: (n, d), NaN where a value is missing.
        label: (n,), position in the classes.
        subject: (n,); the rows of a subject are in the order of its scans.
        sites: what is harmonised; None if nothing is.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    label: npt.NDArray[np.int64]
    subject: npt.NDArray[np.str_]
    sites: Sites | None = None


@dataclass(frozen=True)
class Baseline:
    """The out-of-fold probabilities of a baseline.

    Attributes:
        name: "majority", or one of `simple.BASELINES`.
        title: what it is, in words.
        probabilities: (n_subjects, classes), in the order of `subjects`.
        strengths: by fold, the C of scikit-learn's `LogisticRegression`; none for the majority.
        permuted: what the same training gives for permuted groups, where that was done.
    """

    name: str
    title: str
    probabilities: npt.NDArray[np.float64]
    strengths: tuple[float, ...] = ()
    permuted: Permuted | None = None


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


def logistic(
    features: Features, protocol: Protocol, *, name: str, title: str, permutations: int = PERMUTATIONS
) -> Baseline:
    """Predict subjects by multinomial logistic regression on the features of their scans.

    In each fold, measures are harmonised between sites as the training rows say, where that is asked for (see
    `stratacam.learning.baselines.combat`). Missing values become the median of the training rows, features are
    standardised by the training rows, and an L2-penalised logistic regression is fitted in which classes have equal
    weight and, within a class, subjects too, however many rows they have; the weights add up to the number of subjects.
    With one row a subject this is `class_weight="balanced"`. C is the power of ten from 0.0001 to 100 with the lowest
    cross-entropy per subject, classes having equal weight, in a stratified 3-fold cross-validation over the training
    subjects (the smallest of those within 1e-9); it is 1 where a class has fewer than 6 of them.

    A subject's probabilities are the means over its rows in the class of the first row: someone whose group changes
    between sessions is scored once, by the group that came first.

    With several folds all this is done again for permuted groups, see `permute_within_folds`.

    Args:
        features: of the scans of all subjects.
        protocol: who is predicted.
        name: of the baseline.
        title: of the baseline, in words.
        permutations: of the groups, where there are several folds.

    Raises:
        InputError: the training subjects of a fold are all of one class.
    """
    names, subject = np.unique(features.subject, return_inverse=True)
    starts = np.unique(subject, return_index=True)[1]
    first = features.label[starts]
    place = {str(one): number for number, one in enumerate(names)}
    folds = [tuple(np.array([place[one] for one in part]) for part in fold) for fold in protocol.folds]
    for number, (train, _) in enumerate(folds, start=1):
        if len(np.unique(first[train])) < 2:
            raise InputError(
                f"fold {number}: found {len(train)} training subjects, all of one group; expected two groups at "
                "least: fewer folds, or more subjects of the smaller groups."
            )
    label = features.label[None]
    if len(folds) > 1 and permutations:
        changing = np.unique(subject[features.label != first[subject]])
        drawn = permute_within_folds(
            first, [test for _, test in folds], permutations, fixed=changing, seed=protocol.seed
        )
        label = np.concatenate([label, np.where(features.label == first[subject], drawn[:, subject], label)])
    rows = _Rows(features.values, subject, label, label[:, starts], len(protocol.classes), features.sites)
    wanted = np.array([place[one] for one in protocol.subjects])
    probabilities = np.empty((len(label), len(names), len(protocol.classes)))
    strengths = []
    with threadpool_limits(1):  # small products: threads that wait for each other take 20 times as long
        for train, test in folds:
            train = np.sort(train)  # noqa: PLW2901 - as a list of names would be sorted
            strength = _choose_strengths(rows, train, protocol.seed)
            probabilities[:, test] = _fit_predict(rows, train[None], train, test, strength[None])[0]
            strengths.append(float(strength[0]))
    permuted = Permuted(rows.first[1:, wanted], probabilities[1:, wanted]) if len(label) > 1 else None
    return Baseline(name, title, probabilities[0, wanted], tuple(strengths), permuted)


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


@dataclass(frozen=True)
class _Rows:
    """Rows under several labellings.

    Attributes:
        values: (n, d).
        subject: (n,) numbers.
        label: (labellings, n).
        first: (labellings, subjects) the first label of each.
        classes: number of classes.
        sites: what is harmonised; None if nothing is.
    """

    values: npt.NDArray[np.float64]
    subject: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    classes: int
    sites: Sites | None


def _choose_strengths(rows: _Rows, train: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float64]:
    """Return, for each labelling, the C with the lowest cross-entropy in an inner cross-validation, (labellings,)."""
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415 - a second, with pandas

    label = rows.first[:, train]
    counts = np.stack([np.bincount(one, minlength=rows.classes) for one in label])
    smallest = np.where(counts > 0, counts, len(train)).min(1)
    if smallest[0] < 2 * INNER_FOLDS:
        return np.full(len(label), FIXED_STRENGTH)
    splitter = StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=seed)
    parts = [list(splitter.split(train, one)) for one in label]
    predicted = np.empty((len(STRENGTHS), len(label), len(train), rows.classes))
    for number in range(INNER_FOLDS):
        inner = np.zeros((len(label), len(train)), dtype=bool)
        for labelling, part in enumerate(parts):
            inner[labelling, part[number][0]] = True
        members = [train[chosen] for chosen in inner]
        found = _fit_predict(rows, members, train, train, np.array(STRENGTHS)[:, None])
        predicted = np.where(inner[None, :, :, None], predicted, found)
    right = np.take_along_axis(predicted, label[None, :, :, None], axis=3)[..., 0]
    weight = np.stack([row_weights(one, train.astype(str)) for one in label])
    losses = -(np.log(np.clip(right, 1e-12, 1)) * weight).sum(2)
    return np.asarray(np.array(STRENGTHS)[(losses <= losses.min(0) + 1e-9).argmax(0)])


def _fit_predict(
    rows: _Rows,
    fitted: Sequence[npt.NDArray[np.int64]] | npt.NDArray[np.int64],
    train: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
    strengths: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Fit on the rows of subjects; return probabilities, (strengths, labellings, test subjects, classes).

    Args:
        rows: all rows.
        fitted: the subjects to fit on, of each labelling or of all.
        train: all subjects that are in `fitted`.
        test: the subjects to predict.
        strengths: (strengths, labellings), or (strengths, 1).
    """
    ours = np.flatnonzero(np.isin(rows.subject, train))
    theirs = np.flatnonzero(np.isin(rows.subject, test))
    of_first = rows.label[0, theirs] == rows.first[0, rows.subject[theirs]]
    theirs = theirs[of_first]
    mask = np.stack([np.isin(rows.subject[ours], some) for some in fitted])
    labellings = len(rows.label)
    label = rows.label[:, ours]
    values = rows.values[np.concatenate([ours, theirs])]
    harmonised = None
    if rows.sites:
        if rows.sites.keep_groups:
            mask = np.broadcast_to(mask, (labellings, len(ours)))
        of_rows = rows.sites.take(np.concatenate([ours, theirs]))
        harmonised = (
            of_rows.harmonise(values, np.flatnonzero(fitted), of_labelling)
            for fitted, of_labelling in zip(mask, label[: len(mask)], strict=True)
        )
    training, held_out = standardise(values, mask, harmonised)
    mask = np.broadcast_to(mask, (labellings, len(ours)))
    weight = np.zeros((labellings, len(ours)))
    for number, some in enumerate(mask):
        weight[number, some] = row_weights(label[number, some], rows.subject[ours][some].astype(str))
    training = np.broadcast_to(training, (labellings, *training.shape[1:]))
    position = np.full(int(max(test)) + 1, -1)
    position[test] = range(len(test))
    mean = np.zeros((len(test), len(theirs)))
    mean[position[rows.subject[theirs]], range(len(theirs))] = 1
    mean /= mean.sum(1, keepdims=True)
    coefficients = fit(
        training, label, weight, np.broadcast_to(strengths, (len(strengths), labellings)), rows.classes
    )
    return np.stack([mean @ predict(held_out, one) for one in coefficients])


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
