"""How alike maps are within and between groups."""

import numpy as np
import pytest
from scipy import stats

from stratacam.evidence.group_likeness import GROUP_CONTRAST, GROUP_LIKENESS, group_likeness


def slow(means, groups):
    """Every subject against those on the half circle after it."""
    within, between = np.full((2, len(means)), np.nan)

    def mean_with(row, others):
        found = [stats.spearmanr(means[row], means[other]).statistic for other in others]
        return np.mean(found) if found else np.nan

    everybody = [row for row, group in enumerate(groups) if group]
    for row in everybody:
        mine = [other for other in everybody if groups[other] == groups[row]]
        place, half = mine.index(row), max((len(mine) - 1) // 2, 1)
        if len(mine) > 1:
            within[row] = mean_with(row, [mine[(place + step) % len(mine)] for step in range(1, half + 1)])
        place, half = everybody.index(row), (len(everybody) - 1) // 2
        after = [everybody[(place + step) % len(everybody)] for step in range(1, half + 1)]
        between[row] = mean_with(row, [other for other in after if groups[other] != groups[row]])
    return within, within - between


def test_likeness_is_the_mean_rank_correlation_over_pairs():
    means = np.random.default_rng(0).random((11, 6))
    groups = ["a", "b", "", "a", "b", "c", "b", "a", "a", "b", "a"]
    found = group_likeness(means, groups)
    within, contrast = slow(means, groups)
    np.testing.assert_allclose(found[GROUP_LIKENESS], within)
    np.testing.assert_allclose(found[GROUP_CONTRAST], contrast)


def test_groups_of_different_size_are_as_alike_by_chance():
    """Held against the mean of its group, a subject of a large group was more alike than one of a small group."""
    random = np.random.default_rng(0)
    pattern = random.random(6)
    groups = ["control"] * 12 + ["MS"] * 4
    found = [group_likeness(pattern + random.random((16, 6)), groups)[GROUP_CONTRAST] for _ in range(200)]
    assert np.nanmean(found) == pytest.approx(0, abs=0.02)


def test_the_spread_over_subjects_says_how_certain_the_mean_is():
    """With every pair in the values of both subjects, intervals of the mean were too narrow by the root of two."""
    random = np.random.default_rng(0)
    groups = ["control", "RRMS", "SPMS"] * 6
    t = []
    for _ in range(400):
        values = group_likeness(random.random((18, 6)), groups)[GROUP_CONTRAST]
        t.append(stats.ttest_1samp(values, 0, nan_policy="omit").pvalue)
    assert np.mean(np.array(t) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_alike_groups_are_found():
    random = np.random.default_rng(0)
    patterns = random.random((2, 8))
    means = np.repeat(patterns, 5, axis=0) + 0.1 * random.random((10, 8))
    found = group_likeness(means, ["a"] * 5 + ["b"] * 5)
    assert np.nanmin(found[GROUP_LIKENESS]) > 0.8
    assert np.nanmin(found[GROUP_CONTRAST]) > 0.3


def test_missing_regions_and_lonely_subjects_have_no_value():
    means = np.random.default_rng(0).random((4, 5))
    means[0, 2:] = np.nan
    found = group_likeness(means, ["a", "a", "a", "b"])
    assert np.isnan(found[GROUP_LIKENESS]).tolist() == [True, False, True, True]
    assert np.isnan(group_likeness(means, ["a"] * 4)[GROUP_CONTRAST]).all()
