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


OF_SHARES = {
    "0 or 1, mean 0.9": (lambda random, shape: (random.random(shape) < 0.9) * 1.0, 0.9),
    "0 or 1, mean 0.95": (lambda random, shape: (random.random(shape) < 0.95) * 1.0, 0.95),
    "85 % zeros": (lambda random, shape: random.random(shape) * (random.random(shape) < 0.15), 0.075),
    "eighths": (lambda random, shape: random.binomial(8, 0.97, shape) / 8, 0.97),
}


@pytest.mark.parametrize("kind", OF_SHARES)
@pytest.mark.parametrize("subjects", [10, 20, 38])
def test_the_interval_of_shares_that_are_mostly_one_number_covers_their_mean(kind, subjects):
    """Student's covered 40 to 64 % with ten subjects."""
    draw, mean = OF_SHARES[kind]
    values = draw(np.random.default_rng(subjects), (400, subjects))
    assert (
        np.mean([low <= mean <= high for low, high in (mean_interval(row, (0, 1)) for row in values)]) > 0.92
    )


def test_ten_subjects_without_a_blank_map_do_not_show_that_there_are_none():
    low, high = mean_interval(np.zeros(10), (0, 1))
    assert low == 0
    assert high == pytest.approx(1 - 0.05**0.1)  # half the probability of none in ten is 2.5 %
    assert mean_interval(np.zeros(10), (-1, 1)) == pytest.approx((-high, high))


def test_numbers_that_are_not_finite_are_no_values():
    values = np.random.default_rng(0).normal(size=(13, 1))
    known = simultaneous(values[:11])
    values[11:, 0] = np.inf, np.nan
    found = simultaneous(np.hstack([values, np.full((13, 1), -np.inf)]))
    assert found.mean[0] == pytest.approx(known.mean[0])
    assert found.subjects.tolist() == [11, 0]
    assert np.isfinite(found.low[0])
    assert found.low[1] == -np.inf
    assert mean_interval(values[:, 0]) == mean_interval(values[:11, 0])


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_bounds_and_p_values_do_not_depend_on_the_unit(unit):
    values = np.random.default_rng(0).normal(0.5, 1, size=(12, 3))
    one, other = simultaneous(values), simultaneous(values * unit)
    np.testing.assert_allclose(other.low / unit, one.low)
    np.testing.assert_allclose(other.p, one.p)


def test_where_most_values_but_not_all_are_one_number_nothing_can_be_said():
    values = np.tile(np.where(np.arange(12) < 1, -0.5, 0.01)[:, None], (1, 2))
    values[:6, 1] = np.arange(6) / 10  # only half are one number
    found = simultaneous(values)
    assert (found.low[0], found.high[0], found.p[0]) == (-np.inf, np.inf, 1)
    assert np.isfinite(found.low[1])


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
