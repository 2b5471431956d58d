import itertools
import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score
from slow_scores import balanced_accuracy, expected_calibration_error, macro_auroc, random_case

from stratacam.learning.evaluation.intervals import balanced_posterior, permutation_p_value
from stratacam.learning.evaluation.scores import score, score_decisions

NAMES = ("control", "RRMS", "SPMS")


def sure(predicted, classes=3):
    """Probabilities 0.8 for what is predicted, and the rest shared."""
    rest = 0.2 / (classes - 1)
    return np.where(np.eye(classes)[np.asarray(predicted)] > 0, 0.8, rest)


def test_values_of_slices_agree_with_scikit_learn():
    label, probabilities, subject = random_case(0)
    probabilities /= probabilities.sum(1, keepdims=True)
    scores = score(label, probabilities, NAMES, subject=subject)
    assert scores.accuracy.value == pytest.approx(accuracy_score(label, probabilities.argmax(1)))
    assert scores.balanced_accuracy.value == pytest.approx(
        balanced_accuracy_score(label, probabilities.argmax(1))
    )
    assert scores.macro_auroc.value == pytest.approx(roc_auc_score(label, probabilities, multi_class="ovr"))
    assert scores.auroc["SPMS"].value == pytest.approx(roc_auc_score(label == 2, probabilities[:, 2]))
    assert scores.log_loss.value == pytest.approx(log_loss(label, probabilities))
    assert scores.expected_calibration_error.value == pytest.approx(
        expected_calibration_error(probabilities, label)
    )


def test_intervals_of_slices_agree_with_a_slow_bootstrap_over_subjects():
    label, probabilities, subject = random_case(3, subjects=15, slices=150)
    generator = np.random.default_rng(99)
    values = []
    for _ in range(500):
        rows = np.concatenate([np.flatnonzero(subject == s) for s in generator.integers(0, 15, 15)])
        true, given = label[rows], probabilities[rows]
        values.append(
            [
                (given.argmax(1) == true).mean(),
                balanced_accuracy(true, given.argmax(1)),
                macro_auroc(true, given),
                ((given - np.eye(3)[true]) ** 2).sum(1).mean(),
                -np.log(given[np.arange(len(true)), true]).mean(),
                expected_calibration_error(given, true),
            ]
        )
    expected = np.nanpercentile(values, [2.5, 97.5], axis=0).T
    scores = score(label, probabilities, NAMES, subject=subject, seed=1)
    names = [
        "accuracy",
        "balanced_accuracy",
        "macro_auroc",
        "brier",
        "log_loss",
        "expected_calibration_error",
    ]
    found = [getattr(scores, name).bootstrap for name in names]
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_bootstrap_resamples_subjects_with_all_their_slices():
    # one subject with 90 slices right, one with 10 wrong: a resample has accuracy 1, 0 or 0.9, never between
    predicted = np.repeat([0, 1], [90, 10])
    scores = score_decisions(np.zeros(100, dtype=int), predicted, NAMES[:2], subject=predicted)
    assert scores.accuracy.bootstrap == (0, 1)


def test_when_all_subjects_are_right_the_interval_for_few_subjects_still_has_width():
    label = np.array([0, 0, 0, 1, 1, 1])
    scores = score(label, sure(label, 2), NAMES[:2])
    assert scores.accuracy.bootstrap == scores.balanced_accuracy.bootstrap == (1, 1)
    # Clopper-Pearson with n of n right: from (alpha / 2) ** (1 / n) to 1
    assert scores.accuracy.small_sample == pytest.approx((0.025 ** (1 / 6), 1))
    assert scores.sensitivity["RRMS"].small_sample == pytest.approx((0.025 ** (1 / 3), 1))
    # the chance of 6 right of 6 with a fair coin
    assert scores.accuracy.p_value == pytest.approx(0.5**6)
    # of the 20 ways to give the labels to six subjects, one is all right
    assert scores.balanced_accuracy.p_value == pytest.approx(1 / 20, abs=0.01)
    assert scores.macro_auroc.p_value == pytest.approx(1 / 20, abs=0.01)
    low, high = scores.balanced_accuracy.small_sample
    assert 0.5 < low < high == 1  # extended to what was observed


def test_sensitivity_and_specificity_have_exact_intervals_for_few_subjects():
    # of 5 patients 4 are found; of 6 controls 2 are taken for patients
    label = np.repeat([0, 1], [6, 5])
    predicted = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0])
    scores = score_decisions(label, predicted, ("control", "patient"))
    for estimate, right, count in (
        (scores.sensitivity["patient"], 4, 5),
        (scores.specificity["patient"], 4, 6),
        (scores.specificity["control"], 4, 5),
    ):
        exact = binomtest(right, count).proportion_ci(method="exact")
        assert estimate.value == pytest.approx(right / count)
        assert estimate.small_sample == pytest.approx((exact.low, exact.high))


def test_posterior_of_balanced_accuracy_with_one_class_is_the_beta_distribution():
    # Beta(1 + 8, 1 + 2), quantiles from tables
    assert balanced_posterior(np.array([[8, 2], [0, 0]]), seed=0) == pytest.approx((0.482, 0.940), abs=0.01)


