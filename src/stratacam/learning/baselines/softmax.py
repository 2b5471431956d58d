"""Multinomial logistic regression, for many labellings of the same subjects at once.

A problem is one labelling with the rows that it is fitted on: (problems, rows, features) arrays, in which rows that a
problem leaves out weigh nothing. The minimised sum is that of scikit-learn's `LogisticRegression`: C times the weighted
cross-entropies plus half of the squared weights, with a free intercept.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ITERATIONS = 100
TOLERANCE = 1e-6
"""Of the gradient's largest entry, in subjects."""
INTERCEPT_PENALTY = 1e-9
"""Keeps what is not determined at 0."""


def standardise(
    rows: Floats, fitted: npt.NDArray[np.bool_], changed: Iterable[Floats] | None = None
) -> tuple[Floats, Floats]:
    """Put the median of the fitted rows in place of what is missing, and scale by their mean and deviation.

    Where there are more features than rows, the rows are given by their coordinates in the space that the fitted rows
    span, which changes nothing for a model with squared weights.

    Args:
        rows: (rows, features), NaN where a value is missing: first those that any problem is fitted on, then those to
            treat alike.
        fitted: (problems, first rows) which rows each problem is fitted on.
        changed: for each problem, rows that take the place of `rows`.

    Returns:
        (problems, first rows, d) and (problems, other rows, d).
    """
    first = fitted.shape[1]
    prepared = np.empty((len(fitted), *rows.shape))
    for number, (mask, given) in enumerate(zip(fitted, changed or repeat(rows), strict=False)):
        values = given
        if np.isnan(given).any():
            known = np.where(np.isnan(given[:first][mask]).all(0), 0.0, given[:first][mask])
            values = np.where(np.isnan(given), np.nanmedian(known, axis=0), given)
        inside = values[:first][mask]
        deviation = inside.std(0)
        prepared[number] = (values - inside.mean(0)) / np.where(deviation > 0, deviation, 1)
    if rows.shape[1] > first:
        prepared = _coordinates(prepared, fitted)
    return prepared[:, :first], prepared[:, first:]


def fit(
    values: Floats, label: Integers, weight: Floats, strengths: Sequence[float] | Floats, classes: int
) -> Iterator[Floats]:
    """Yield for each C, in their order, the coefficients (problems, features + 1, classes); the last row is intercepts.

    Newton's method, each C from the solution for the last one, with half steps where a whole one goes too far. Weights
    of classes add up to 0. A class without a row has an intercept of minus infinity.

    Args:
        values: (problems, rows, features).
        label: (problems, rows) from 0 to `classes`.
        weight: (problems, rows); 0 for rows that are left out.
        strengths: the values of C, or (number, problems) for one each.
        classes: number of classes.
    """
    problems, rows, features = values.shape
    x = np.concatenate([values, np.ones((problems, rows, 1))], axis=2)
    truth = np.eye(classes)[label]
    present = (truth * (weight > 0)[..., None]).any(1)
    patterns, pattern = np.unique(present, axis=0, return_inverse=True)
    parts = [
        (
            some := np.flatnonzero(pattern.ravel() == number),
            _Problems(x[some], truth[some], weight[some], shown),
        )
        for number, shown in enumerate(patterns)
    ]
    coefficients = [np.zeros((len(some), features + 1, part.directions)) for some, part in parts]
    for strength in np.asarray(strengths, dtype=np.float64):
        of_problem = np.broadcast_to(strength, problems)
        found = np.empty((problems, features + 1, classes))
        for number, (some, part) in enumerate(parts):
            coefficients[number] = part.minimise(coefficients[number], of_problem[some])
            found[some] = part.by_class(coefficients[number])
        yield found


def predict(values: Floats, coefficients: Floats) -> Floats:
    """Return probabilities (problems, rows, classes) of values (problems, rows, features)."""
    return _softmax(values @ coefficients[:, :-1] + coefficients[:, -1:])


