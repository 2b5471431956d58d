import numpy as np
import pytest
from scipy import stats

from stratacam.evidence.regions.comparison import ALL, benjamini_hochberg, compare_groups

RANDOM = np.random.default_rng(0)
GROUPS = ["a"] * 8 + ["b"] * 7 + ["c"] * 9


def chosen(found, kind):
    return [test for test in found.tests if (test.groups == ALL) == (kind == ALL)]


def test_all_groups_are_compared_by_kruskal_and_wallis_and_pairs_by_mann_and_whitney():
    values = RANDOM.normal(size=(24, 2))
    values[:8, 0] += 2
    found = compare_groups(values, GROUPS, permutations=0)
    first = chosen(found, ALL)[0]
    expected = stats.kruskal(values[:8, 0], values[8:15, 0], values[15:, 0])
    assert (first.statistic, first.p) == pytest.approx((expected.statistic, expected.pvalue))
    pairs = {test.groups: test for test in chosen(found, "pairs") if test.column == 0}
    assert set(pairs) == {"a - b", "a - c", "b - c"}
    assert pairs["a - b"].p == pytest.approx(stats.mannwhitneyu(values[:8, 0], values[8:15, 0]).pvalue)


def test_cliffs_delta_is_the_share_of_pairs_higher_less_lower():
    values = np.concatenate([[5, 6, 7, 8], [1, 2, 6, 9]]).astype(float)[:, None]
    (pair,) = chosen(compare_groups(values, ["a"] * 4 + ["b"] * 4, permutations=0), "pairs")
    higher = sum(np.sign(x - y) for x in values[:4, 0] for y in values[4:, 0])
    assert pair.effect == pytest.approx(higher / 16)


def test_q_values_are_those_of_benjamini_and_hochberg():
    p = np.array([0.01, 0.02, 0.03, 0.5, 0.9])
    order = np.minimum.accumulate((p * 5 / np.arange(1, 6))[::-1])[::-1]
    np.testing.assert_allclose(benjamini_hochberg(p), order)


def slow_rank_ancova(values, covariate, groups):
    ranks, age = stats.rankdata(values), stats.rankdata(covariate)
    kinds = sorted(set(groups))
    of_groups = np.array([[float(group == kind) for kind in kinds] for group in groups])

    def unexplained(design):
        return ((ranks - design @ np.linalg.pinv(design) @ ranks) ** 2).sum()

    full, beside = np.column_stack([of_groups, age]), np.column_stack([np.ones(len(ranks)), age])
    free = len(ranks) - full.shape[1]
    statistic = (unexplained(beside) - unexplained(full)) / (len(kinds) - 1) / (unexplained(full) / free)
    return statistic, stats.f.sf(statistic, len(kinds) - 1, free)


def test_beside_a_covariate_ranks_are_compared_by_analysis_of_covariance():
    age = RANDOM.uniform(20, 60, size=24)
    values = (age + RANDOM.normal(size=24))[:, None]
    found = compare_groups(values, GROUPS, covariates=age[:, None], covariate_names=["age"], permutations=0)
    (test,) = chosen(found, ALL)
    assert test.test == "rank ANCOVA"
    assert (test.statistic, test.p) == pytest.approx(slow_rank_ancova(values[:, 0], age, GROUPS))
    pair = next(test for test in found.tests if test.groups == "a - b")
    two = [number for number, group in enumerate(GROUPS) if group in "ab"]
    expected = slow_rank_ancova(values[two, 0], age[two], [GROUPS[number] for number in two])
    assert (pair.statistic, pair.p) == pytest.approx(expected)
    assert "beside age" in found.statement


