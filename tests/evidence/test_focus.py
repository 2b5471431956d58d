import numpy as np
import pytest
from evidence_cases import disc, explained, make_maps, make_scan, with_zeros

from stratacam.evidence.focus import components, entropy, focus, gini, inside_each, lit_share
from stratacam.evidence.references import mask_at_layer


def textbook_gini(values):
    """Half the relative mean absolute difference."""
    values = values.astype(np.float64)
    return np.abs(values[:, None] - values[None]).sum() / (2 * len(values) ** 2 * values.mean())


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_the_gini_index_is_half_the_relative_mean_difference(share):
    values = with_zeros(300, share)
    assert gini(values) == pytest.approx(textbook_gini(values), rel=1e-6)


def test_the_gini_index_of_even_heat_is_0_and_of_one_pixel_nearly_1():
    assert gini(np.ones(50, np.float32)) == pytest.approx(0)
    assert gini(np.eye(1, 50, dtype=np.float32)[0]) == pytest.approx(1 - 1 / 50)
    assert np.isnan(gini(np.zeros(50, np.float32)))


def test_entropy_is_1_for_even_heat_and_0_for_one_pixel():
    assert entropy(np.ones(64, np.float32)) == pytest.approx(1)
    assert entropy(np.eye(1, 64, dtype=np.float32)[0]) == pytest.approx(0)
    assert entropy(np.repeat([1.0, 0.0], 32).astype(np.float32)) == pytest.approx(np.log(32) / np.log(64))


def test_the_lit_share_counts_brain_pixels_at_half_of_the_pictures_maximum():
    heat = np.array([[4.0, 2.0, 1.9, 0.0]], np.float32)
    assert lit_share(heat, np.array([[True, True, True, True]])) == 0.5
    assert lit_share(heat, np.array([[False, True, True, True]])) == pytest.approx(1 / 3)
    assert np.isnan(lit_share(np.zeros((1, 4), np.float32), np.ones((1, 4), bool)))


def test_parts_that_touch_at_a_corner_are_one():
    heat = np.array([[2, 0, 0, 0], [0, 2, 0, 1], [0, 0, 0, 0.9]], np.float32)
    assert components(heat) == 2
    assert components(np.zeros((3, 3), np.float32)) == 0


def test_heat_on_air_is_seen():
    heat = np.array([[[3.0, 1.0]], [[0.0, 0.0]]], np.float32)
    np.testing.assert_array_equal(inside_each(heat, np.tile([[False, True]], (2, 1, 1))), [0.25, np.nan])


def rows_of(raw, brain):
    scan = make_scan(np.ones((len(brain), 3, *brain.shape[1:])), brain)
    return {value.measure: value.value for value in focus(explained(make_maps({"a": raw}), scan))}


def test_heat_that_ignores_the_brain_has_1_of_the_brains_share():
    brain = np.stack([disc(64, 64, 22), disc(64, 64, 12)])
    even = np.ones((2, 64, 64))
    even[:, 0, 0] = 0.999  # the same everywhere would be blank
    found = rows_of(even, brain)
    assert found["inside_brain"] == pytest.approx(brain.mean(), rel=1e-3)
    assert found["inside_of_share"] == pytest.approx(1, rel=1e-3)


def test_the_brain_itself_at_a_layers_resolution_reaches_all_that_the_layer_can():
    brain = np.tile(disc(64, 64, 22), (1, 1, 1))
    shares = brain.reshape(1, 4, 16, 4, 16).mean(axis=(2, 4))
    found = rows_of(shares, brain)
    assert 0.6 < found["inside_brain"] < 0.8
    assert found["inside_of_ceiling"] == pytest.approx(1)
    assert rows_of(brain.astype(float), brain)["inside_brain"] == pytest.approx(1)
    np.testing.assert_allclose(mask_at_layer(brain, (4, 4))[0].max(), shares.max())


def test_heat_in_the_middle_of_the_brain_exceeds_what_the_whole_brain_reaches():
    brain = np.tile(disc(64, 64, 22), (1, 1, 1))
    middle = np.zeros((1, 4, 4))
    middle[:, 1:3, 1:3] = 1.0
    on_air = np.zeros((1, 4, 4))
    on_air[:, 0] = 1.0
    assert rows_of(middle, brain)["inside_of_ceiling"] > 1
    assert rows_of(on_air, brain)["inside_of_ceiling"] < 0.3


def test_blank_maps_are_counted_by_cause_and_left_out_of_the_rest():
    brain = np.tile(disc(8, 8, 4), (3, 1, 1))
    even = np.where(brain[0], 1.0, 0.999)  # the same everywhere would be blank too
    raw = np.stack([even, np.zeros((8, 8)), -np.ones((8, 8))])
    rows = {
        (value.measure, value.against): value
        for value in focus(explained(make_maps({"a": raw}), make_scan(np.ones((3, 3, 8, 8)), brain)))
    }
    assert rows["blank", ""].value == pytest.approx(2 / 3)
    assert rows["blank", "zero gradient"].value == pytest.approx(1 / 3)
    assert rows["blank", "all negative"].value == pytest.approx(1 / 3)
    assert rows["lit_share", ""].slices == 1
    assert rows["gini", ""].value == pytest.approx(0, abs=1e-3)


def test_the_95th_percentile_is_over_all_slices_and_by_the_scans_highest_heat():
    brain = np.ones((2, 10, 10), bool)
    heat = np.arange(200, dtype=np.float32).reshape(2, 10, 10)
    rows = {
        value.measure: value.value
        for value in focus(explained(make_maps({"a": heat}), make_scan(np.ones((2, 3, 10, 10)), brain)))
    }
    assert rows["p95_raw"] == pytest.approx(np.percentile(np.arange(200), 95))
    assert rows["p95"] == pytest.approx(np.percentile(np.arange(200), 95) / 199)
