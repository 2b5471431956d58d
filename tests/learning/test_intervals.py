"""Intervals cover what they promise: by simulation with known truth."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from stratacam.learning.evaluation.auroc import areas, difference_interval, mean_interval
from stratacam.learning.evaluation.comparison import compare
from stratacam.learning.evaluation.intervals import (
    clustered_interval,
    combine,
    paired_interval,
    share_interval,
)
from stratacam.learning.evaluation.scores import balanced_interval


def coverage(intervals, truth):
    """Share of intervals that hold the truth."""
    low, high = np.array(intervals).T
    return float(((low <= truth + 1e-9) & (truth <= high + 1e-9)).mean())


def placed(generator, label, shift):
    """Probabilities of classes by normal scores, of which that of the true class is shifted."""
    scores = generator.normal(size=(len(label), 3)) + shift * np.eye(3)[label]
    return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


@pytest.mark.parametrize(("right", "count"), [(0, 4), (3, 9), (7, 9), (9, 9)])
def test_limits_of_a_share_leave_two_and_a_half_per_cent_by_mid_p(right, count):
    low, high = share_interval(right, count)
    if right > 0:
        assert binom.sf(right - 1, count, low) - binom.pmf(right, count, low) / 2 == pytest.approx(0.025)
    if right < count:
        assert binom.cdf(right, count, high) - binom.pmf(right, count, high) / 2 == pytest.approx(0.025)
    exact = binomtest(right, count).proportion_ci(method="exact")
    assert exact.low <= low <= right / count <= high <= exact.high


@pytest.mark.parametrize("count", [3, 5, 9, 14, 50])
def test_the_interval_of_a_share_covers_at_every_share(count):
    limits = np.array([share_interval(right, count) for right in range(count + 1)])
    for share in np.linspace(0.02, 1, 50):
        inside = (limits[:, 0] <= share + 1e-9) & (share <= limits[:, 1] + 1e-9)
        assert binom.pmf(np.arange(count + 1), count, share)[inside].sum() >= 0.92


@pytest.mark.parametrize("counts", [(3, 3, 3), (9, 10, 19), (14, 13, 13)])
@pytest.mark.parametrize("recall", [0.5, 0.8, 0.95, 1.0])
def test_the_interval_of_balanced_accuracy_covers(counts, recall):
    generator = np.random.default_rng(0)
    right = generator.binomial(counts, recall, (400, 3))
    confusions = [np.diag(row) + np.roll(np.diag(np.array(counts) - row), 1, axis=1) for row in right]
    assert coverage([balanced_interval(one) for one in confusions], recall) >= 0.92


@pytest.mark.parametrize("counts", [(3, 3, 3), (9, 10, 19)])
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_intervals_of_auroc_cover(counts, shift):
    generator = np.random.default_rng(0)
    label = np.repeat(np.arange(3), counts)
    many = np.repeat(label, 400)
    truth = areas(many, placed(generator, many, shift)).values
    found = [areas(label, placed(generator, label, shift)) for _ in range(400)]
    assert coverage([one.interval(0) for one in found], truth[0]) >= 0.92
    assert coverage([mean_interval(one) for one in found], truth.mean()) >= 0.92


@pytest.mark.parametrize("counts", [(2, 2), (2, 8), (3, 3), (3, 4), (4, 4), (3, 6)])
def test_the_interval_of_auroc_misses_one_half_in_6_percent_of_all_orders_at_most(counts):
    subjects = sum(counts)
    missed = []
    for members in combinations(range(subjects), counts[1]):
        label = np.isin(np.arange(subjects), members).astype(np.int64)
        scores = np.arange(subjects, dtype=float)
        low, high = mean_interval(areas(label, np.column_stack([-scores, scores])))
        missed.append(not low <= 0.5 <= high)
    assert np.mean(missed) <= 0.06  # of three and three, 10 % missed it: those of an area of 0 and 1


@pytest.mark.parametrize("counts", [(3, 3, 3), (9, 10, 19)])
def test_intervals_of_differences_cover(counts):
    generator = np.random.default_rng(0)
    label = np.repeat(np.arange(3), counts)
    pairs = [[placed(generator, label, 1.2) for _ in range(2)] for _ in range(300)]
    found = [compare(label, *pair) for pair in pairs]
    assert coverage([one.accuracy.interval for one in found], 0) >= 0.92
    assert coverage([one.balanced_accuracy.interval for one in found], 0) >= 0.92
    assert coverage([difference_interval(*(areas(label, one) for one in pair)) for pair in pairs], 0) >= 0.92


@pytest.mark.parametrize("between", [0.05, 0.6])
def test_the_interval_of_balanced_accuracy_of_slices_covers_however_alike_those_of_a_subject_are(between):
    generator = np.random.default_rng(0)
    intervals = []
    for _ in range(300):
        rate = generator.beta(0.8 * (1 / between - 1), 0.2 * (1 / between - 1), (3, 6))
        right = generator.binomial(40, rate).astype(float)
        limits = [clustered_interval(row, np.full(6, 40.0)) for row in right]
        intervals.append(combine(right.mean(1) / 40, limits, np.full(3, 1 / 3)))
    assert coverage(intervals, 0.8) >= 0.92


def test_slices_that_never_differ_between_subjects_count_as_one_a_subject():
    assert clustered_interval(np.full(5, 40.0), np.full(5, 40.0)) == pytest.approx(share_interval(5, 5))


def test_limits_are_combined_by_the_root_of_the_sum_of_squares():
    # distances 0.3 and 0.4 below, 0.1 and 0.1 above, of the mean of two
    values, limits = [0.5, 0.6], [(0.2, 0.6), (0.2, 0.7)]
    low, high = combine(values, limits, [0.5, 0.5])
    assert (low, high) == pytest.approx((0.55 - 0.25, 0.55 + np.sqrt(0.02) / 2))
    # of their difference: 0.3 below the first with 0.1 above the second
    low, high = combine(values, limits, [1, -1])
    assert (low, high) == pytest.approx((-0.1 - np.hypot(0.3, 0.1), -0.1 + np.hypot(0.1, 0.4)))
    # of the same number twice, the interval is that of the number
    same = combine([0.5, 0.5], [(0.2, 0.6)] * 2, [0.5, 0.5], correlation=np.ones((2, 2)))
    assert same == pytest.approx((0.2, 0.6))


def test_a_paired_difference_without_disagreement_still_has_an_interval():
    # one subject more on each side of 8: 0 plus and minus 1.96 sqrt(0.2 / 10)
    assert paired_interval(0, 0, 8) == pytest.approx((-1.96 * np.sqrt(0.02), 1.96 * np.sqrt(0.02)), abs=1e-4)
