"""The association of a variable with an outcome, for the outcome as it is and as it is permuted.

A number or a word has the share of the outcome's variance that it explains (Pillai's trace over its rank): the squared
correlation ratio, the squared Cramér's V. Features have the correlation of the outcome with what a ridge regression
predicts of every subject from the others, trained anew for every permutation, in closed form.
"""

from collections.abc import Iterator

import numpy as np
from scipy import linalg

from stratacam.learning.confounds.variables import Variable
from stratacam.learning.evaluation.intervals import Floats, Integers

NUMBERS_AT_ONCE = 2_000_000
"""In one block of permutations: 16 MB."""


def group_statistics(variable: Variable, labels: Integers, classes: int) -> Floats:
    """The association of a variable with groups, (draws,), between 0 and 1; below 0 where a prediction is wrong.

    Args:
        variable: of n subjects.
        labels: (draws, n) the group of every subject, in each permutation.
        classes: number of groups.
    """
    basis = _basis(variable.columns - variable.columns.mean(axis=0))
    found = []
    for block in _blocks(labels, classes):
        one_hot = np.eye(classes)[block[:, variable.known]]
        count = one_hot.sum(axis=1)
        if variable.form == "features":
            present = count > 0
            scale = np.divide(1, np.sqrt(count), out=np.zeros(count.shape), where=present)
            outcome = one_hot * scale[:, None, :]
            centred = outcome - outcome.mean(axis=1, keepdims=True)
            found.append(
                _predicted(variable.columns, centred, np.full(len(variable.columns), len(variable.columns)))
            )
            continue
        sums = np.einsum("bnk,nd->bkd", one_hot, basis, optimize=True)
        explained = np.divide((sums**2).sum(axis=2), count, out=np.zeros(count.shape), where=count > 0)
        rank = np.minimum((count > 0).sum(axis=1) - 1, basis.shape[1])
        found.append(np.sqrt(explained.sum(axis=1) / np.maximum(rank, 1)))
    return np.concatenate(found)


def output_statistics(variable: Variable, outputs: Floats, label: Integers, order: Integers) -> Floats:
    """The partial association of a variable with outputs, given the group, (draws,).

    Args:
        variable: of n subjects.
        outputs: (n, k) of a network.
        label: (n,) the group of every subject.
        order: (draws, n) whose outputs a subject is given in each permutation; of its own group.
    """
    within = label[variable.known]
    columns = _within(variable.columns[None], within)[0]
    basis = _basis(columns)
    found = []
    for block in _blocks(order, outputs.shape[1]):
        outcome = _within(outputs[block][:, variable.known], within)
        if variable.form == "features":
            found.append(_predicted(columns, outcome, np.bincount(within)[within]))
            continue
        explained = (np.einsum("bnk,nd->bkd", outcome, basis, optimize=True) ** 2).sum(axis=(1, 2))
        total = (outcome**2).sum(axis=(1, 2))
        found.append(np.sqrt(np.divide(explained, total, out=np.zeros(total.shape), where=total > 1e-12)))
    return np.concatenate(found)


def _within(values: Floats, label: Integers) -> Floats:
    """Values (draws, n, k) less the mean of their group."""
    one_hot = np.eye(int(label.max(initial=0)) + 1)[label]
    count = np.maximum(one_hot.sum(axis=0), 1)
    means = np.einsum("ng,bnk->bgk", one_hot / count, values, optimize=True)
    return np.asarray(values - means[:, label])


def _basis(centred: Floats) -> Floats:
    """An orthonormal basis of the columns, (n, rank)."""
    return np.asarray(linalg.orth(centred, rcond=1e-9)) if centred.any() else np.zeros((len(centred), 0))


def _predicted(columns: Floats, outcome: Floats, size: Integers) -> Floats:
    """The correlation of outcomes with what a ridge regression predicts of every subject from the others.

    The penalty is the mean variance of a principal component, so that half of an average component counts. A subject's
    own outcome is taken out of its prediction, and so is what the means that were taken off give away of it: without
    any association the correlation is 0 on average over the permutations.

    Args:
        columns: (n, d), means taken off.
        outcome: (draws, n, k), the same means taken off.
        size: (n,) of the group over which the mean was taken.
    """
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    kept = singular > 1e-9 * singular.max(initial=0)
    left, variance = left[:, kept], singular[kept] ** 2
    weight = variance / (variance + variance.mean()) if kept.any() else variance
    free = 1 - 1 / size
    own = np.divide((left**2 * weight).sum(axis=1), free, out=np.zeros(len(left)), where=free > 0)[:, None]
    fitted = np.einsum("nr,bkr->bnk", left * weight, np.einsum("nr,bnk->bkr", left, outcome, optimize=True))
    predicted = fitted - own * outcome
    product = (predicted * outcome).sum(axis=(1, 2))
    norm = np.sqrt((predicted**2).sum(axis=(1, 2)) * (outcome**2).sum(axis=(1, 2)))
    return np.asarray(np.divide(product, norm, out=np.zeros(norm.shape), where=norm > 1e-12))


def _blocks(draws: Integers, columns: int) -> Iterator[Integers]:
    """The draws in blocks that stay small."""
    step = max(1, NUMBERS_AT_ONCE // (draws.shape[1] * columns))
    return (draws[first : first + step] for first in range(0, len(draws), step))
