import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from stratacam.learning.metrics import (
    accuracies,
    balanced_posterior,
    bootstrap,
    confusion_by_subject,
    permutation_p_value,
    score_slices,
    score_subjects,
)


def random_case(seed, subjects=9, slices=70, classes=3):
    generator = np.random.default_rng(seed)
    subject = np.concatenate([np.arange(subjects), generator.integers(0, subjects, slices)])
    label = (np.arange(subjects) % classes)[subject]
    predicted = np.where(
        generator.random(len(label)) < 0.6, label, generator.integers(0, classes, len(label))
    )
    return label, predicted, subject


@pytest.mark.parametrize("seed", range(5))
def test_confusion_and_accuracies_of_slices_agree_with_scikit_learn(seed):
    label, predicted, subject = random_case(seed)
    scores = score_slices(confusion_by_subject(label, predicted, subject, 3), seed=0)
    assert np.array_equal(scores.confusion, confusion_matrix(label, predicted))
    assert scores.accuracy.value == pytest.approx(accuracy_score(label, predicted))
    assert scores.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(label, predicted))


def test_balanced_accuracy_is_over_the_classes_that_occur():
    # recalls 1/2 and 2/2; the third class has no subject and counts neither as 0 nor as 1
    confusion = np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])
    accuracy, balanced = accuracies(confusion)
    assert accuracy == pytest.approx(3 / 4)
    assert balanced == pytest.approx(3 / 4)
    label, predicted = [0, 0, 1, 1], [0, 1, 1, 1]
    assert balanced == pytest.approx(balanced_accuracy_score(label, predicted))


def test_bootstrap_resamples_subjects_with_all_their_slices():
    # one subject with 90 slices right, one with 10 wrong: a resample has accuracy 1, 0 or 0.9, never between
    label = np.zeros(100, dtype=int)
    predicted = np.repeat([0, 1], [90, 10])
    counts = confusion_by_subject(label, predicted, predicted, 2)
    accuracy, _ = bootstrap(counts, seed=0)
    assert accuracy == (0, 1)


def test_bootstrap_interval_agrees_with_a_slow_one():
    label, predicted, subject = random_case(3)
    generator = np.random.default_rng(99)
    values = []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(subject == s) for s in generator.integers(0, 9, 9)])
        recalls = [(predicted[rows] == c)[label[rows] == c].mean() for c in set(label[rows])]
        values.append([accuracy_score(label[rows], predicted[rows]), np.mean(recalls)])
    expected = np.percentile(values, [2.5, 97.5], axis=0).T
    np.testing.assert_allclose(
        bootstrap(confusion_by_subject(label, predicted, subject, 3), seed=1), expected, atol=0.03
    )


def test_when_all_subjects_are_right_the_interval_for_few_subjects_still_has_width():
    label = np.array([0, 0, 0, 1, 1, 1])
    scores = score_subjects(label, label, 2, seed=0)
    assert scores.accuracy.bootstrap == scores.balanced_accuracy.bootstrap == (1, 1)
    # Clopper-Pearson with n of n right: from (alpha / 2) ** (1 / n) to 1
    assert scores.accuracy.small_sample == pytest.approx((0.025 ** (1 / 6), 1))
    # the chance of 6 right of 6 with a fair coin
    assert scores.accuracy.p_value == pytest.approx(0.5**6)
    # of the 20 ways to give the labels to six subjects, one is all right
    assert scores.balanced_accuracy.p_value == pytest.approx(1 / 20, abs=0.01)
    low, high = scores.balanced_accuracy.small_sample
    assert 0.5 < low < high < 1


def test_posterior_of_balanced_accuracy_with_one_class_is_the_beta_distribution():
    # Beta(1 + 8, 1 + 2), quantiles from tables
    assert balanced_posterior(np.array([[8, 2], [0, 0]]), seed=0) == pytest.approx((0.482, 0.940), abs=0.01)


def test_chance_is_the_share_of_the_largest_group_and_one_over_the_groups():
    label = np.array([0] * 6 + [1] * 3 + [2])
    scores = score_subjects(label, np.zeros(10, dtype=int), 3, seed=0)
    assert scores.accuracy.value == scores.accuracy.chance == pytest.approx(0.6)
    assert scores.balanced_accuracy.value == scores.balanced_accuracy.chance == pytest.approx(1 / 3)
    assert scores.accuracy.p_value > 0.5
    assert scores.balanced_accuracy.p_value == 1


def test_permutation_p_value_agrees_with_all_permutations():
    label, predicted = np.array([0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 2, 0])
    observed = balanced_accuracy_score(label, predicted)
    every = [
        balanced_accuracy_score(permuted, predicted) >= observed - 1e-9
        for permuted in set(itertools.permutations(label))
    ]
    assert len(every) == math.factorial(7) // (6 * 2 * 2)
    assert permutation_p_value(label, predicted, 3, seed=0) == pytest.approx(np.mean(every), abs=0.01)