def test_a_covariate_that_differs_between_groups_takes_no_power_from_their_own_difference():
    label = np.repeat([0, 1, 2], [13, 13, 14])
    groups = [f"{number}" for number in label]
    found = {"ancova": 0, "quade": 0}
    for study in range(60):
        random = np.random.default_rng(study)
        age = random.normal(size=40) + label
        values = 0.7 * age + random.normal(size=40) + 0.8 * label
        tests = compare_groups(values[:, None], groups, covariates=age[:, None], permutations=0).tests
        found["ancova"] += tests[0].p <= 0.05
        ranks, design = stats.rankdata(values), np.column_stack([np.ones(40), stats.rankdata(age)])
        residuals = ranks - design @ np.linalg.pinv(design) @ ranks
        found["quade"] += stats.f_oneway(*(residuals[label == group] for group in range(3))).pvalue <= 0.05
    assert found["ancova"] > 0.65 * 60 > 1.2 * found["quade"]


def test_a_difference_that_a_covariate_explains_is_not_one_of_the_groups():
    age = np.concatenate([RANDOM.uniform(20, 40, 8), RANDOM.uniform(30, 50, 7), RANDOM.uniform(40, 60, 9)])
    values = (age + RANDOM.normal(scale=3, size=24))[:, None]
    plain = chosen(compare_groups(values, GROUPS, permutations=0), ALL)[0]
    beside = chosen(compare_groups(values, GROUPS, covariates=age[:, None], permutations=0), ALL)[0]
    assert plain.p < 0.001
    assert beside.p > 0.05


def slow_family_wise(values, groups, permutations):
    random = np.random.default_rng(5)
    groups = np.array(groups)

    def smallest(labels):
        return min(
            stats.kruskal(*(values[labels == group, column] for group in np.unique(groups))).pvalue
            for column in range(values.shape[1])
        )

    drawn = np.array([smallest(random.permutation(groups)) for _ in range(permutations)])
    own = [
        stats.kruskal(*(values[groups == group, column] for group in np.unique(groups))).pvalue
        for column in range(values.shape[1])
    ]
    return [(1 + (drawn <= p).sum()) / (1 + permutations) for p in own]


def test_family_wise_p_values_are_those_of_the_smallest_of_all_tests_under_permutation():
    values = RANDOM.normal(size=(24, 5))
    values[:8, 2] += 1.2
    found = chosen(compare_groups(values, GROUPS, permutations=1000, seed=1), ALL)
    np.testing.assert_allclose(
        [test.family_wise for test in found], slow_family_wise(values, GROUPS, 600), atol=0.06
    )
    assert all(test.family_wise >= test.p * 0.5 for test in found)


def test_subjects_without_a_value_are_left_out_of_that_test_alone_and_told():
    values = RANDOM.normal(size=(24, 3))
    values[0, 1] = np.nan
    values[:7, 2] = np.nan
    found = compare_groups(values, GROUPS, permutations=50)
    assert {test.column: test.subjects for test in chosen(found, ALL)} == {0: 24, 1: 23}
    assert "Kruskal-Wallis tests in 2 of 3 regions and layers; 1 were left out" in found.statement
    assert found.statement.startswith("24 subjects (8 a, 7 b, 9 c)")


@pytest.mark.parametrize(("covariates", "studies"), [(False, 200), (True, 80)])
def test_random_groups_differ_no_more_often_than_they_should(covariates, studies):
    wrong_family, wrong_discovery = 0, 0
    for study in range(studies):
        random = np.random.default_rng(study)
        shared = random.normal(size=(24, 1))
        values = shared + random.normal(size=(24, 12))
        differs = np.repeat([0.0, 1.0, 0.5], [8, 7, 9])[:, None]
        beside = random.normal(size=(24, 1)) + differs if covariates else None
        values += 0 if beside is None else 0.7 * beside
        tests = chosen(compare_groups(values, GROUPS, covariates=beside, permutations=99, seed=study), ALL)
        wrong_family += min(test.family_wise for test in tests) <= 0.05
        wrong_discovery += min(test.q for test in tests) <= 0.05
    low, high = stats.binom.interval(0.99, studies, 0.05)
    assert low <= wrong_family <= high
    assert wrong_discovery <= high
