import itertools
import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from stratacam.errors import InputError
from stratacam.learning.evaluation.comparison import compare, swap_p_value

LABEL = np.array([0] * 7 + [1] * 5 + [2] * 4)


def given(predicted, seed=0):
    """Probabilities whose highest is the predicted class."""
    noise = np.random.default_rng(seed).random((len(predicted), 3))
    probabilities = np.eye(3)[predicted] * 1.5 + noise
    return probabilities / probabilities.sum(1, keepdims=True)


def wrong_at(*subjects):
    predicted = LABEL.copy()
    predicted[list(subjects)] = (predicted[list(subjects)] + 1) % 3
    return predicted


def test_values_are_the_differences_of_scikit_learn():
    first, second = given(wrong_at(0, 8)), given(wrong_at(1, 2, 3, 9, 14), seed=1)
    found = compare(LABEL, first, second)
    assert found.subjects == 16
    assert (found.only_first, found.only_second) == (5, 2)
    assert found.accuracy.value == pytest.approx(14 / 16 - 11 / 16)
    assert found.balanced_accuracy.value == pytest.approx(
        balanced_accuracy_score(LABEL, first.argmax(1)) - balanced_accuracy_score(LABEL, second.argmax(1))
    )
    assert found.macro_auroc.value == pytest.approx(
        roc_auc_score(LABEL, first, multi_class="ovr") - roc_auc_score(LABEL, second, multi_class="ovr")
    )


def test_accuracy_is_tested_by_the_exact_test_of_mcnemar():
    # only the first right: 6, only the second: 1; both tails of Binomial(7, 1/2): 2 (1 + 7) / 128
    found = compare(LABEL, given(wrong_at(0)), given(wrong_at(1, 2, 3, 8, 9, 14)))
    assert found.accuracy.p_value == pytest.approx(2 * (1 + 7) / 128)


def test_swapping_agrees_with_all_swaps():
    gain = np.array([1 / 7, 1 / 7, -1 / 5, 1 / 4, 0, 1 / 5])
    sums = [abs(np.dot(signs, gain)) for signs in itertools.product([-1, 1], repeat=6)]
    expected = np.mean(np.array(sums) >= abs(gain.sum()) - 1e-9)
    assert swap_p_value(gain, seed=0) == pytest.approx(expected, abs=0.015)


def test_a_model_is_not_better_than_itself():
    found = compare(LABEL, given(wrong_at(0, 8)), given(wrong_at(0, 8)))
    for difference in (found.accuracy, found.balanced_accuracy, found.macro_auroc):
        assert difference.value == 0
        assert difference.interval[0] < 0 < difference.interval[1]
    assert found.accuracy.p_value == found.balanced_accuracy.p_value == 1


def test_the_interval_of_balanced_accuracy_is_put_together_from_those_of_the_groups():
    found = compare(LABEL, given(LABEL), given(wrong_at(0, 1)))
    # first group: 2 of 7; centre 2 / 9, variance (4 / 9 - 4 / 81) / 9 with one subject more on each side
    of_first = 2 / 9 - 1.96 * np.sqrt((4 / 9 - 4 / 81) / 9)
    others = [1.96 * np.sqrt(2 / (count + 2) / (count + 2)) for count in (5, 4)]
    expected = 2 / 21 - np.hypot(np.hypot(2 / 7 - of_first, others[0]), others[1]) / 3
    assert found.balanced_accuracy.interval[0] == pytest.approx(expected, abs=1e-4)


def test_what_is_not_valid_is_none_and_all_is_json():
    one_group = compare([1, 1, 1], given([1, 1, 0]), given([1, 0, 1]))
    assert one_group.macro_auroc is None
    one_subject = compare([1], given([1]), given([0]))
    assert json.loads(json.dumps(one_subject.as_json()))["accuracy"]["value"] == 1
    without_the_first = compare([1, 1, 2, 2], given([1, 1, 2, 2]), given([1, 1, 2, 1]))
    assert without_the_first.balanced_accuracy.value == pytest.approx(0.25)


def test_other_subjects_are_refused():
    with pytest.raises(InputError, match=r"\(16, 3\) and \(15, 3\) for 16 subjects"):
        compare(LABEL, given(LABEL), given(LABEL[:-1]))


def test_pooled_folds_have_wider_intervals_and_no_p_values():
    one, five = (compare(LABEL, given(LABEL), given(wrong_at(0, 1, 8)), folds=folds) for folds in (1, 5))
    for name in ("accuracy", "balanced_accuracy"):
        narrow, wide = getattr(one, name), getattr(five, name)
        assert wide.interval[0] - wide.value == pytest.approx(1.3 * (narrow.interval[0] - narrow.value))
        assert narrow.p_value is not None
        assert wide.p_value is None
