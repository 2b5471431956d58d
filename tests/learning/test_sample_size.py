"""What so many subjects can show, against brute force: simulated subjects, scored as a study scores them."""

from itertools import product

import numpy as np
import pytest

from stratacam.learning.evaluation.comparison import compare
from stratacam.learning.evaluation.sample_size import (
    _smallest_gain,
    accuracy_limits,
    accuracy_width,
    auroc_width,
    smallest_accuracy,
    smallest_difference,
    smallest_observed,
    times_for_half,
)
from stratacam.learning.evaluation.scores import balanced_interval

COUNTS = (14, 13, 13)
LABEL = np.repeat([0, 1, 2], COUNTS)


def predict(random, recall):
    """The class of every subject, right with a probability of `recall`."""
    return np.where(random.random(len(LABEL)) < recall, LABEL, (LABEL + 1) % 3)


def confusion_of(predicted):
    confusion = np.zeros((3, 3), dtype=np.int64)
    np.add.at(confusion, (LABEL, predicted), 1)
    return confusion


def test_limits_are_those_of_the_evaluation():
    right = np.array([[14, 13, 13], [7, 0, 13], [9, 8, 10]])
    low, high = accuracy_limits(COUNTS, right, 1.2)
    for place, row in enumerate(right):
        confusion = np.diag(row)
        confusion[:, 0] += np.array(COUNTS) - row
        confusion[0, 0] = row[0]
        confusion[0, 1] += COUNTS[0] - row[0]
        assert (low[place], high[place]) == pytest.approx(balanced_interval(confusion, 1.2))


@pytest.mark.parametrize("recall", [0.6, 0.95])
def test_width_of_balanced_accuracy_is_the_mean_over_simulated_studies(recall):
    random = np.random.default_rng(0)
    widths = []
    for _ in range(400):
        low, high = balanced_interval(confusion_of(predict(random, recall)))
        widths.append(high - low)
    assert accuracy_width(COUNTS, recall) == pytest.approx(np.mean(widths), abs=4 * np.std(widths) / 20)


def test_an_accuracy_that_can_be_shown_is_shown_four_times_in_five():
    smallest = smallest_accuracy(COUNTS)
    random = np.random.default_rng(1)
    shown = [balanced_interval(confusion_of(predict(random, smallest)))[0] > 1 / 3 for _ in range(400)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.06)
    assert 1 / 3 < smallest_observed(COUNTS).always < smallest < 1


def test_a_difference_that_can_be_seen_is_seen_four_times_in_five():
    difference = smallest_difference(COUNTS, 0.5)
    random = np.random.default_rng(2)
    seen = []
    for _ in range(250):
        better, worse = (np.eye(3)[predict(random, recall)] for recall in (0.5 + difference, 0.5))
        found = compare(LABEL, better, worse).balanced_accuracy
        seen.append(found.interval[0] > 0 and found.p_value < 0.05)
    assert np.mean(seen) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize(("disagreed", "sizes"), [((5, 3), (9, 9)), ((6, 4, 7), (10, 9, 19))])
def test_the_smallest_gain_is_where_the_p_value_by_swapping_crosses_5_percent(disagreed, sizes):
    smallest = _smallest_gain(disagreed, sizes)
    gain = np.repeat([1 / size for size in sizes], disagreed)
    signs = np.array(list(product([-1, 1], repeat=len(gain))))
    sums = np.round(np.abs(signs @ gain), 9)
    assert (sums >= smallest - 1e-9).mean() < 0.05
    below = sums[sums < smallest - 1e-9].max()
    assert (sums >= below - 1e-9).mean() >= 0.05


def test_one_split_needs_more_where_the_p_value_is_stricter_than_the_interval():
    assert _smallest_gain((2, 2), (20, 20)) == np.inf  # of four, one in eight swaps goes as far
    assert _smallest_gain((3, 3), (20, 20)) == pytest.approx(6 / 20)  # of six, one in 32


def test_an_accuracy_that_must_be_observed_can_occur():
    # 7 of 12 with 1, 2 and 4 right is above chance, with 2, 2 and 3 it is not; 8 of 12 always is
    assert smallest_observed((4, 4, 4)) == pytest.approx((7 / 12, 8 / 12))
    even, uneven = (np.diag(right) + np.roll(np.diag([4 - n for n in right]), 1, axis=1)
                    for right in ((2, 2, 3), (0, 3, 4)))  # fmt: skip
    assert balanced_interval(even)[0] < 1 / 3 < balanced_interval(uneven)[0]


def test_width_of_the_auroc_is_that_of_the_table_of_findings():
    assert auroc_width((5, 5, 5), 0.5) == pytest.approx(0.38, abs=0.025)
    assert auroc_width((3, 3, 3), 0.5) == pytest.approx(0.51, abs=0.025)


def test_with_few_subjects_nothing_can_be_shown():
    assert smallest_accuracy((1, 1)) is None
    assert smallest_difference((3, 3), 0.6) is None
    assert smallest_observed((1, 1)) is None


def test_width_of_the_auroc_shrinks_with_the_root_of_the_subjects():
    narrow, wide = auroc_width((80, 80), 0.8), auroc_width((20, 20), 0.8)
    assert narrow == pytest.approx(wide / 2, rel=0.1)
    assert 0.1 < auroc_width(COUNTS, 0.8) < wide * 1.1


def test_half_the_width_takes_about_four_times_the_subjects():
    times = times_for_half(COUNTS, 0.8)
    assert 3.5 < times < 4.5
    larger = [round(count * times) for count in COUNTS]
    assert accuracy_width(larger, 0.8) == pytest.approx(accuracy_width(COUNTS, 0.8) / 2, rel=0.03)
