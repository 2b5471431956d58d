import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss
from slow_scores import expected_calibration_error

from stratacam.errors import InputError
from stratacam.learning.evaluation.calibration import (
    apply_temperature,
    fit_temperature,
    reliability,
)


def drawn(count, temperature=1.0, seed=0):
    """Logits whose softmax, at a temperature, is the probability of the labels."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (count, 3))
    probabilities = softmax(logits / temperature, axis=1)
    label = (probabilities.cumsum(1) < generator.random((count, 1))).sum(1).clip(max=2)
    return logits, label


def test_temperature_is_that_by_which_the_labels_were_drawn():
    logits, label = drawn(20_000, temperature=2.5)
    assert fit_temperature(logits, label) == pytest.approx(2.5, rel=0.03)


def test_logits_three_times_as_large_need_three_times_the_temperature():
    logits, label = drawn(200)
    once = fit_temperature(logits, label)
    assert fit_temperature(3 * logits, label) == pytest.approx(3 * once, rel=1e-5)
    np.testing.assert_allclose(apply_temperature(3 * logits, 3 * once), apply_temperature(logits, once))


def test_no_temperature_on_a_fine_grid_has_a_smaller_log_loss():
    logits, label = drawn(100, temperature=1.7, seed=1)
    fitted = log_loss(label, apply_temperature(logits, fit_temperature(logits, label)))
    grid = [
        log_loss(label, softmax(logits / temperature, axis=1)) for temperature in np.geomspace(0.5, 5, 100)
    ]
    assert fitted <= min(grid) + 1e-9
    assert fitted == pytest.approx(min(grid), abs=1e-4)


def test_a_weight_of_two_is_the_slice_twice():
    logits, label = drawn(60)
    times = np.arange(60) % 3
    again = np.repeat(np.arange(60), times)
    assert fit_temperature(logits, label, times) == pytest.approx(
        fit_temperature(logits[again], label[again]), rel=1e-5
    )


def test_temperature_stays_within_its_limits():
    logits, label = drawn(50)
    assert (
        fit_temperature(10 * np.eye(3)[label], label) == 1
    )  # all right: the sharper the better, without end
    assert fit_temperature(-np.eye(3)[label], label) == pytest.approx(20)  # all wrong
    assert fit_temperature(np.zeros_like(logits), label) > 0  # any will do


def test_temperature_leaves_the_prediction():
    logits, _ = drawn(50)
    assert (apply_temperature(logits, 3.3).argmax(1) == logits.argmax(1)).all()


@pytest.mark.parametrize(
    ("logits", "labels"), [(np.zeros((0, 3)), []), (np.zeros((2, 3)), [0]), ([[np.nan, 0.0]], [0])]
)
def test_temperature_of_nothing_is_refused(logits, labels):
    with pytest.raises(InputError, match=r"validation slices.*see whether"):
        fit_temperature(logits, labels)


def test_reliability_by_hand():
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.55, 0.45], [0.05, 0.95], [0.5, 0.5]])
    found = reliability(probabilities, [0, 0, 0, 1, 0], bins=5)
    assert found.low == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert found.high == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
    assert found.count.tolist() == [0, 0, 3, 1, 1]  # 0.6 belongs to the bin that ends there
    assert found.confidence == pytest.approx([np.nan, np.nan, 0.55, 0.7, 0.95], nan_ok=True)
    assert found.accuracy == pytest.approx([np.nan, np.nan, 1, 0, 1], nan_ok=True)
    # shares 3/5, 1/5, 1/5 of the distances 0.45, 0.7, 0.05
    assert expected_calibration_error(probabilities, [0, 0, 0, 1, 0], bins=5) == pytest.approx(0.42)


def test_perfect_probabilities_have_a_small_calibration_error_and_sharpened_ones_a_large_one():
    logits, label = drawn(20_000)
    assert expected_calibration_error(softmax(logits, axis=1), label) < 0.01
    assert expected_calibration_error(softmax(3 * logits, axis=1), label) > 0.1
