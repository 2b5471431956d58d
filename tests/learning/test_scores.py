import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score
from slow_scores import balanced_accuracy, expected_calibration_error, macro_auroc, random_case

from stratacam.learning.evaluation.intervals import POOLED_FOLDS, permutation_p_value
from stratacam.learning.evaluation.scores import SLICES, Unit, score

NAMES = ("control", "RRMS", "SPMS")


def sure(predicted, classes=3):
    """Probabilities 0.8 for what is predicted, and the rest shared."""
    rest = 0.2 / (classes - 1)
    return np.where(np.eye(classes)[np.asarray(predicted)] > 0, 0.8, rest)


def test_values_of_slices_agree_with_scikit_learn():
    label, probabilities, _ = random_case(0)
    probabilities /= probabilities.sum(1, keepdims=True)
    scores = score(label, probabilities, NAMES, unit=SLICES)
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


def test_when_all_subjects_are_right_intervals_still_have_width():
    label = np.array([0, 0, 0, 1, 1, 1])
    scores = score(label, sure(label, 2), NAMES[:2])
    # n of n right with the mid-p correction: from (2 x 0.025) ** (1 / n) to 1
    assert scores.accuracy.interval == pytest.approx((0.05 ** (1 / 6), 1))
    recall = 0.05 ** (1 / 3)
    assert scores.sensitivity["RRMS"].interval == pytest.approx((recall, 1))
    assert scores.balanced_accuracy.interval == pytest.approx((1 - np.sqrt(2) * (1 - recall) / 2, 1))
    # after E. L. Lehmann (1953), three come before three with k^3 / ((k + 1) (k + 3/2) (k + 3)) at odds of k
    low, high = scores.macro_auroc.interval
    odds = low / (1 - low)
    assert odds**3 / ((odds + 1) * (odds + 1.5) * (odds + 3)) == pytest.approx(0.025)
    assert high == 1
    # the chance of 6 right of 6 with a fair coin
    assert scores.accuracy.p_value == pytest.approx(0.5**6)
    # of the 20 ways to give the labels to six subjects, one is all right
    assert scores.balanced_accuracy.p_value == pytest.approx(1 / 20, abs=0.01)
    assert scores.macro_auroc.p_value == pytest.approx(1 / 20, abs=0.01)


def test_slices_have_neither_intervals_nor_p_values():
    label, probabilities, _ = random_case(3)
    scores = score(label, probabilities, NAMES, unit=SLICES)
    estimates = [scores.accuracy, scores.balanced_accuracy, scores.macro_auroc, *scores.sensitivity.values()]
    assert {(estimate.interval, estimate.p_value) for estimate in estimates} == {(None, None)}


def test_predictions_pooled_over_folds_have_wider_intervals_and_no_p_values():
    label, probabilities, _ = random_case(3, subjects=20, slices=0)
    one, five = (score(label, probabilities, NAMES, unit=Unit(folds=folds)) for folds in (1, 5))
    for name in ("accuracy", "balanced_accuracy", "macro_auroc"):
        narrow, wide = getattr(one, name), getattr(five, name)
        assert narrow.value == wide.value
        assert wide.interval[0] - wide.value == pytest.approx(
            POOLED_FOLDS * (narrow.interval[0] - narrow.value)
        )
        assert narrow.p_value is not None
        assert wide.p_value is None


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
    assert scores.accuracy.interval is not None


def test_one_subject_has_the_widest_interval_and_no_p_value():
    scores = score(np.zeros(1, dtype=int), sure([0]), NAMES)
    assert scores.accuracy.interval == pytest.approx((0.05, 1))
    assert scores.accuracy.p_value is scores.brier.interval is None


def test_calibrated_probabilities_are_scored_beside_the_others():
    label, probabilities, _ = random_case(5)
    flat = np.full_like(probabilities, 1 / 3)
    scores = score(label, probabilities, NAMES, unit=SLICES, calibrated=flat)
    assert scores.calibrated.log_loss.value == pytest.approx(np.log(3))
    assert scores.calibrated.brier.value == pytest.approx((2 / 3) ** 2 + 2 * (1 / 3) ** 2)
    assert score(label, probabilities, NAMES, unit=SLICES).calibrated is None
