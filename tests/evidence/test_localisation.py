from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_cases import BlobNetwork, blob_slices, disc, explained, make_maps, make_scan, with_zeros
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from stratacam.cam import upsample
from stratacam.evidence import localised_scan
from stratacam.evidence.localisation import chance_of_average_precision, scores_of
from stratacam.evidence.localised_scan import localisation, scored_slices
from stratacam.evidence.references import reference_maps
from stratacam.maps.slice_maps import explain_slices
from stratacam.networks import build

BRAIN = disc(24, 24, 10)
TRUTH = np.zeros((24, 24), bool)
TRUTH[8:11, 9:13] = True
RANDOM = np.random.default_rng(0)


def score(heat, truth=TRUTH, brain=BRAIN, **options):
    return {
        name: found[0]
        for name, found in scores_of(heat[None].astype(np.float32), truth, brain, 2.0, **options).items()
    }


def slow_top_k(heat, truth):
    """Mean precision of the k hottest pixels over many random orders of equal ones."""
    count = truth.sum()
    found = []
    for seed in range(4000):
        order = np.lexsort((np.random.default_rng(seed).random(len(heat)), -heat))
        found.append(truth[order[:count]].mean())
    return np.mean(found)


def slow_dice(heat, truth):
    return max(
        2 * (truth & (heat >= level)).sum() / (truth.sum() + (heat >= level).sum())
        for level in np.unique(heat)
    )


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_scores_by_rank_are_those_of_independent_implementations(share):
    heat = with_zeros((24, 24), share) + 0.3 * TRUTH
    found, values, labels = score(heat), heat[BRAIN].astype(np.float32), TRUTH[BRAIN]
    assert found["average_precision"] == pytest.approx(average_precision_score(labels, values))
    assert found["auroc"] == pytest.approx(roc_auc_score(labels, values))
    assert found["best_dice"] == pytest.approx(slow_dice(values, labels))


def test_ties_at_the_last_place_are_counted_by_their_expectation():
    heat = np.round(with_zeros((24, 24), 0.6), 1)
    assert score(heat)["top_k_precision"] == pytest.approx(slow_top_k(heat[BRAIN], TRUTH[BRAIN]), abs=0.01)


def test_a_perfect_map_scores_1_and_an_inverted_one_worst():
    perfect, inverted = score(TRUTH.astype(float)), score(1.0 - TRUTH)
    for measure in ("pointing", "heat_inside", "average_precision", "auroc", "top_k_precision", "best_dice"):
        assert perfect[measure] == pytest.approx(1)
        assert inverted[measure] < 0.2
    assert perfect["peak_distance_mm"] == 0
    assert inverted["auroc"] == 0


def test_constant_and_blank_maps_are_at_chance():
    share = TRUTH[BRAIN].mean()
    for heat in (np.ones((24, 24)), np.zeros((24, 24))):
        found = score(heat)
        assert found["average_precision"] == pytest.approx(share)
        assert found["top_k_precision"] == pytest.approx(share)
        assert found["auroc"] == pytest.approx(0.5)
    assert score(np.zeros((24, 24)))["pointing"] == 0
    assert score(np.ones((24, 24)))["pointing"] == pytest.approx(TRUTH.mean())
    assert np.isnan(score(np.zeros((24, 24)))["peak_distance_mm"])


def test_of_tied_maxima_the_share_on_the_truth_counts():
    heat = np.zeros((24, 24))
    heat[8, 9] = heat[8, 10] = heat[0, 0] = heat[23, 23] = 1.0
    assert score(heat)["pointing"] == 0.5


def test_equal_heat_stays_equal_where_upsampling_rounds_it():
    heat = upsample(torch.full((1, 1, 7, 7), 0.3), (24, 24))[0, 0].numpy()
    assert len(np.unique(heat)) > 1
    even = score(np.ones((24, 24)))
    assert score(heat) == pytest.approx(even)
    assert score(np.where(BRAIN, heat, 0))["auroc"] == pytest.approx(0.5)


def test_small_differences_of_faint_heat_still_rank_it():
    heat = np.where(TRUTH, 2e-6, 1e-6)
    heat[0, 0] = 1.0
    assert score(heat)["average_precision"] == pytest.approx(1)


def test_the_distance_of_the_maximum_is_in_millimetres_to_the_nearest_true_pixel():
    heat = np.zeros((24, 24))
    heat[8 - 3, 9 - 4] = 1.0
    assert score(heat)["peak_distance_mm"] == pytest.approx(10.0)
    assert score(heat)["pointing"] == 0
    assert score(heat, tolerance_mm=10.0)["pointing"] == 1


