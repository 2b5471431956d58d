"""Do the intervals of classifiers cover, and do their p-values hold their level? By simulation, with known truth.

`python -m benchmarks.intervals` prints the tables of `docs/findings.md`, in some minutes on one core.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from stratacam.learning.baselines.logistic import Features, Protocol, logistic
from stratacam.learning.baselines.softmax import fit, predict
from stratacam.learning.evaluation.auroc import areas, difference_interval, mean_interval
from stratacam.learning.evaluation.comparison import compare
from stratacam.learning.evaluation.evaluate import evaluate_subjects
from stratacam.learning.evaluation.intervals import (
    POOLED_FOLDS,
    Floats,
    Integers,
    Interval,
    permutation_p_value,
)
from stratacam.learning.evaluation.metrics import confusion_matrix
from stratacam.learning.evaluation.sample_size import simulated_probabilities
from stratacam.learning.evaluation.scores import balanced_interval

COUNTS = ((3, 3, 3), (5, 5, 5), (9, 10, 19), (14, 13, 13), (50, 50, 50))
RECALLS = (0.5, 0.8, 0.95, 1.0)
SHIFTS = {0.5: 0.0, 0.75: 0.95, 0.9: 1.8, 0.97: 2.65}
"""AUROC, about, and the shift of normal scores of the true class that gives it."""
FOLDS = 5
FEATURES = 5


def coverage(intervals: Sequence[Interval], truth: float) -> str:
    """Share of intervals with the truth, and their mean width."""
    low, high = np.array(intervals).T
    inside = (low <= truth + 1e-9) & (truth <= high + 1e-9)
    return f"{inside.mean():.3f} ({(high - low).mean():.2f})"


def given(random: np.random.Generator, label: Integers, shift: float) -> Floats:
    """Probabilities of three classes, as those by which the sample size is forecast."""
    return simulated_probabilities(random, label, 3, shift)


def balanced_rows(draws: int) -> Iterable[list[str]]:
    """Balanced accuracy of one split, by recall."""
    random = np.random.default_rng(0)
    for counts in COUNTS:
        row = ["/".join(map(str, counts))]
        for recall in RECALLS:
            right = random.binomial(counts, recall, (draws, 3))
            missed = np.array(counts) - right
            found = [
                balanced_interval(np.diag(some) + np.roll(np.diag(rest), 1, axis=1))
                for some, rest in zip(right, missed, strict=True)
            ]
            row.append(coverage(found, recall))
        yield row


def auroc_rows(draws: int) -> Iterable[list[str]]:
    """AUROC of one group and macro AUROC of one split, and the difference of two macro AUROCs, by AUROC."""
    random = np.random.default_rng(0)
    for counts in COUNTS:
        label = np.repeat(np.arange(3), counts)
        many = np.repeat(label, 60_000 // len(label))
        rows: list[list[str]] = [
            [f"{'/'.join(map(str, counts))}, {what}"] for what in ("one", "macro", "difference")
        ]
        for shift in SHIFTS.values():
            truth = areas(many, given(random, many, shift)).values
            found = [areas(label, given(random, label, shift)) for _ in range(2 * draws)]
            rows[0].append(coverage([one.interval(0) for one in found], truth[0]))
            rows[1].append(coverage([mean_interval(one) for one in found], truth.mean()))
            pairs = zip(found[::2], found[1::2], strict=True)
            rows[2].append(coverage([difference_interval(*pair) for pair in pairs], 0))
        yield from rows


def pooled(
    random: np.random.Generator, label: Integers, distance: float, cohorts: int
) -> tuple[Floats, Floats, Floats]:
    """Logistic regression, fitted again in every fold, of many cohorts whose classes lie apart by `distance`.

    Returns:
        Held-out probabilities (cohorts, subjects, 3); the models' true balanced accuracy and macro AUROC, each
        (cohorts,).
    """
    centres = distance * np.eye(3, FEATURES)
    values = random.normal(size=(cohorts, len(label), FEATURES)) + centres[label]
    others = np.repeat(np.arange(3), 400)
    unseen = random.normal(size=(len(others), FEATURES)) + centres[others]
    fold = np.empty((cohorts, len(label)), dtype=np.int64)
    for group in range(3):
        members = np.flatnonzero(label == group)
        order = np.tile((np.arange(len(members)) + group) % FOLDS, (cohorts, 1))
        fold[:, members] = random.permuted(order, axis=1)
    labels = np.tile(label, (cohorts, 1))
    probabilities = np.empty((cohorts, len(label), 3))
    true = np.zeros((2, cohorts))
    for number in range(FOLDS):
        train = fold != number
        of_class = np.stack([(train & (label == group)).sum(1) for group in range(3)], axis=1)
        weight = np.where(train, 1 / of_class[:, label], 0) * train.sum(1, keepdims=True) / 3
        (found,) = fit(values, labels, weight, [1.0], 3)
        probabilities = np.where(train[..., None], probabilities, predict(values, found))
        for cohort, model in enumerate(found):
            shown = predict(unseen[None], model[None])[0]
            true[0, cohort] += np.mean([(shown[others == g].argmax(1) == g).mean() for g in range(3)]) / FOLDS
            true[1, cohort] += areas(others, shown).values.mean() / FOLDS
    return probabilities, true[0], true[1]


def pooled_rows(cohorts: int) -> Iterable[list[str]]:
    """Five folds of logistic regression: coverage of the truth, mean over cohorts; and how wide it should be."""
    random = np.random.default_rng(0)
    for counts in COUNTS[1:]:
        label = np.repeat(np.arange(3), counts)
        for distance in (0.0, 1.2, 2.0, 3.2):
            given_, balanced, macro = pooled(random, label, distance, cohorts)
            confusions = [confusion_matrix(label, one.argmax(1), 3) for one in given_]
            of_cohort = [areas(label, one) for one in given_]
            value = np.array([np.mean(np.diagonal(one) / one.sum(1)) for one in confusions])
            yield [
                "/".join(map(str, counts)),
                f"{balanced.mean():.2f}",
                coverage(
                    [balanced_interval(one, POOLED_FOLDS) for one in confusions], float(balanced.mean())
                ),
                f"{value.std() * 3.92:.2f}",
                f"{macro.mean():.2f}",
                coverage([mean_interval(one, POOLED_FOLDS) for one in of_cohort], float(macro.mean())),
                f"{np.std([one.values.mean() for one in of_cohort]) * 3.92:.2f}",
            ]


def level_rows(cohorts: int) -> Iterable[list[str]]:
    """Share of p-values below 5 % where there is nothing, at 19/10/9."""
    random = np.random.default_rng(1)
    label = np.repeat(np.arange(3), (19, 10, 9))
    of_class = np.bincount(label)
    held_out, *_ = pooled(random, label, 0.0, cohorts)
    gains = [np.eye(3)[one.argmax(1)] / of_class for one in held_out]
    small = np.mean([permutation_p_value(gain, label, seed=n) <= 0.05 for n, gain in enumerate(gains)])
    yield ["permuting held-out groups, five folds (not used)", f"{small:.3f}"]
    retrained = [_retrained(random, label, number) for number in range(cohorts // 4)]
    yield [
        "training again, five folds: balanced accuracy",
        f"{np.mean(np.array(retrained)[:, 0] <= 0.05):.3f}",
    ]
    yield ["training again, five folds: macro AUROC", f"{np.mean(np.array(retrained)[:, 1] <= 0.05):.3f}"]
    for distance in (0.0, 1.2):
        first, *_ = pooled(random, label, distance, cohorts)
        second, *_ = pooled(random, label, distance, cohorts)
        found = [compare(label, *pair, folds=FOLDS) for pair in zip(first, second, strict=True)]
        swapped = np.mean([one.balanced_accuracy.p_value <= 0.05 for one in found])
        apart = [one.balanced_accuracy.interval for one in found]
        yield [f"swapping two classifiers, five folds, distance {distance}", f"{swapped:.3f}"]
        yield [f"... and the interval of the difference covers, distance {distance}", coverage(apart, 0)]


def _retrained(random: np.random.Generator, label: Integers, seed: int) -> tuple[float, float]:
    names = [f"{number:02}" for number in range(len(label))]
    fold = np.empty(len(label), dtype=np.int64)
    for group in range(3):
        members = np.flatnonzero(label == group)
        fold[members] = random.permutation(np.arange(len(members)) % FOLDS)
    folds = [
        (
            [names[one] for one in np.flatnonzero(fold != number)],
            [names[one] for one in np.flatnonzero(fold == number)],
        )
        for number in range(FOLDS)
    ]
    features = Features(("a", "b"), random.normal(size=(len(label), 2)), label, np.array(names))
    one = logistic(features, Protocol(names, folds, "abc", seed), name="x", title="x", permutations=39)
    found = evaluate_subjects(
        names, label, one.probabilities, "abc", folds=FOLDS, permuted=one.permuted
    ).subjects
    return found.balanced_accuracy.p_value or 1.0, found.macro_auroc.p_value if found.macro_auroc else 1.0


def main() -> None:
    """Print the tables."""
    for title, rows in (
        ("balanced accuracy, one split, by recall: coverage (width)", balanced_rows(2000)),
        ("AUROC, one split, by AUROC: coverage (width)", auroc_rows(500)),
        (
            "five folds: balanced accuracy, coverage (width), 3.92 sd; macro AUROC, coverage (width), 3.92 sd",
            pooled_rows(400),
        ),
        ("level of 5 %, 19/10/9", level_rows(800)),
    ):
        print(f"\n{title}", flush=True)
        for row in rows:
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
