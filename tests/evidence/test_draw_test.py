"""Family-wise tests: one study among draws, and the options that may be best."""

import numpy as np
import pytest

from stratacam.evidence.inference.best import may_be_best
from stratacam.evidence.inference.draw_test import draw_test


def test_p_is_the_share_of_draws_with_a_statistic_as_large_in_any_test():
    drawn = np.array([[5.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, 0.5]])
    found = draw_test(drawn)
    # standardised over all four: test 1 is (1.73, -0.58, -0.58, -0.58), test 2 (-0.17, 1.18, -1.52, 0.51)
    assert found.p.tolist() == [0.25, 1.0]
    assert found.above == pytest.approx([np.sqrt(3), -0.125 / np.std(drawn[:, 1])])


def test_what_does_not_vary_or_was_not_observed_is_no_finding():
    found = draw_test(np.array([[2.0, np.nan], [2.0, 1.0], [2.0, 3.0]]))
    assert found.p.tolist() == [1.0, 1.0]


def test_one_of_exchangeable_draws_is_extreme_as_often_as_it_should_be():
    random = np.random.default_rng(0)
    p = [draw_test(random.standard_exponential((20, 1)) * [1, 2, 3]).p.min() for _ in range(2000)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_the_best_is_left_out_no_more_often_than_it_should_be():
    random = np.random.default_rng(0)
    missed, alone = 0, 0
    for seed in range(100):
        found = may_be_best(random.standard_normal((12, 6)), seed=seed)
        missed += not found[2]
        alone += found.sum() == 1
    assert missed <= 10  # 5 expected; 11 or more in 1 % of trials
    assert alone <= 10


def test_an_option_that_is_clearly_best_is_the_only_one():
    scores = np.random.default_rng(0).standard_normal((20, 6)) + 3.0 * np.eye(6)[3]
    assert may_be_best(scores).tolist() == [False, False, False, True, False, False]


def test_with_nine_subjects_all_may_be_best():
    scores = np.random.default_rng(0).standard_normal((9, 3)) + 9.0 * np.eye(3)[1]
    assert may_be_best(scores).all()
