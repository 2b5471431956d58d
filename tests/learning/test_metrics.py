import numpy as np
import pytest
import sklearn.metrics
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, log_loss, roc_auc_score
from slow_scores import macro_auroc, random_case

from stratacam.learning.evaluation.auroc import area, areas
from stratacam.learning.evaluation.metrics import accuracies, brier_scores, confusion_matrix, log_losses


@pytest.mark.parametrize("seed", range(3))
def test_confusion_and_accuracies_agree_with_scikit_learn(seed):
    label, probabilities, _ = random_case(seed)
    predicted = probabilities.argmax(1)
    confusion = confusion_matrix(label, predicted, 3)
    assert confusion.tolist() == sklearn.metrics.confusion_matrix(label, predicted).tolist()
    assert accuracies(confusion)[0] == pytest.approx((label == predicted).mean())
    assert accuracies(confusion)[1] == pytest.approx(balanced_accuracy_score(label, predicted))


def test_balanced_accuracy_is_over_the_classes_that_occur():
    # recalls 1/2 and 2/2; the third class has no subject and counts neither as 0 nor as 1
    confusion = np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])
    accuracy, balanced = accuracies(confusion)
    assert accuracy == pytest.approx(3 / 4)
    assert balanced == pytest.approx(3 / 4)
    label, predicted = [0, 0, 1, 1], [0, 1, 1, 1]
    assert balanced == pytest.approx(balanced_accuracy_score(label, predicted))


@pytest.mark.parametrize("decimals", [1, 6])
def test_auroc_agrees_with_scikit_learn_with_and_without_ties(decimals):
    label, probabilities, _ = random_case(0, decimals=decimals)
    expected = [roc_auc_score(label == c, probabilities[:, c]) for c in range(3)]
    assert areas(label, probabilities).values == pytest.approx(expected)
    assert macro_auroc(label, probabilities) == pytest.approx(np.mean(expected))


def test_auroc_by_hand():
    # positives 0.9 and 0.5, negatives 0.5 and 0.1: three pairs won and one even, of four
    assert area(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])) == 3.5 / 4


def test_influence_of_subjects_on_the_auroc_is_what_leaving_them_out_changes():
    label, probabilities, _ = random_case(0, subjects=12, slices=0)
    found = areas(label, probabilities)
    assert found.influence.sum(1) == pytest.approx(0)
    for subject in range(12):
        rest = np.arange(12) != subject
        left = areas(label[rest], probabilities[rest]).values - found.values
        of_class = np.array(
            [(label == c).sum() if label[subject] == c else (label != c).sum() for c in range(3)]
        )
        assert found.influence[:, subject] == pytest.approx(-left * (of_class - 1) / of_class)


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
