"""Verdicts on maps that say nothing, and on those of a network that is known."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from benchmarks.calibration import CASES, count, measure_pool
from benchmarks.made_up_network import StandIn, blob_network, made_up_scan, of_network, white
from scipy import stats

from stratacam.evidence.sanity import randomised
from stratacam.maps.slice_maps import explain_slices

CASE = {case.title: case for case in CASES}


def test_a_stand_in_brings_maps_that_repeat_and_that_change_with_the_weights():
    scan = made_up_scan("sub-1")
    network = StandIn({"sub-1": white(0)}, {"sub-1": scan.images})
    maps = explain_slices(network, scan.images, scan.brain, 0, "gradcam").raw["block1_conv1"]
    noisy = explain_slices(network, scan.images + 0.01, scan.brain, 0, "gradcam").raw["block1_conv1"]
    np.testing.assert_array_equal(maps, noisy)
    with randomised(network, ["predictions"]):
        drawn = explain_slices(network, scan.images, scan.brain, 0, "gradcam").raw["block1_conv1"]
    assert abs(np.corrcoef(maps.ravel(), drawn.ravel())[0, 1]) < 0.1


def test_maps_by_hand_are_those_of_the_engine():
    scan, network = made_up_scan("sub-1"), blob_network()
    by_hand = of_network(network, scan)
    for layer, maps in explain_slices(network, scan.images, scan.brain, 0, "gradcam").raw.items():
        np.testing.assert_allclose(maps, by_hand[layer], atol=1e-6 * np.abs(maps).max())


@pytest.mark.long
def test_nothing_is_said_of_noise():
    """In 5 % of studies at most; 40 of them, so that up to 5 may be."""
    with ThreadPoolExecutor(2) as executor:
        pool = measure_pool(CASE["white noise"], 0, 30, executor)
        found = count([pool], 20, 40, executor)
    allowed = stats.binom.ppf(0.99, len(found), 0.05)
    assert sum(one.recommended for one in found) <= allowed
    for claim in range(4):
        assert sum(one.claims[claim] != "cannot say" for one in found) <= allowed


@pytest.mark.long
def test_a_network_that_uses_what_it_should_has_layers_recommended():
    with ThreadPoolExecutor(2) as executor:
        pool = measure_pool(CASE["the network's maps"], 0, 20, executor)
        found = count([pool], 18, 10, executor)
        few = count([pool], 9, 10, executor)
    assert sum(one.recommended for one in found) >= 8
    assert not any(one.recommended for one in few)
