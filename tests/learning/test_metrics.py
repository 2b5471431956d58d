import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    recall_score,
    roc_auc_score,
)
from slow_scores import macro_auroc, random_case

from stratacam.learning.evaluation.intervals import RESAMPLES, percentile_interval, resample
from stratacam.learning.evaluation.metrics import (
    accuracies,
    auroc,
    aurocs,
    brier_scores,
    confusion_by_subject,
    log_losses,
    sensitivities,
    specificities,
)


@pytest.mark.parametrize("seed", range(3))
def test_accuracies_sensitivities_and_specificities_agree_with_scikit_learn(seed):
    label, probabilities, _ = random_case(seed)
    predicted = probabilities.argmax(1)
    confusion = confusion_matrix(label, predicted)
    assert accuracies(confusion)[0] == pytest.approx((label == predicted).mean())
    assert accuracies(confusion)[1] == pytest.approx(balanced_accuracy_score(label, predicted))
    assert sensitivities(confusion) == pytest.approx(recall_score(label, predicted, average=None))
    others_found = [recall_score(label != c, predicted != c) for c in range(3)]
    assert specificities(confusion) == pytest.approx(others_found)


def test_balanced_accuracy_is_over_the_classes_that_occur():
    # recalls 1/2 and 2/2; the third class has no subject and counts neither as 0 nor as 1
    confusion = np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])
    accuracy, balanced = accuracies(confusion)
    assert accuracy == pytest.approx(3 / 4)
    assert balanced == pytest.approx(3 / 4)
    label, predicted = [0, 0, 1, 1], [0, 1, 1, 1]
    assert balanced == pytest.approx(balanced_accuracy_score(label, predicted))


def test_sensitivity_needs_somebody_of_the_class_and_specificity_somebody_else():
    nobody_of_the_second = np.array([[3, 1], [0, 0]])
    assert sensitivities(nobody_of_the_second) == pytest.approx([0.75, np.nan], nan_ok=True)
    assert specificities(nobody_of_the_second) == pytest.approx([np.nan, 0.75], nan_ok=True)


@pytest.mark.parametrize("decimals", [1, 6])
def test_auroc_agrees_with_scikit_learn_with_and_without_ties(decimals):
    label, probabilities, subject = random_case(0, decimals=decimals)
    everybody = np.ones((1, 9))
    expected = [roc_auc_score(label == c, probabilities[:, c]) for c in range(3)]
    assert aurocs(label, probabilities, subject, everybody)[0] == pytest.approx(expected)
    assert macro_auroc(label, probabilities) == pytest.approx(np.mean(expected))


def test_auroc_of_resamples_agrees_with_repeating_the_slices_of_every_subject(monkeypatch):
    label, probabilities, subject = random_case(1, decimals=1)
    times = resample(9, seed=0)[:20]
    monkeypatch.setattr(
        "stratacam.learning.evaluation.metrics.NUMBERS_AT_ONCE", 500
    )  # so that there are many blocks
    fast = auroc(probabilities[:, 2], label == 2, subject, times)
    for value, drawn in zip(fast, times, strict=True):
        rows = np.repeat(np.arange(len(label)), drawn[subject].astype(int))
        if len(np.unique(label[rows] == 2)) == 2:
            assert value == pytest.approx(roc_auc_score(label[rows] == 2, probabilities[rows, 2]))
        else:
            assert np.isnan(value)


def test_auroc_by_hand():
    # positives 0.9 and 0.5, negatives 0.5 and 0.1: three pairs won and one even, of four
    scores, positive = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    # then the second positive counts three times: 1 + 1 + 3 / 2 + 3 won, of 8; then there is no negative
    times = np.array([[1, 1, 1, 1], [1, 3, 1, 1], [2, 2, 0, 0]], dtype=float)
    found = auroc(scores, positive, np.arange(4), times)
    assert found == pytest.approx([3.5 / 4, (1 + 1 + 3 * 0.5 + 3 * 1) / 8, np.nan], nan_ok=True)


def test_brier_score_and_log_loss_agree_with_scikit_learn():
    label, probabilities, _ = random_case(2)
    probabilities /= probabilities.sum(1, keepdims=True)
    expected = brier_score_loss(label, probabilities, labels=range(3), scale_by_half=False)
    assert brier_scores(label, probabilities).mean() == pytest.approx(expected)
    assert log_losses(label, probabilities).mean() == pytest.approx(log_loss(label, probabilities))


def test_brier_score_is_from_0_to_2_and_the_log_loss_of_an_impossible_truth_is_finite():
    sure = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert brier_scores(np.array([0, 1]), sure).tolist() == [0, 2]
    assert log_losses(np.array([0, 1]), sure) == pytest.approx([0, 52 * np.log(2)])


def test_confusion_of_every_subject_adds_up_to_that_of_all():
    label, probabilities, subject = random_case(3)
    counts = confusion_by_subject(label, probabilities.argmax(1), subject, 3)
    of_fourth = subject == 4
    assert counts.sum(0).tolist() == confusion_matrix(label, probabilities.argmax(1)).tolist()
    expected = confusion_matrix(label[of_fourth], probabilities[of_fourth].argmax(1), labels=range(3))
    assert counts[4].tolist() == expected.tolist()


def test_a_resample_draws_as_many_subjects_as_there_are():
    times = resample(7, seed=0)
    assert times.shape == (RESAMPLES, 7)
    assert (times.sum(1) == 7).all()
    assert times.mean(0) == pytest.approx(np.ones(7), abs=0.1)


def test_an_interval_leaves_out_what_is_not_defined_and_is_none_where_that_is_much():
    values = np.concatenate([np.linspace(0, 1, 80), np.full(20, np.nan)])
    assert percentile_interval(values) == pytest.approx((0.025, 0.975))
    assert percentile_interval(np.concatenate([values, np.full(10, np.nan)])) is None
