from itertools import combinations

import numpy as np
import pytest
from evidence_cases import disc, explained, make_maps, make_scan

from stratacam.evidence.localisation import chance, chance_of_average_precision, scores_of
from stratacam.evidence.localised_scan import localisation
from stratacam.evidence.references import CEILING, mask_at_layer, reference_maps

BRAIN = disc(32, 32, 14)
TRUTH = np.zeros((1, 32, 32), bool)
TRUTH[0, 10:14, 12:18] = True


def scan_of():
    return make_scan(np.zeros((1, 3, 32, 32)), BRAIN[None], TRUTH)


def test_edges_are_where_the_picture_changes_and_nothing_lies_outside_the_brain():
    picture = np.zeros((1, 32, 32), np.float32)
    picture[:, :, 16:] = 1.0
    found = reference_maps(scan_of(), intensity=picture)
    assert set(found) == {"edges", "intensity"}
    assert set(np.flatnonzero(found["edges"][0].any(axis=0))) == {15, 16}
    for heat in found.values():
        assert not heat[~BRAIN[None]].any()


def test_the_truth_at_a_layer_has_the_layers_cells_and_at_full_resolution_is_the_truth():
    np.testing.assert_array_equal(mask_at_layer(TRUTH, (32, 32)), TRUTH)
    coarse = mask_at_layer(TRUTH, (8, 8))
    assert coarse.sum() == pytest.approx(TRUTH.sum(), rel=0.05)
    assert coarse.max() < 1
    assert len(np.unique(coarse[0, ::4, ::4])) < 20


@pytest.mark.parametrize(("pixels", "true"), [(1, 1), (2, 1), (5, 2), (7, 1), (7, 3), (8, 7), (8, 8)])
def test_the_chance_of_average_precision_is_the_mean_over_all_orders(pixels, true):
    orders = combinations(range(1, pixels + 1), true)  # places of the true pixels, each as likely
    every = [np.mean([found / place for found, place in enumerate(order, 1)]) for order in orders]
    assert chance_of_average_precision(pixels, true) == pytest.approx(np.mean(every), rel=1e-12)


def test_chance_of_average_precision_exceeds_the_share_of_truth_where_little_is_true():
    assert chance_of_average_precision(2000, 1) / (1 / 2000) == pytest.approx(8.2, abs=0.05)
    assert chance_of_average_precision(2000, 5) / (5 / 2000) == pytest.approx(2.4, abs=0.05)
    assert chance_of_average_precision(2000, 400) / (400 / 2000) == pytest.approx(1.02, abs=0.01)


@pytest.mark.parametrize("rows", [slice(10, 14), slice(10, 11)])
def test_chance_is_what_random_maps_score_on_average(rows):
    truth = np.zeros((32, 32), bool)
    truth[rows, 12:14] = True
    expected = chance(truth, BRAIN, 2.0, np.random.default_rng(0))
    noise = np.random.default_rng(1).random((3000, 32, 32), dtype=np.float32) * BRAIN
    found = scores_of(noise, truth, BRAIN, 2.0)
    for measure, value in expected.items():
        error = found[measure].std() / np.sqrt(len(noise))
        slack = found[measure].std() / np.sqrt(32) if measure == "best_dice" else 0
        assert found[measure].mean() == pytest.approx(value, abs=4 * (error + slack)), measure


def test_finer_layers_could_do_better_and_every_layer_has_its_own_ceiling():
    maps = make_maps(
        {"fine": np.ones((1, 32, 32)), "middle": np.ones((1, 8, 8)), "coarse": np.ones((1, 2, 2))}
    )
    references = reference_maps(scan_of(), intensity=TRUTH.astype(np.float32))
    rows = {
        value.key: value.value
        for value in localisation(explained(maps, scan_of(), true_class=0, references=references))
    }
    ceiling = [rows[CEILING, layer, "average_precision", ""] for layer in ("fine", "middle", "coarse")]
    assert ceiling[0] == pytest.approx(1)
    assert ceiling[0] > ceiling[1] > ceiling[2] > rows["chance", "", "average_precision", ""]
    assert rows["intensity", "", "average_precision", ""] == pytest.approx(1)


def test_where_nothing_is_scored_there_are_no_references():
    maps = make_maps({"a": np.ones((1, 8, 8))})
    assert localisation(explained(maps, scan_of(), true_class=1, references={})) == []