def test_heat_on_air_counts_against_a_map():
    heat = TRUTH.astype(float)
    heat[0, :12] = 1.0
    assert score(heat)["heat_inside"] == pytest.approx(0.5)
    assert score(heat)["average_precision"] == pytest.approx(1)


def test_only_slices_that_are_classified_right_and_show_truth_are_scored():
    truth = np.zeros((4, 8, 8), bool)
    truth[[0, 1, 3], 4, 4] = True
    scan = make_scan(np.zeros((4, 3, 8, 8)), np.ones((4, 8, 8), bool), truth)
    maps = make_maps({"a": np.ones((4, 8, 8))}, logits=[[2, 0], [0, 2], [2, 0], [2, 0]])
    assert scored_slices(maps, scan, 0) == [0, 3]
    assert scored_slices(maps, scan, 1) == []
    assert scored_slices(maps, scan, None) == []
    assert {value.slices for value in localisation(explained(maps, scan, true_class=0))} == {2}


def progressive(count=3):
    """Slices of a head with lesions whose cores are black holes, and ventricles."""
    structures = {name: np.zeros((count, 48, 48), bool) for name in ("lesion", "blackhole", "ventricle")}
    structures["lesion"][:, 10:16, 14:20] = True
    structures["blackhole"][:, 12:14, 16:18] = True
    structures["ventricle"][:, 20:30, 22:26] = True
    brain = np.tile(disc(48, 48, 20), (count, 1, 1))
    return make_scan(np.ones((count, 3, 48, 48)), brain, group="SPMS", structures=structures)


def rows_of(heat, scan, **options):
    found = localisation(explained(make_maps({"a": heat}), scan, true_class=0, **options))
    return {(value.measure, value.against): value.value for value in found}


def test_a_map_on_the_ventricles_of_a_progressive_patient_is_on_the_truth():
    scan = progressive()
    found = rows_of(scan.structures["ventricle"] * 1.0, scan)
    assert found["pointing", ""] == found["heat_inside", ""] == 1
    assert found["average_precision", "ventricle"] == pytest.approx(1)
    lesions = make_scan(scan.images, scan.brain, scan.structures["lesion"])
    assert rows_of(scan.structures["ventricle"] * 1.0, lesions)["pointing", ""] == 0


def test_heat_on_another_structure_does_not_count_against_a_structure():
    scan = progressive()
    both = rows_of(scan.truth * 1.0, scan)
    assert both["average_precision", ""] == pytest.approx(1)
    for name in scan.structures:
        assert both["average_precision", name] == pytest.approx(1)
    lesions = rows_of(scan.structures["lesion"] * 1.0, scan)
    rest = (scan.brain & ~scan.truth)[0].sum()
    share = 40 / (40 + rest)  # of the ventricles in what is neither lesion nor hot
    assert lesions["average_precision", "ventricle"] == pytest.approx(share)
    assert lesions["average_precision", "blackhole"] == pytest.approx(1)


def test_a_truth_of_one_structure_has_no_rows_of_its_parts():
    scan = progressive()
    one = make_scan(scan.images, scan.brain, structures={"lesion": scan.structures["lesion"]})
    assert {against for _, against in rows_of(one.truth * 1.0, one)} == {"", "above noise"}


def test_references_are_scored_on_every_structure():
    scan = progressive()
    references = reference_maps(scan, intensity=scan.structures["ventricle"].astype(np.float32))
    found = localisation(
        explained(make_maps({"a": scan.truth * 1.0}), scan, true_class=0, references=references)
    )
    rows = {(value.method, value.against): value for value in found if value.measure == "average_precision"}
    assert rows["intensity", "ventricle"].value == pytest.approx(1)
    pixels = int((scan.brain & (scan.structures["ventricle"] | ~scan.truth))[0].sum())
    expected = chance_of_average_precision(pixels, 40)
    assert rows["chance", "ventricle"].value == pytest.approx(expected)


def test_other_subjects_maps_on_the_own_truth_are_subtracted():
    scan = progressive()
    own, elsewhere = scan.truth * 1.0, np.roll(scan.truth, 16, axis=1) * 1.0
    strangers = tuple(make_maps({"a": heat}) for heat in (own, elsewhere))
    found = rows_of(own, scan, strangers=strangers)
    other = rows_of(elsewhere, scan)["average_precision", ""]
    assert found["average_precision", "above others"] == pytest.approx(1 - (1 + other) / 2)
    same = rows_of(own, scan, strangers=strangers[:1])
    assert same["average_precision", "above others"] == pytest.approx(0)


