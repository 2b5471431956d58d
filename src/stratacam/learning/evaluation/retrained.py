"""p-values by training again on permuted groups, which hold where predictions are pooled over folds."""

from dataclasses import dataclass

import numpy as np

from stratacam.learning.evaluation import metrics
from stratacam.learning.evaluation.auroc import area
from stratacam.learning.evaluation.intervals import Floats, Integers


@dataclass(frozen=True)
class Permuted:
    """Predictions by models that were trained on permuted groups, in every other way as the observed ones were.

    Attributes:
        label: (permutations, subjects) the groups that they learned.
        probabilities: (permutations, subjects, classes) of the subjects when held out.
    """

    label: Integers
    probabilities: Floats


@dataclass(frozen=True)
class Retrained:
    """Scores of models that were trained on permuted groups.

    Attributes:
        balanced_accuracy: (permutations,).
        macro_auroc: (permutations,).
    """

    balanced_accuracy: Floats
    macro_auroc: Floats


def permute_within_folds(
    label: Integers,
    folds: list[Integers],
    permutations: int,
    *,
    fixed: Integers | None = None,
    seed: int | tuple[int, int],
) -> Integers:
    """Permute groups among the subjects that are held out together.

    Folds are stratified, so that only such permutations are as probable as the groups that were observed. Where
    everything else is done again with the permuted groups, the rank of the observed score is an exact p-value.

    Args:
        label: (subjects,).
        folds: positions of the subjects held out in each.
        permutations: how many.
        fixed: positions of subjects that keep their group.
        seed: of the permutations.

    Returns:
        (permutations, subjects).
    """
    generator = np.random.default_rng([*np.atleast_1d(seed).tolist(), 4])
    drawn = np.tile(label, (permutations, 1))
    for fold in folds:
        free = np.setdiff1d(fold, [] if fixed is None else fixed).astype(np.int64)
        drawn[:, free] = generator.permuted(drawn[:, free], axis=1)
    return drawn


def score_permuted(permuted: Permuted) -> Retrained:
    """Score every permutation by the groups that it learned."""
    pairs = list(zip(permuted.label, permuted.probabilities, strict=True))
    return Retrained(
        np.array([_balanced_accuracy(*pair) for pair in pairs]),
        np.array([_macro_auroc(*pair) for pair in pairs]),
    )


def rank_p_value(observed: float, permuted: Floats) -> float:
    """Return the share of scores that are as high as the observed one, this counted.

    Example:
        >>> rank_p_value(0.8, np.array([0.3, 0.8, 0.5]))
        0.5
    """
    return float(1 + (permuted >= observed - 1e-9).sum()) / (1 + len(permuted))


def _balanced_accuracy(label: Integers, probabilities: Floats) -> float:
    confusion = metrics.confusion_matrix(label, probabilities.argmax(1), probabilities.shape[1])
    return float(metrics.accuracies(confusion)[1])


def _macro_auroc(label: Integers, probabilities: Floats) -> float:
    return float(np.mean([area(probabilities[:, group], label == group) for group in np.unique(label)]))
