"""The audit of confounds: exact under its null, sure of what is planted, honest about what it cannot see."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge

from stratacam.errors import InputError
from stratacam.learning.confounds import audit_groups, audit_outputs, features, numbers, words
from stratacam.learning.confounds.intervals import (
    correlation_interval,
    cramers_v_interval,
    ratio_interval,
)
from stratacam.learning.confounds.statistics import group_statistics, output_statistics

LABEL = np.sort(np.arange(20) % 3)


def cohort(random, subjects=20, groups=2, *, copied=0.0):
    """Groups, and variables that have nothing to do with them, but for the site: the group's with a probability."""
    label = np.sort(np.arange(subjects) % groups)
    site = np.where(random.random(subjects) < copied, label, random.integers(0, groups, subjects))
    variables = [
        words("site", "scanner", [f"site {one}" for one in site]),
        numbers("age", "person", random.normal(40, 10, subjects).tolist()),
        words("sex", "person", random.choice(["F", "M"], subjects).tolist()),
        features("surroundings", "surroundings", random.normal(size=(subjects, 30))),
    ]
    return label, site, variables


def flagged(found):
    return [one.name for one in found if one.verdict == "flagged"]


@pytest.mark.parametrize("groups", [2, 3])
def test_without_a_confound_something_is_flagged_in_at_most_5_percent(groups):
    trials = 150
    any_of_groups = any_of_outputs = 0
    for trial in range(trials):
        random = np.random.default_rng(trial)
        label, _, variables = cohort(random, groups=groups)
        outputs = random.normal(size=(20, groups)) + 3 * np.eye(groups)[label]
        any_of_groups += bool(flagged(audit_groups(variables, label, draws=199, seed=trial)))
        any_of_outputs += bool(flagged(audit_outputs(variables, label, outputs, draws=199, seed=trial)))
    assert stats.binomtest(any_of_groups, trials, 0.05, alternative="greater").pvalue > 0.01
    assert stats.binomtest(any_of_outputs, trials, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize("groups", [2, 3])
def test_a_site_that_follows_the_group_by_08_is_flagged(groups):
    found = [
        audit_groups(variables, label, draws=999, seed=trial)[0].verdict == "flagged"
        for trial in range(60)
        for label, _, variables in [cohort(np.random.default_rng(trial), groups=groups, copied=0.8)]
    ]
    assert np.mean(found) >= 0.93


def test_outputs_that_follow_the_site_within_the_groups_are_flagged_and_those_of_the_group_alone_are_not():
    random = np.random.default_rng(1)
    label, site, variables = cohort(random, 38)
    outputs = 5.0 * label[:, None] + random.normal(size=(38, 1))
    assert flagged(audit_outputs(variables, label, outputs)) == []
    assert flagged(audit_outputs(variables, label, outputs + 1.5 * site[:, None])) == ["site"]


def test_association_of_words_is_cramers_v():
    random = np.random.default_rng(0)
    site = random.integers(0, 4, 60)
    label = random.integers(0, 3, 60)
    table = np.array([[np.sum((site == one) & (label == two)) for one in range(4)] for two in range(3)])
    found = group_statistics(words("site", "scanner", [str(one) for one in site]), label[None], 3)
    assert found[0] == pytest.approx(stats.contingency.association(table, method="cramer"))


def test_association_of_numbers_is_that_of_kruskal_and_wallis():
    age = np.random.default_rng(0).normal(size=20)
    found = group_statistics(numbers("age", "person", age.tolist()), LABEL[None], 3)
    h = stats.kruskal(*(age[group == LABEL] for group in range(3))).statistic
    assert found[0] ** 2 == pytest.approx(h / 19)


def test_features_are_tested_by_predictions_without_the_own_outcome():
    random = np.random.default_rng(0)
    variable = features("surroundings", "surroundings", random.normal(size=(20, 5)))
    outcome = np.eye(3)[LABEL] / np.sqrt(np.bincount(LABEL))
    outcome -= outcome.mean(axis=0)
    penalty = (np.linalg.svd(variable.columns)[1] ** 2).mean()
    model = Ridge(alpha=penalty, fit_intercept=False)
    hat = np.column_stack([model.fit(variable.columns, one).predict(variable.columns) for one in np.eye(20)])
    predicted = hat @ outcome - np.diag(hat)[:, None] / (1 - 1 / 20) * outcome
    expected = (predicted * outcome).sum() / np.sqrt((predicted**2).sum() * (outcome**2).sum())
    assert group_statistics(variable, LABEL[None], 3)[0] == pytest.approx(expected)


def test_without_association_predictions_are_uncorrelated_also_after_means_of_groups_are_taken_off():
    random = np.random.default_rng(0)
    variable = features("surroundings", "surroundings", random.normal(size=(20, 60)))
    drawn = random.permuted(np.tile(LABEL, (3000, 1)), axis=1)
    assert group_statistics(variable, drawn, 3).mean() == pytest.approx(0, abs=0.02)
    order = np.concatenate([np.array([random.permutation(np.flatnonzero(group == LABEL)) for _ in range(3000)])
                            for group in range(3)], axis=1)  # fmt: skip
    found = output_statistics(variable, random.normal(size=(20, 1)), LABEL, order)
    assert found.mean() == pytest.approx(0, abs=0.02)


def test_missing_values_are_left_out_and_counted():
    age = [30.0 + subject for subject in range(20)]
    age[3] = None
    (found,) = audit_groups([numbers("age", "person", age)], np.arange(20) // 10, draws=199)
    assert (found.subjects, found.missing, found.verdict) == (19, 1, "flagged")


def test_with_fewer_than_ten_subjects_it_cannot_say_and_names_what_it_could_have_seen():
    (found,) = audit_groups([words("site", "scanner", list("AAAABBBB"))], [0, 0, 0, 0, 1, 1, 1, 1])
    assert (found.verdict, found.reason) == ("cannot say", "8 subjects; 10 are needed")
    assert found.smallest == pytest.approx(1.0)


def test_what_is_the_same_for_all_and_what_is_different_for_each_is_not_tested():
    field = words("field strength", "scanner", ["3"] * 12)
    station = words("station", "scanner", [f"station {number}" for number in range(12)])
    age = numbers("age", "person", [None] * 12)
    found = audit_groups([field, station, age], [0, 1] * 6)
    assert [one.verdict for one in found] == ["not tested", "cannot say", "cannot say"]
    assert [one.reason for one in found] == [
        "the same for all", "hardly two subjects share a value", "no value is known",
    ]  # fmt: skip


def test_what_is_known_in_one_group_only_or_of_few_is_not_said_to_be_alike():
    age = numbers("age", "person", [30 + n if n < 10 else None for n in range(20)])
    alike = numbers("weight", "person", [70.0 if n < 3 else None for n in range(20)])
    sex = words("sex", "person", ["F" if n < 12 else None for n in range(20)])
    found = audit_groups([age, alike, sex], np.repeat([0, 1], 10))
    assert [(one.verdict, one.reason) for one in found] == [
        ("cannot say", "known in one group only"),
        ("cannot say", "3 subjects; 10 are needed"),
        ("not tested", "the same for all"),
    ]
    assert (found[0].value, found[0].smallest) == (None, None)
    of_one_group = words("arm", "person", ["A"] * 10 + [None] * 10)
    (found,) = audit_groups([of_one_group], np.repeat([0, 1], 10))
    assert (found.verdict, found.reason) == ("cannot say", "known in one group only")


@pytest.mark.parametrize("truth", [0.0, 0.2])
def test_an_association_near_none_has_an_interval_that_is_not_short_by_chance(truth):
    random = np.random.default_rng(0)
    label = np.repeat(range(3), 10)
    means = np.array([-1, 0, 1]) * np.sqrt(1.5) * truth / np.sqrt(1 - truth**2)
    found = []
    for _ in range(150):
        values = random.normal(size=30) + means[label]
        between = 10 * sum((values[label == group].mean() - values.mean()) ** 2 for group in range(3))
        found.append(ratio_interval(np.sqrt(between / values.var() / 30), 30, 3))
    low, high = np.array(found).T
    assert ((low <= truth) & (truth <= high)).mean() >= 0.92
    assert high.min() > 0.4  # a value of 0.03 had an interval of 0.00 to 0.03
    assert ratio_interval(0.0, 30, 3)[1] == pytest.approx(
        np.sqrt(2 * np.log(40) / (2 * np.log(40) + 30)), abs=0.01
    )
    assert cramers_v_interval(0.0, 30, 3, 2)[1] > 0.4


def test_what_would_have_been_flagged_is_flagged():
    random = np.random.default_rng(2)
    label, _, variables = cohort(random)
    smallest = audit_groups(variables, label)[1].smallest
    seen = set()
    age = np.arange(20.0)
    for _ in range(12):  # from groups that do not overlap in age to groups that do
        variables[1] = numbers("age", "person", age.tolist())
        found = audit_groups(variables, label)[1]
        if abs(found.value - smallest) > 0.02:
            assert found.verdict == ("flagged" if found.value > smallest else "not flagged")
            seen.add(found.verdict)
        one, two = random.choice(10), 10 + random.choice(10)
        age[[one, two]] = age[[two, one]]
    assert seen == {"flagged", "not flagged"}


def test_intervals_cover_the_truth():
    random = np.random.default_rng(0)
    trials = 300
    hit = np.zeros((trials, 3), dtype=bool)
    label = np.repeat([0, 1], 15)
    for trial in range(trials):
        # two groups one standard deviation apart: the correlation with a group of half the subjects is 1 / sqrt(5)
        values = label + random.normal(size=30)
        low, high = ratio_interval(abs(np.corrcoef(values, label)[0, 1]), 30, 2)
        hit[trial, 0] = low <= 1 / np.sqrt(5) <= high
        same = random.random(30) < 0.5
        site = np.where(same, label, random.integers(0, 2, 30))
        low, high = cramers_v_interval(abs(np.nan_to_num(np.corrcoef(site, label)[0, 1])), 30, 2, 2)
        hit[trial, 1] = low <= 0.5 <= high
        first, second = random.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 30).T
        low, high = correlation_interval(abs(np.corrcoef(first, second)[0, 1]), 30)
        hit[trial, 2] = low <= 0.5 <= high
    assert (hit.mean(axis=0) >= 0.92).all(), hit.mean(axis=0)


def test_arrays_of_other_subjects_are_refused():
    with pytest.raises(InputError, match="site: found values of 3 subjects for 4"):
        audit_groups([words("site", "scanner", ["A", "B", "A"])], [0, 0, 1, 1])
    with pytest.raises(InputError, match="outputs: found shape"):
        audit_outputs([], [0, 0, 1, 1], np.zeros((3, 2)))
