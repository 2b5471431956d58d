"""Lesions planted into made-up slices, and maps scored by them."""

import nibabel
import numpy as np
import pytest
from evidence_cases import BlobNetwork, disc
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.evidence.planting import Anatomy, plant_scan, read_shapes, two_kinds
from stratacam.evidence.planting.score import PlantedSlice, score_maps, verdict
from stratacam.evidence.planting.shapes import compactness, cross_sections, to_area
from stratacam.evidence.values import Summary

RANDOM = np.random.default_rng(0)
LESION = np.array([0.4, 0.9, 0.8], np.float32)


def blob(seed):
    """A ragged shape of some 60 pixels."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(24, 24)), 2.5)
    labels, _ = ndimage.label(field > np.quantile(field, 0.8))
    box = ndimage.find_objects(labels)[0]
    return labels[box] == 1


def anatomy(count=3, size=64):
    brain = np.tile(disc(size, size, 28), (count, 1, 1))
    images = (0.3 + 0.05 * RANDOM.random((count, 3, size, size))).astype(np.float32) * brain[:, None]
    white = np.tile(disc(size, size, 24), (count, 1, 1))
    return Anatomy("sub-01", "sub-01", images, brain, white, np.arange(count), LESION, 2.0, 2)


def kinds():
    return two_kinds([blob(seed) for seed in range(120)], 40)


def test_cross_sections_are_the_connected_parts_of_slices_that_are_large_enough():
    mask = np.zeros((30, 30, 3), bool)
    mask[2:8, 3:9, 1], mask[20:25, 20:25, 1], mask[0, 0, 2] = True, True, True
    assert sorted(shape.shape for shape in cross_sections(mask)) == [(5, 5), (6, 6)]


def test_a_disc_is_compact_and_a_line_is_not():
    assert compactness(disc(41, 41, 19)) == pytest.approx(1, abs=0.08)
    assert compactness(np.ones((1, 40), bool)) < 0.3


@pytest.mark.parametrize("area", [16, 40, 200])
def test_a_shape_of_another_area_is_the_same_shape(area):
    shape = disc(21, 21, 9)
    found = to_area(shape, area)
    assert found.sum() == area
    assert abs(found.shape[0] - found.shape[1]) <= 1
    long = to_area(np.ones((4, 20), bool), area)
    assert long.sum() == area
    assert long.shape[1] > 2 * long.shape[0]


def test_the_two_kinds_differ_in_compactness_and_in_nothing_else():
    regular, irregular = kinds()
    assert len(regular) == len(irregular)
    assert {int(shape.sum()) for shape in (*regular, *irregular)} == {40}
    assert min(map(compactness, regular)) > max(map(compactness, irregular))


def test_too_few_shapes_or_files_that_are_none_are_told(tmp_path):
    with pytest.raises(InputError, match=r"--lesions: found 9 cross-sections"):
        two_kinds([blob(seed) for seed in range(9)], 40)
    with pytest.raises(InputError, match="holds no NIfTI files"):
        read_shapes(tmp_path)
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3), np.uint8), np.eye(4)), tmp_path / "flat.nii")
    with pytest.raises(InputError, match=r"flat\.nii: has shape \(3, 3\)"):
        read_shapes(tmp_path)


def test_classes_are_alike_in_number_area_and_intensity_and_differ_by_shape_alone():
    material, shapes = anatomy(), kinds()
    planted = [
        plant_scan(material, shapes, number, difference="shape", lesions=3, copies=4, seed=0)
        for number in (0, 1)
    ]
    for one in planted:
        assert len(one.images) == len(one.truth) == len(one.source) == 12
        for image, truth, source in zip(one.images, one.truth, one.source, strict=True):
            assert ndimage.label(truth, np.ones((3, 3)))[1] == 3
            assert truth.sum() == 3 * 40
            assert (material.brain[source] | ~truth).all()
            far = ~ndimage.binary_dilation(truth, iterations=4)
            np.testing.assert_array_equal(image[:, far], material.images[source][:, far])
    means = [one.images.transpose(1, 0, 2, 3)[:, one.truth].mean(axis=1) for one in planted]
    np.testing.assert_allclose(means[0], means[1], rtol=0.1)
    assert means[0][1] > 0.6
    parts = [[part for one in kind.truth for part in cross_sections(one[..., None])] for kind in planted]
    shape_of = [np.mean([compactness(part) for part in found]) for found in parts]
    assert shape_of[0] > shape_of[1] + 0.15


def test_classes_by_place_have_shapes_of_both_kinds_deep_or_near_the_edge():
    material, shapes = anatomy(), kinds()
    depth = ndimage.distance_transform_edt(material.brain[0])
    deep, outer = (
        plant_scan(material, shapes, number, difference="place", lesions=2, copies=4, seed=0)
        for number in (0, 1)
    )
    assert depth[deep.truth.any(axis=0)].mean() > depth[outer.truth.any(axis=0)].mean() + 5


def test_the_same_seed_plants_the_same():
    material, shapes = anatomy(), kinds()
    first, again, other = (
        plant_scan(material, shapes, 0, difference="shape", lesions=2, copies=1, seed=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.truth, other.truth)


def test_slices_without_room_are_left_out():
    material = anatomy()
    material.white[1] = False
    planted = plant_scan(material, kinds(), 0, difference="shape", lesions=2, copies=2, seed=0)
    assert set(planted.source.tolist()) == {0, 2}


def test_a_network_that_uses_the_planted_lesions_is_seen_to_use_them():
    truth = np.zeros((48, 48), bool)
    truth[20:25, 20:25] = truth[30:35, 12:17] = True
    brain = disc(48, 48, 20)
    image = np.where(truth, 1.0, 0.3 * RANDOM.random((3, 48, 48)) * brain).astype(np.float32)
    one = PlantedSlice("regular", image, image[2], truth, brain, 2.0)
    found = score_maps(BlobNetwork().eval(), one, 0, ["layercam"], seed=0)
    scores = {(value.method, value.layer, value.measure): value.value for value in found.values}
    assert scores["layercam", "match.0", "pointing"] == 1
    assert scores["layercam", "match.0", "heat_inside"] == 1
    assert scores["random", "", "average_precision"] < 0.15
    assert scores["smoothgrad", "input", "average_precision"] > scores["random", "", "average_precision"]
    assert scores["truth at layer", "match.0", "average_precision"] == 1
    assert found.layers == ("match.0",)


def summary(method, layer, value, low, high):
    return Summary(method, layer, "average_precision", "", value, low, high, 10)


REFERENCES = [
    summary("edges", "", 0.2, 0.15, 0.25),
    summary("intensity", "", 0.6, 0.5, 0.7),
    summary("random", "", 0.05, 0, 0.1),
]


def test_maps_of_a_network_at_chance_say_nothing():
    assert "say nothing of it" in verdict([*REFERENCES, summary("gradcam", "deep", 0.9, 0.8, 1)], 0.52, 400)
    assert "say nothing of it" in verdict([*REFERENCES, summary("gradcam", "deep", 0.9, 0.8, 1)], 0.7, 20)


def test_the_verdict_names_the_best_map_and_whether_it_beats_edges():
    table = [
        *REFERENCES,
        summary("gradcam", "deep", 0.22, 0.1, 0.3),
        summary("layercam", "shallow", 0.4, 0.3, 0.5),
    ]
    found = verdict(table, 0.9, 400)
    assert "Best is layercam at shallow: average precision 0.40 (0.30 to 0.50); edges 0.20" in found
    assert "Better than edges beyond both intervals: layercam at shallow." in found
    assert "No map is clearly better than edges." in verdict(table[:-1], 0.9, 400)