class _Problems:
    """Problems that have the same classes; coefficients are along directions that are orthogonal to "all alike"."""

    def __init__(self, x: Floats, truth: Floats, weight: Floats, present: npt.NDArray[np.bool_]) -> None:
        self.x, self.truth, self.weight, self.present = x, truth[..., present], weight, present
        count = int(present.sum())
        basis, _ = np.linalg.qr(np.column_stack([np.ones(count), np.eye(count)[:, : count - 1]]))
        self.basis = basis[:, 1:]  # (classes, directions)
        self.directions = count - 1
        # with two classes scikit-learn has one weight vector, whose square is twice that of our two together
        self.penalty = 0.5 if count > 2 else 1.0

    def minimise(self, start: Floats, strength: Floats) -> Floats:
        """Minimise from `start`, (problems, features + 1, directions)."""
        found = start.copy()
        open_ = np.arange(len(found))
        loss = self._loss(found, strength, open_)
        for _ in range(ITERATIONS):
            gradient, step = self._newton(found[open_], strength[open_], open_)
            far = np.abs(gradient).max(axis=(1, 2)) > TOLERANCE
            open_, step = open_[far], step[far]
            if not len(open_):
                break
            size = np.ones(len(open_))
            for _ in range(20):
                tried = found[open_] - size[:, None, None] * step
                after = self._loss(tried, strength, open_)
                worse = after > loss[open_] + 1e-10 * (1 + np.abs(loss[open_]))
                if not worse.any():
                    break
                size[worse] /= 2
            found[open_], loss[open_] = tried, after
        return found

    def by_class(self, coefficients: Floats) -> Floats:
        """Return coefficients (problems, features + 1, all classes)."""
        all_classes = np.zeros((*coefficients.shape[:2], len(self.present)))
        all_classes[:, -1] = -np.inf
        all_classes[..., self.present] = coefficients @ self.basis.T
        return all_classes

    def _scale(self, strength: Floats, features: int) -> Floats:
        """Penalty of each coefficient, (problems, features + 1), for losses that are not multiplied by C."""
        penalty = np.repeat((2 * self.penalty / strength)[:, None], features, axis=1)
        penalty[:, -1] = INTERCEPT_PENALTY
        return penalty

    def _loss(self, found: Floats, strength: Floats, some: Integers) -> Floats:
        scores = self.x[some] @ found @ self.basis.T
        top = scores.max(2)
        log_sum = top + np.log(np.exp(scores - top[..., None]).sum(2))
        cross = (self.weight[some] * (log_sum - (scores * self.truth[some]).sum(2))).sum(1)
        penalty = self._scale(strength[some], found.shape[1])
        return np.asarray(cross + (penalty[..., None] * found**2).sum((1, 2)) / 2)

    def _newton(self, found: Floats, strength: Floats, some: Integers) -> tuple[Floats, Floats]:
        """Return gradients and steps, (problems, features + 1, directions) each."""
        x, weight = self.x[some], self.weight[some]
        probability = _softmax(x @ found @ self.basis.T)
        penalty = self._scale(strength, found.shape[1])
        transposed = x.transpose(0, 2, 1)
        gap = (weight[..., None] * (probability - self.truth[some])) @ self.basis
        gradient = transposed @ gap + penalty[..., None] * found
        along = probability @ self.basis  # (problems, rows, directions)
        size, directions = found.shape[1], self.directions
        hessian = np.empty((len(some), directions, size, directions, size))
        for first in range(directions):
            for second in range(first + 1):
                both = probability @ (self.basis[:, first] * self.basis[:, second])
                curvature = weight * (both - along[..., first] * along[..., second])
                block = (transposed * curvature[:, None]) @ x
                if first == second:
                    block[:, range(size), range(size)] += penalty
                hessian[:, first, :, second] = hessian[:, second, :, first] = block
        flat = hessian.reshape(len(some), directions * size, directions * size)
        right = gradient.transpose(0, 2, 1).reshape(len(some), -1, 1)
        step = np.linalg.solve(flat, right).reshape(len(some), directions, size).transpose(0, 2, 1)
        return gradient, step


def _coordinates(prepared: Floats, fitted: npt.NDArray[np.bool_]) -> Floats:
    """Coordinates of rows in the space of the fitted ones, (problems, rows, fitted rows)."""
    rows = fitted.shape[1]
    of_fit = prepared[:, :rows] * fitted[..., None]
    values, vectors = np.linalg.eigh(of_fit @ of_fit.transpose(0, 2, 1))
    kept = values > 1e-10 * values[:, -1:]
    scale = np.divide(1, np.sqrt(np.abs(values)), out=np.zeros_like(values), where=kept)
    return np.asarray(prepared @ of_fit.transpose(0, 2, 1) @ (vectors * scale[:, None]))


def _softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(2, keepdims=True))
    return np.asarray(raised / raised.sum(2, keepdims=True))
