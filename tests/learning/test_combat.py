"""ComBat takes off what sites do to measures, learned from training subjects, and leaks nothing."""

import contextlib
import io

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from stratacam.learning.baselines.combat import Sites, fit_combat, numbered_sites
from stratacam.learning.baselines.logistic import Features, Protocol, logistic
from stratacam.learning.baselines.simple import Harmonise


def made_up(seed, *, n=120, columns=8, effect=0.0, shift=0.0, confounded=0.5):
    """Scans of two sites and groups.

    `effect` of the group on every measure, and `shift` of the site, in standard deviations; the second site's spread is
    half as large again. `confounded` is the share of the second group that is of the second site.
    """
    random = np.random.default_rng(seed)
    group = np.arange(n) % 2
    site = (random.random(n) < np.where(group, confounded, 1 - confounded)).astype(np.int64)
    values = random.normal(size=(n, columns)) * np.where(site, 1.5, 1.0)[:, None]
    return (
        values + effect * group[:, None] + shift * site[:, None] * np.linspace(0.5, 1.5, columns),
        site,
        group,
    )


def accuracy(values, group, *, sites=None, folds=3):
    """Balanced accuracy of the out-of-fold predictions."""
    names = tuple(f"{number:03}" for number in range(len(values)))
    parts = [
        (
            [one for k, one in enumerate(names) if k // 2 % folds != fold],
            [one for k, one in enumerate(names) if k // 2 % folds == fold],
        )
        for fold in range(folds)
    ]
    features = Features(names[: values.shape[1]], values, group, np.array(names), sites)
    found = logistic(features, Protocol(names, parts, range(2)), name="x", title="x", permutations=0)
    return balanced_accuracy_score(group, found.probabilities.argmax(1))


def harmonised(site, columns, *, keep_groups=False):
    return Sites(site, np.ones(columns, dtype=bool), keep_groups)


@pytest.mark.parametrize("columns", [2, 6, 40])
def test_training_scans_are_moved_as_neurocombat_moves_them(columns):
    package = pytest.importorskip(
        "neuroCombat", reason="neuroCombat is not installed (benchmarks/oracles.txt)"
    )
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    random = np.random.default_rng(columns)
    site = random.integers(0, 3, 60)
    group = (random.random(60) < 0.3 + 0.2 * site).astype(np.int64)
    values = (
        random.normal(size=(60, columns)) * (1 + site[:, None] / 2) + random.normal(size=(3, columns))[site]
    )
    values += 0.8 * group[:, None] + 5 * random.normal(size=columns)
    people = pandas.DataFrame({"site": site, "group": group})
    with contextlib.redirect_stdout(io.StringIO()):
        plain = package.neuroCombat(values.T, people, "site")
        kept = package.neuroCombat(values.T, people, "site", categorical_cols=["group"])
    np.testing.assert_allclose(fit_combat(values, site).apply(values, site), plain["data"].T, atol=2e-3)
    ours = fit_combat(values, site, group)
    np.testing.assert_allclose(ours.shift, kept["estimates"]["gamma.star"], atol=1e-3)
    np.testing.assert_allclose(ours.variance, kept["estimates"]["delta.star"], atol=1e-3)


def test_a_planted_shift_and_spread_of_a_site_are_taken_off():
    values, site, _ = made_up(0, n=400, shift=3.0)
    moved = fit_combat(values, site).apply(values, site)
    gap = [found[site == 1].mean(0) - found[site == 0].mean(0) for found in (values, moved)]
    assert np.abs(gap[0]).min() > 1
    assert np.abs(gap[1]).max() < 0.1
    ratio = [found[site == 1].std(0) / found[site == 0].std(0) for found in (values, moved)]
    assert ratio[0].mean() == pytest.approx(1.5, abs=0.1)
    assert ratio[1].mean() == pytest.approx(1.0, abs=0.05)


def test_a_planted_effect_of_the_group_stays_where_sites_have_both_groups_alike():
    without_shift, removed = [], []
    for seed in range(6):
        values, site, group = made_up(seed, effect=0.8, shift=4.0)
        removed.append(accuracy(values, group, sites=harmonised(site, 8)))
        values, site, group = made_up(seed, effect=0.8)
        without_shift.append(accuracy(values, group))
    assert np.mean(without_shift) > 0.75
    assert np.mean(removed) > np.mean(without_shift) - 0.03


def test_with_groups_kept_their_effect_stays_also_where_sites_have_them_unalike():
    lost, kept = [], []
    for seed in range(4):
        values, site, group = made_up(seed, n=400, effect=1.0, shift=3.0, confounded=0.8)
        for found, which in ((lost, None), (kept, group)):
            moved = fit_combat(values, site, which).apply(values, site)
            found.append((moved[group == 1].mean(0) - moved[group == 0].mean(0)).mean())
    assert np.mean(kept) == pytest.approx(1.0, abs=0.15)
    assert np.mean(lost) < 0.7


@pytest.mark.parametrize("keep_groups", [False, True])
def test_nothing_leaks_where_the_site_follows_the_group_and_the_group_does_nothing(keep_groups):
    plain, ours = [], []
    for seed in range(12):
        values, site, group = made_up(seed, n=60, shift=3.0, confounded=0.75)
        plain.append(accuracy(values, group))
        ours.append(accuracy(values, group, sites=harmonised(site, 8, keep_groups=keep_groups)))
    assert np.mean(plain) > 0.65  # by the site
    assert np.mean(ours) < 0.55


def test_sites_are_told_apart_again_where_they_nearly_are_the_groups_and_groups_are_kept():
    """Why groups are not kept by default: the error of a site's shift is the error of the group's, turned around."""
    everybody, kept, ours = [], [], []
    for seed in range(12):
        values, site, group = made_up(seed, n=60, columns=100, confounded=0.9)
        moved = fit_combat(values, site, group).apply(values, site)  # on everybody, before the split
        everybody.append(accuracy(moved, group))
        kept.append(accuracy(values, group, sites=harmonised(site, 100, keep_groups=True)))
        ours.append(accuracy(values, group, sites=harmonised(site, 100)))
    assert np.mean(everybody) > 0.6
    assert np.mean(kept) > 0.6
    assert np.mean(ours) < 0.55


def test_held_out_scans_take_no_part_in_what_is_learned():
    values, site, group = made_up(1, shift=2.0)
    sites = harmonised(site, 8)
    fitted = np.arange(80)
    other = values.copy()
    other[100:] += 1000
    np.testing.assert_array_equal(
        sites.harmonise(values, fitted, group)[:100], sites.harmonise(other, fitted, group)[:100]
    )


def test_scans_of_a_site_that_was_not_learned_stay_as_they_are():
    values, site, group = made_up(2, shift=2.0)
    site[:4], site[4], site[5] = 7, 8, -1  # seven has held-out scans only, eight one training scan
    fitted = np.arange(4, 120)
    moved = harmonised(site, 8).harmonise(values, fitted, group)
    np.testing.assert_array_equal(moved[:6], values[:6])
    assert (moved[6:] != values[6:]).all()


def test_columns_that_are_no_measure_of_a_scan_stay_as_they_are():
    values, site, group = made_up(3, shift=2.0)
    measured = np.array([False, *[True] * 7])
    moved = Sites(site, measured).harmonise(values, np.arange(120), group)
    np.testing.assert_array_equal(moved[:, 0], values[:, 0])
    assert (moved[:, 1:] != values[:, 1:]).all()


def test_nothing_is_moved_with_one_site_or_where_groups_that_are_kept_are_sites():
    values, site, _ = made_up(4, shift=2.0)
    np.testing.assert_array_equal(fit_combat(values, np.zeros_like(site)).apply(values, site), values)
    np.testing.assert_array_equal(fit_combat(values, site, site).apply(values, site), values)


def test_a_single_measure_is_moved_by_its_own_mean_and_deviation():
    values, site, _ = made_up(5, columns=1, shift=2.0)
    moved = fit_combat(values, site).apply(values, site)
    assert moved[site == 1].mean() == pytest.approx(moved[site == 0].mean())
    assert moved[site == 1].std(ddof=1) == pytest.approx(moved[site == 0].std(ddof=1))


def test_scans_that_cannot_be_harmonised_are_named():
    site = {"a": "x", "b": "x", "c": "x", "d": "x", "e": "y", "k": "z", "l": "z", "m": "z"}
    train, test = list("abcklm"), list("def")
    found = Harmonise("site", site).unmoved(
        {name: name for name in site}, Protocol(test, [(train, test)], range(2))
    )
    assert found == {"e": "0 scans of site y to learn from"}
    names = {name: name for name in "abcdef"}
    found = Harmonise("site", site).unmoved(names, Protocol(test, [(train[:3], test)], range(2)))
    assert found == {
        "d": "no other site to learn from",
        "e": "0 scans of site y to learn from",
        "f": "site is not known",
    }
    assert numbered_sites([site.get(name) for name in "adef"]).tolist() == [0, 0, 1, -1]
