"""The reliability of a consensus is that of its simulation."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import spearmanr

from stratacam.maps.reliability import networks_needed, reliability, spearman_brown

BRAIN = np.ones((10, 16, 16), dtype=bool)


def made_up(members, of_one, seed):
    """Maps of networks that share a map; that of one has the reliability `of_one`."""
    random = np.random.default_rng(seed)
    shared = random.normal(scale=math.sqrt(of_one), size=BRAIN.shape)
    own = random.normal(scale=math.sqrt(1 - of_one), size=(members, *BRAIN.shape))
    return (shared + own).astype(np.float32)


@pytest.mark.parametrize("members", [2, 3, 6, 7])
@pytest.mark.parametrize("of_one", [0.2, 0.5, 0.8])
def test_a_known_reliability_is_recovered(members, of_one):
    found = [reliability(made_up(members, of_one, seed), BRAIN, seed=seed) for seed in range(10)]
    true = members * of_one / (1 + (members - 1) * of_one)
    assert np.mean(found) == pytest.approx(true, abs=0.025)  # ranks of normal values are a little less alike


@pytest.mark.parametrize("members", [3, 6])
def test_it_is_the_likeness_to_as_many_other_networks(members):
    found, likeness = [], []
    for seed in range(10):
        both = made_up(2 * members, 0.4, seed)
        found.append(reliability(both[:members], BRAIN, seed=seed))
        likeness.append(
            spearmanr(*(half.mean(axis=0).ravel() for half in (both[:members], both[members:])))[0]
        )
    assert np.mean(found) == pytest.approx(np.mean(likeness), abs=0.02)


@pytest.mark.parametrize("members", [3, 6])
def test_maps_that_share_nothing_have_none(members):
    found = [reliability(made_up(members, 0.0, seed), BRAIN, seed=seed) for seed in range(20)]
    assert np.mean(found) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(("of_one", "members"), [(0.5, 3), (0.5, 6), (0.75, 3)])
def test_as_many_networks_as_are_said_have_the_reliability_wanted(of_one, members):
    of_all = spearman_brown(of_one, members)
    needed = networks_needed(of_all, members)
    assert spearman_brown(of_one, needed) >= 0.9 - 1e-9 > spearman_brown(of_one, needed - 1)
    found = [
        networks_needed(reliability(made_up(members, of_one, seed), BRAIN), members) for seed in range(10)
    ]
    assert abs(np.median(found) - needed) <= 1


def test_cells_outside_the_brain_do_not_count():
    maps, brain = made_up(2, 0.5, 0), BRAIN.copy()
    brain[:, :, 8:] = False
    spoilt = maps.copy()
    spoilt[:, :, :, 8:] = 100.0
    assert reliability(spoilt, brain) == reliability(maps, brain)


def test_what_is_not_known_is_not_said():
    assert math.isnan(reliability(np.ones((4, *BRAIN.shape), dtype=np.float32), BRAIN))
    assert networks_needed(math.nan, 3) is networks_needed(-0.1, 3) is networks_needed(1.0, 3) is None
    assert spearman_brown(-0.2, 3) == -0.2
    assert all(one < other for one, other in pairwise(spearman_brown(0.3, times) for times in range(1, 9)))