def test_chance_is_what_one_gets_without_looking():
    label = np.array([0] * 6 + [1] * 3 + [2])
    scores = score(label, np.tile([0.6, 0.3, 0.1], (10, 1)), NAMES)
    assert scores.accuracy.value == scores.accuracy.chance == pytest.approx(0.6)
    assert scores.balanced_accuracy.value == scores.balanced_accuracy.chance == pytest.approx(1 / 3)
    assert scores.macro_auroc.value == scores.macro_auroc.chance == 0.5
    assert scores.brier.value == pytest.approx(scores.brier.chance)
    assert scores.log_loss.value == pytest.approx(scores.log_loss.chance)
    assert scores.expected_calibration_error.value == pytest.approx(0)
    assert scores.accuracy.p_value > 0.5
    assert scores.balanced_accuracy.p_value == scores.macro_auroc.p_value == 1


def test_permutation_p_values_agree_with_all_permutations():
    label = np.array([0, 0, 0, 1, 1, 2, 2])
    probabilities = random_case(4, subjects=7, slices=0, decimals=1)[1]
    probabilities = 0.7 * probabilities + 0.3 * np.eye(3)[[0, 0, 1, 1, 1, 2, 0]]
    every = set(itertools.permutations(label))
    assert len(every) == math.factorial(7) // (6 * 2 * 2)

    def p_value(measure, predictions):
        observed = measure(label, predictions)
        return np.mean([measure(np.array(permuted), predictions) >= observed - 1e-9 for permuted in every])

    scores = score(label, probabilities, NAMES)
    assert scores.balanced_accuracy.p_value == pytest.approx(
        p_value(balanced_accuracy, probabilities.argmax(1)), abs=0.015
    )
    assert scores.macro_auroc.p_value == pytest.approx(p_value(macro_auroc, probabilities), abs=0.015)


def test_permutation_p_value_is_uniform_where_nothing_is_to_be_found():
    generator = np.random.default_rng(0)
    label = np.arange(30) % 3
    p_values = [permutation_p_value(generator.random((30, 3)), label, seed=number) for number in range(60)]
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.12)
    assert np.mean(np.array(p_values) < 0.2) == pytest.approx(0.2, abs=0.15)


def test_a_class_without_held_out_subjects_has_no_sensitivity_and_no_auroc():
    label = np.array([0, 0, 0, 1, 1, 1])
    scores = score(label, sure([0, 0, 1, 1, 1, 2]), NAMES)
    assert scores.sensitivity["SPMS"] is scores.auroc["SPMS"] is None
    assert scores.specificity["SPMS"].value == pytest.approx(5 / 6)
    # the mean over the groups that occur: controls 7.5 of 9 pairs, RRMS 6 of 9 (ties one half)
    assert scores.macro_auroc.value == pytest.approx((7.5 + 6.0) / 18)
    assert scores.balanced_accuracy.chance == 0.5


def test_with_one_group_only_there_is_nothing_to_test():
    scores = score(np.zeros(4, dtype=int), sure([0, 0, 1, 0]), NAMES)
    assert scores.accuracy.value == scores.sensitivity["control"].value == 0.75
    assert scores.specificity["control"] is scores.macro_auroc is scores.auroc["control"] is None
    assert scores.accuracy.p_value is scores.balanced_accuracy.p_value is None
    assert scores.accuracy.bootstrap is not None


def test_with_one_subject_there_are_no_intervals_by_resampling():
    slices = score(np.zeros(4, dtype=int), sure([0, 0, 1, 0]), NAMES, subject=np.zeros(4, dtype=int))
    subject = score(np.zeros(1, dtype=int), sure([0]), NAMES)
    for scores in (slices, subject):
        assert scores.accuracy.bootstrap is scores.brier.bootstrap is None
        assert scores.accuracy.p_value is None
    assert subject.accuracy.small_sample == pytest.approx((0.025, 1))


def test_a_group_of_one_subject_has_no_interval_of_its_own_by_resampling():
    label = np.array([0, 0, 0, 0, 1])
    scores = score(label, sure([0, 0, 0, 1, 1], 2), NAMES[:2])
    assert scores.sensitivity["RRMS"].bootstrap is scores.macro_auroc.bootstrap is None
    assert scores.sensitivity["RRMS"].small_sample == pytest.approx((0.025, 1))
    assert scores.sensitivity["control"].bootstrap is not None


def test_calibrated_probabilities_are_scored_beside_the_others():
    label, probabilities, subject = random_case(5)
    flat = np.full_like(probabilities, 1 / 3)
    scores = score(label, probabilities, NAMES, subject=subject, calibrated=flat)
    assert scores.calibrated.log_loss.value == pytest.approx(np.log(3))
    assert scores.calibrated.brier.value == pytest.approx((2 / 3) ** 2 + 2 * (1 / 3) ** 2)
    assert score(label, probabilities, NAMES, subject=subject).calibrated is None
