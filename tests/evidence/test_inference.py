"""Intervals and bounds are tried on made-up values whose mean is known."""

import itertools

import numpy as np
import pytest
from scipy import stats

from stratacam.evidence.inference import mean_interval, simultaneous
from stratacam.evidence.inference.skewness import with_skewness, without_skewness

DRAWN = {
    "normal": (lambda random, shape: random.normal(size=shape), 0.0),
    "heavy-tailed": (lambda random, shape: random.standard_t(5, size=shape), 0.0),
    "bounded and skewed": (lambda random, shape: random.beta(8, 2, shape), 0.8),
    "tied": (lambda random, shape: random.binomial(8, 0.85, shape) / 8, 0.85),
}


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("subjects", [10, 20, 38])
def test_the_interval_of_a_mean_covers_it_at_its_level(kind, subjects):
    draw, mean = DRAWN[kind]
    values = draw(np.random.default_rng(subjects), (2000, subjects))
    covered = np.mean([low <= mean <= high for low, high in map(mean_interval, values)])
    assert 0.925 <= covered <= 0.985


def test_the_interval_of_symmetric_values_is_that_of_student():
    values = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((expected.low, expected.high))


def test_the_interval_reaches_further_where_the_values_do():
    low, high = mean_interval(np.array([0.0, 0.0, 0.0, 0.1, 0.2, 0.9]))
    assert high - 0.2 > 0.2 - low


def test_one_subject_has_no_interval_and_two_have_that_of_student():
    assert np.isnan(mean_interval(np.array([1.0]))).all()
    expected = stats.ttest_1samp([1.0, 2.0], 0).confidence_interval(0.95)
    assert mean_interval(np.array([1.0, 2.0])) == pytest.approx((expected.low, expected.high))


def test_the_correction_for_skewness_can_be_undone():
    t, skewness = np.meshgrid(np.linspace(-5, 5, 11), [-0.8, -0.1, 0.0, 0.1, 0.8])
    np.testing.assert_allclose(with_skewness(without_skewness(t, skewness), skewness), t, atol=1e-6)


@pytest.mark.parametrize("kind", ["normal", "heavy-tailed", "bounded and skewed"])
def test_bounds_and_p_values_hold_for_all_columns_together(kind):
    draw, mean = DRAWN[kind]
    random = np.random.default_rng(0)
    wrong = np.zeros(3)
    trials = 120
    for trial in range(trials):
        found = simultaneous(draw(random, (20, 12)), null=mean, seed=trial)
        wrong += [(found.low > mean).any(), (found.high < mean).any(), (found.p <= 0.05).any()]
    assert (wrong <= stats.binom.ppf(0.995, trials, 0.06)).all()


def test_p_values_are_exact_under_all_signs():
    """Ten subjects have 1024 rows of signs: the p-value is the share of those that are as far from 0."""
    values = np.random.default_rng(3).normal(0.4, 1, size=(10, 1))
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=10)))

    def t_of(rows):
        """Corrected for skewness up to 0.3, and up to a t of 3."""
        t = rows.mean(axis=1) / rows.std(axis=1, ddof=1) * np.sqrt(10)
        skewness = np.clip(stats.skew(rows, axis=1, bias=False) / np.sqrt(10), -0.3, 0.3)
        near = np.clip(t, -3, 3)
        return without_skewness(near, skewness) + t - near

    drawn = np.abs(t_of(signs * values[:, 0]))
    expected = np.mean(drawn >= np.abs(t_of(values.T)) - 1e-9)
    assert simultaneous(values).p[0] == pytest.approx(expected, abs=0.03)


def test_a_known_effect_is_found():
    values = np.random.default_rng(2).normal(size=(20, 12))
    values[:, 3] += 1.5
    found = simultaneous(values)
    assert np.flatnonzero(found.low > 0).tolist() == [3]
    assert np.flatnonzero(found.p <= 0.05).tolist() == [3]


def test_a_large_effect_in_few_subjects_is_found_though_it_is_skewed():
    values = np.random.default_rng(0).standard_t(3, size=(12, 7))
    values[:, 0] = np.random.default_rng(1).exponential(size=12) - 5
    assert simultaneous(values).p[0] < 0.01


def test_nine_subjects_have_no_bounds():
    found = simultaneous(np.ones((9, 2)))
    assert (found.low == -np.inf).all()
    assert (found.p == 1).all()


def test_values_that_do_not_vary_are_their_own_bounds():
    found = simultaneous(np.tile([0.0, 1.0, -1.0], (12, 1)))
    assert found.low.tolist() == found.high.tolist() == [0.0, 1.0, -1.0]
    assert found.p[0] == 1
    assert (found.p[1:] < 0.01).all()
