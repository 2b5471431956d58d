import numpy as np
import pytest
from evidence_cases import disc, explained, make_maps, make_scan

from stratacam.evidence.localisation import chance, localisation, scores_of
from stratacam.evidence.references import CEILING, mask_at_layer, prior_of, reference_maps

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


def test_a_subjects_own_lesions_are_not_in_the_prior():
    masks = {name: np.full((2, 2, 2), value, np.float32) for name, value in (("a", 1), ("b", 0), ("c", 0.5))}
    np.testing.assert_allclose(prior_of(masks, "a"), 0.25)
    assert prior_of({"a": masks["a"]}, "a") is None


def test_the_truth_at_a_layer_has_the_layers_cells_and_at_full_resolution_is_the_truth():
    np.testing.assert_array_equal(mask_at_layer(TRUTH, (32, 32)), TRUTH)
    coarse = mask_at_layer(TRUTH, (8, 8))
    assert coarse.sum() == pytest.approx(TRUTH.sum(), rel=0.05)
    assert coarse.max() < 1
    assert len(np.unique(coarse[0, ::4, ::4])) < 20


def test_chance_is_what_random_maps_score_on_average():
    expected = chance(TRUTH[0], BRAIN, 2.0, seed=0)
    noise = np.random.default_rng(1).random((600, 32, 32), dtype=np.float32) * BRAIN
    found = scores_of(noise, TRUTH[0], BRAIN, 2.0)
    for measure in ("heat_inside", "auroc", "top_k_precision"):
        assert found[measure].mean() == pytest.approx(expected[measure], abs=0.01)
    assert found["pointing"].mean() == pytest.approx(expected["pointing"], abs=0.03)
    assert found["average_precision"].mean() == pytest.approx(expected["average_precision"], abs=0.02)


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