NOISE = {
    "4 x 4 cells": lambda random: random.normal(size=(4, 4)),
    "16 x 16 cells": lambda random: random.normal(size=(16, 16)),
    "mostly zero": lambda random: (random.normal(size=(16, 16)) - 1.2).clip(min=0),
    "smooth": lambda random: ndimage.gaussian_filter(random.normal(size=(48, 48)), 3),
}


def in_the_middle(count, random):
    """Slices with two lesions near the middle of the brain, where those of people are too."""
    truth = np.zeros((count, 48, 48), bool)
    for one in truth:
        for row, column in random.integers(14, 30, size=(2, 2)):
            one[row : row + 3, column : column + 3] = True
    return make_scan(np.ones((count, 3, 48, 48)), np.tile(disc(48, 48, 20), (count, 1, 1)), truth)


@pytest.mark.parametrize("kind", NOISE)
def test_noise_is_not_above_noise(kind, monkeypatch):
    monkeypatch.setattr(localised_scan, "NOISE_MAPS", 8)
    random = np.random.default_rng(5)
    found = []
    for number in range(300):  # scans of one slice, so that slices are independent
        scan = replace(in_the_middle(1, random), name=f"sub-{number}")
        raw = NOISE[kind](random)[None]
        found.append(rows_of(raw, scan)["average_precision", "above noise"])
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))


def test_a_map_of_few_cells_that_knows_the_truth_is_above_noise():
    random = np.random.default_rng(6)
    scan = in_the_middle(40, random)
    cells = scan.truth.reshape(40, 12, 4, 12, 4).mean(axis=(2, 4))
    found = rows_of(cells + random.normal(scale=0.1, size=cells.shape), scan)
    assert 0.1 < found["average_precision", "above noise"] < found["average_precision", ""]


def test_a_network_made_to_fire_on_squares_points_at_them_and_nowhere_else():
    scan = blob_slices()
    maps = explain_slices(BlobNetwork().eval(), scan.images, scan.brain, 0, "layercam", layers=("match",))
    found = {value.measure: value.value for value in localisation(explained(maps, scan, true_class=0))}
    assert found["pointing"] == 1
    assert found["heat_inside"] == 1
    assert found["auroc"] > 0.5


def test_a_random_network_finds_the_truth_as_often_as_what_looks_the_same():
    scan = blob_slices(count=40, size=64, blobs=6)
    model = build("vgg16", classes=2, weights="none").eval()
    parts = [ndimage.label(truth) for truth in scan.truth]
    half = np.stack([np.isin(labels, np.arange(1, count // 2 + 1)) for labels, count in parts])
    scored = [index for index, truth in enumerate(half) if truth.any()]
    half, whole = half[scored], scan.truth[scored]
    share = half.sum() / whole.sum()
    hits = {"half": 0.0, "whole": 0.0}
    for layer in ("block2_conv2", "block3_conv3"):
        heat = explain_slices(
            model, scan.images[scored], scan.brain[scored], 0, "gradcam", layers=(layer,)
        ).heat(layer, scan.shape)
        for number, index in enumerate(scored):
            for name, truth in (("half", half), ("whole", whole)):
                found = scores_of(heat[number][None], truth[number], scan.brain[index], scan.pixel_mm)
                hits[name] += found["pointing"][0]
    assert abs(hits["half"] - share * hits["whole"]) < 3 * np.sqrt(
        share * (1 - share) * max(hits["whole"], 1)
    )


def test_pointing_agrees_with_quantus_where_there_are_no_ties():
    quantus = pytest.importorskip("quantus", reason="Quantus is not installed; see benchmarks/oracles.txt")
    heat = RANDOM.random((6, 24, 24)).astype(np.float32)
    for row in range(3):
        heat[row, 9, 10] = 2.0
    truth = np.tile(TRUTH, (6, 1, 1))
    theirs = quantus.PointingGame(display_progressbar=False, disable_warnings=True)(
        model=None, x_batch=heat[:, None], y_batch=np.zeros(6), a_batch=heat[:, None], s_batch=truth[:, None]
    )
    ours = scores_of(heat, TRUTH, np.ones((24, 24), bool), 2.0)["pointing"]
    np.testing.assert_array_equal(ours, np.asarray(theirs, float))
