"""Targets and decoys planted into made-up slices, and maps scored by them."""

from collections import Counter
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import torch
from evidence_cases import BlobNetwork, disc
from planting_cases import AREA, ShapeNetwork, anatomy, blob, kinds, learn, scores_above_decoys, slice_of
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from stratacam.errors import InputError
from stratacam.evidence.planting import Kinds, kinds_of_folds, plant_scan, read_shapes
from stratacam.evidence.planting.pick import BOTH, HALVES, Candidate, pick
from stratacam.evidence.planting.score import (
    ABOVE_DECOYS,
    BY_DECOYS,
    CONSENSUS,
    DECOYS,
    NONE,
    SINGLE,
    PlantedSlice,
    score_heat,
    score_maps,
)
from stratacam.evidence.planting.shapes import compactness, cross_sections, to_area
from stratacam.evidence.planting.stamp import make_stamps
from stratacam.evidence.planting.verdict import LEVELS, PEOPLE, has_learnt, verdict
from stratacam.evidence.references import edges_of
from stratacam.evidence.values import SubjectTable
from stratacam.maps import Consensus
from stratacam.maps.fused import candidate_fusions
from stratacam.maps.slice_maps import explain_slices
from stratacam.networks import build

RANDOM = np.random.default_rng(0)


def plant(material, shapes, **changed):
    settings = {"difference": "shape", "lesions": 2, "copies": 4, "seed": 0, **changed}
    return plant_scan(material, shapes, **settings)


def few(shapes, count=4):
    return Kinds(*(kind[:count] for kind in shapes))


def test_cross_sections_are_the_connected_parts_of_each_lesion_that_are_large_enough():
    mask = np.zeros((30, 30, 4), bool)
    mask[2:8, 3:9, 1:3] = mask[20:25, 20:25, 1] = mask[0, 0, 2] = True
    found = cross_sections(mask)
    assert sorted([one.shape for one in lesion] for lesion in found) == [[(5, 5)], [(6, 6), (6, 6)]]


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


def test_the_three_kinds_differ_in_compactness_and_in_nothing_else():
    found = kinds()[0]
    assert {int(shape.sum()) for kind in found for shape in kind} == {AREA}
    spans = [(min(map(compactness, kind)), max(map(compactness, kind))) for kind in found]
    assert spans[0][0] > spans[1][1]
    assert spans[1][0] > spans[2][1]


def test_no_fold_has_a_turned_or_mirrored_copy_of_another_folds_shape():
    shapes = [blob(seed) for seed in range(200)]
    copies = [np.rot90(shape[::-1]) for shape in shapes]
    folds = kinds_of_folds([[shape] for shape in (*shapes, *copies)], AREA, 2)
    names = [
        {
            turned.tobytes() + bytes(turned.shape)
            for kind in fold
            for shape in kind
            for one in (shape, shape[::-1])
            for turned in (np.rot90(one, turns) for turns in range(4))
        }
        for fold in folds
    ]
    assert min(map(len, names)) > 100
    assert not names[0] & names[1]


def test_cross_sections_of_one_lesion_stay_in_one_fold():
    lesions = [[blob(seed), blob(seed + 1000), blob(seed + 2000)] for seed in range(80)]
    scaled = [[to_area(shape, AREA).tobytes() for shape in lesion] for lesion in lesions]
    count = Counter(shape for lesion in scaled for shape in lesion)
    first, second = (
        {shape.tobytes() for kind in fold for shape in kind} for fold in kinds_of_folds(lesions, AREA, 2)
    )
    for lesion in scaled:
        own = {shape for shape in lesion if count[shape] == 1}
        assert not (own & first and own & second)


def test_too_few_shapes_or_files_that_are_none_are_told(tmp_path):
    with pytest.raises(
        InputError, match=r"--lesions: found 9 different shapes of 40 pixels, for one of 2 folds"
    ):
        kinds_of_folds([[blob(seed)] for seed in range(9)], 40, 2)
    with pytest.raises(InputError, match="--lesions: found 0 different shapes"):
        kinds_of_folds([], 40, 2)
    with pytest.raises(InputError, match="holds no NIfTI files"):
        read_shapes(tmp_path)
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3), np.uint8), np.eye(4)), tmp_path / "flat.nii")
    with pytest.raises(InputError, match=r"flat\.nii: has shape \(3, 3\)"):
        read_shapes(tmp_path)


def test_all_lesions_have_the_same_signal_after_blurring():
    every = make_stamps([shape for kind in kinds()[0] for shape in kind])
    numbers = np.array([np.sort(stamp.signal, axis=None) for stamp in every])
    assert (numbers == numbers[0]).all()
    assert numbers.max() == 1
    for stamp in every:
        assert stamp.signal[stamp.mask].min() >= stamp.signal[~stamp.mask].max()


def test_a_pair_differs_by_its_targets_alone():
    material = anatomy()
    first, second = plant(material, kinds()[0])
    assert len(first.images) == 12
    np.testing.assert_array_equal(first.decoys, second.decoys)
    for index, source in enumerate(first.source):
        targets = first.truth[index] | second.truth[index]
        for mask in (first.truth[index], second.truth[index], first.decoys[index]):
            assert ndimage.label(mask, np.ones((3, 3)))[1] == 2
            assert mask.sum() == 2 * AREA
            assert (material.brain[source] | ~mask).all()
        assert not (targets & first.decoys[index]).any()
        far = ~ndimage.binary_dilation(targets, iterations=3)
        np.testing.assert_array_equal(first.images[index][:, far], second.images[index][:, far])
        assert not np.array_equal(first.images[index], second.images[index])


@pytest.mark.parametrize(("difference", "lesions"), [("shape", 2), ("place", 1)])
def test_no_simple_statistic_tells_classes_or_targets_and_decoys_apart(difference, lesions):
    planted = plant(anatomy(40), kinds()[0], difference=difference, lesions=lesions, copies=10)
    count = len(planted[0].images)
    assert count > 350
    statistics = {
        "sum": np.sum,
        "maximum": np.max,
        "mean": np.mean,
        "spread": np.std,
        "bright pixels": lambda values: (values > 0.65).sum(),
        "median": np.median,
    }
    shown = [one.images[:, 2] for one in planted]
    np.testing.assert_allclose(shown[0].sum(axis=(1, 2)), shown[1].sum(axis=(1, 2)), rtol=1e-6)
    error = np.sqrt((2 * count + 1) / (12 * count**2))  # of an AUC under the null hypothesis
    for name, statistic in statistics.items():
        targets, decoys = (
            [
                np.array(
                    [statistic(image[mask]) for image, mask in zip(shown[number], masks, strict=True)]
                ).round(6)
                for number, masks in enumerate(chosen)
            ]
            for chosen in ([one.truth for one in planted], [one.decoys for one in planted])
        )
        by_class = roc_auc_score(np.arange(2).repeat(count), np.concatenate(targets))
        # at the same places the numbers are the same but for rounding
        assert abs(by_class - 0.5) < (0.01 if difference == "shape" else 2.6 * error), name
        by_use = roc_auc_score(np.arange(2).repeat(count), np.concatenate([targets[0], decoys[0]]))
        assert abs(by_use - 0.5) < 2.6 * error, name


def test_targets_lie_deep_or_near_the_edge_and_decoys_between():
    material = anatomy(size=128)
    depth = ndimage.distance_transform_edt(material.brain[0])
    deep, outer = plant(material, kinds()[0], difference="place", lesions=1)
    depths = [depth[mask.any(axis=0)].mean() for mask in (deep.truth, deep.decoys, outer.truth)]
    assert depths[0] > depths[1] + 5
    assert depths[1] > depths[2] + 5
    np.testing.assert_array_equal(deep.decoys, outer.decoys)
    np.testing.assert_allclose(deep.images.sum(axis=(2, 3)), outer.images.sum(axis=(2, 3)), rtol=1e-4)


def test_targets_that_tell_classes_by_their_presence_lie_deep_and_decoys_at_the_edge_of_both():
    material = anatomy(size=128)
    depth = ndimage.distance_transform_edt(material.brain[0])
    present, absent = plant(material, kinds()[0], difference="presence", lesions=2)
    assert not absent.truth.any()
    assert depth[present.truth.any(axis=0)].mean() > depth[present.decoys.any(axis=0)].mean() + 10
    np.testing.assert_array_equal(present.decoys, absent.decoys)
    for index in range(len(present.images)):
        targets = ndimage.binary_dilation(present.truth[index], iterations=3)
        np.testing.assert_array_equal(present.images[index][:, ~targets], absent.images[index][:, ~targets])
        assert (present.images[index][2] - absent.images[index][2])[present.truth[index]].min() > 0.01


def test_targets_and_decoys_are_equally_bright_where_classes_differ_by_presence():
    planted, _ = plant(anatomy(30), kinds()[0], difference="presence", copies=5)
    shown, count = planted.images[:, 2], len(planted.images)
    assert count > 100
    error = np.sqrt((2 * count + 1) / (12 * count**2))  # of an AUC under the null hypothesis
    for statistic in (np.sum, np.max, np.std, np.median):
        values = [
            [statistic(image[mask]).round(6) for image, mask in zip(shown, masks, strict=True)]
            for masks in (planted.truth, planted.decoys)
        ]
        assert abs(roc_auc_score(np.arange(2).repeat(count), np.concatenate(values)) - 0.5) < 2.6 * error


def test_the_same_seed_plants_the_same():
    material, shapes = anatomy(), kinds()[0]
    first, again, other = (plant(material, shapes, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.truth, other.truth)


def test_shuffled_pairs_are_swapped_as_a_whole_half_of_the_time():
    material, shapes = anatomy(10), kinds()[0]
    first, second = plant(material, shapes)
    shuffled, other = plant(material, shapes, shuffled=True)
    swapped = [np.array_equal(one, two) for one, two in zip(shuffled.images, second.images, strict=True)]
    assert 0.25 < np.mean(swapped) < 0.75
    for index, is_swapped in enumerate(swapped):
        np.testing.assert_array_equal(other.truth[index], (first if is_swapped else second).truth[index])


def test_slices_without_room_are_left_out():
    material = anatomy()
    material.white[1] = False
    assert set(plant(material, kinds()[0], copies=2)[0].source.tolist()) == {0, 2}


def test_brightness_and_edges_find_targets_no_better_than_decoys():
    material = anatomy(50)
    planted = plant(material, kinds()[0], copies=10)
    scores = {"intensity": [], "edges": []}
    for one in planted:
        for index in range(len(one.images)):
            shown = slice_of(one, material, index)
            heat = {
                ("intensity", ""): shown.picture * shown.brain,
                ("edges", ""): edges_of(shown.picture[None])[0] * shown.brain,
            }
            for row in score_heat(heat, shown):
                if row.against == ABOVE_DECOYS:
                    scores[row.method].append(row.value)
    assert len(scores["edges"]) > 900
    assert {name: abs(np.mean(values)) <= 0.05 for name, values in scores.items()} == dict.fromkeys(
        scores, True
    )


def test_maps_of_a_network_made_for_the_targets_find_them_and_not_the_decoys():
    material, shapes = anatomy(2, size=80), few(kinds()[0])
    planted = plant(material, shapes)
    network = ShapeNetwork([shapes.regular, shapes.irregular]).eval()
    for number, one in enumerate(planted):
        scores, accuracy = scores_above_decoys(network, one, material, number)
        assert accuracy == 1
        assert scores.mean() >= 0.9


def test_a_class_that_is_known_by_an_absence_has_no_map_that_finds_its_targets():
    material, shapes = anatomy(2, size=80), few(kinds()[0])
    planted = plant(material, shapes)
    network = ShapeNetwork([shapes.regular, []]).eval()
    with torch.no_grad():
        network.predictions.weight.copy_(torch.tensor([[1e4, 0], [-1e4, 0]]))
        network.predictions.bias.copy_(torch.tensor([-1.0, 1.0]))
    regular, right = scores_above_decoys(network, planted[0], material, 0)
    absent, right_too = scores_above_decoys(network, planted[1], material, 1)
    assert right == right_too == 1
    assert regular.mean() >= 0.9
    assert absent.mean() <= 0.05


def test_maps_of_a_trained_network_find_targets_of_unseen_shapes_and_those_of_shuffled_labels_do_not():
    training, held_out = kinds(2, count=400)
    material, other = anatomy(2, size=64, seed=1), anatomy(2, size=64, seed=2)
    seen, unseen = plant(material, training, copies=25), plant(other, held_out, copies=10)
    network = ShapeNetwork([[shape] for kind in few(training, 3) for shape in kind], threshold=0.7).eval()
    labels = np.arange(2).repeat(len(seen[0].images))
    learn(network, seen, labels)
    scores, accuracy = scores_above_decoys(network, unseen[0], other, 0)
    assert accuracy > 0.8
    assert scores.mean() > 0.3
    learn(network, seen, np.random.default_rng(0).permutation(labels))
    shuffled = np.concatenate(
        [scores_above_decoys(network, one, other, number)[0] for number, one in enumerate(unseen)]
    )
    assert shuffled.mean() <= 0.05


@pytest.fixture(scope="module")
def planted_slice():
    truth, decoys = np.zeros((2, 48, 48), bool)
    truth[20:25, 20:25] = True
    decoys[30:35, 12:17] = True
    brain = disc(48, 48, 20)
    image = np.where(truth, 1.0, 0.3 * np.random.default_rng(0).random((3, 48, 48)) * brain).astype(
        np.float32
    )
    return PlantedSlice("regular", "sub-01", image, image[2], truth, decoys, brain, 2.0)


def scores_by_name(values):
    return {(value.method, value.layer, value.measure, value.against): value.value for value in values}


def test_scores_of_targets_and_decoys_stand_beside_each_other(planted_slice):
    (found,) = score_maps({SINGLE: BlobNetwork().eval()}, [planted_slice], 0, ["layercam"], seed=0)
    scores = scores_by_name(found.values[SINGLE])
    for measure in ("average_precision", "pointing"):
        targets, decoys, above = (
            scores["layercam", "match.0", measure, against] for against in ("", DECOYS, ABOVE_DECOYS)
        )
        assert above == pytest.approx(targets - decoys)
        assert decoys < targets
    assert scores["layercam", "match.0", "pointing", ""] == 1
    assert scores["layercam", "match.0", "pointing", DECOYS] == 0
    references = scores_by_name(found.values[NONE])
    assert references["random", "", "average_precision", ""] < 0.15
    assert references["truth at layer", "match.0", "average_precision", ""] == 1
    assert found.layers == ("match.0",)


def test_consensus_and_maps_of_several_layers_are_scored_beside_the_first_network(planted_slice):
    torch.manual_seed(0)
    members = [build("small_cnn", 2).eval() for _ in range(3)]
    slices = [planted_slice, replace(planted_slice, image=planted_slice.image[:, ::-1].copy())]
    networks = {SINGLE: members[0], CONSENSUS: Consensus(members)}
    first, second = score_maps(networks, slices, 0, ["layercam"], seed=0, smoothgrad=False)
    fused = candidate_fusions(first.layers)
    assert first.fused == fused
    for name in networks:
        assert {value.layer for value in first.values[name]} == {*first.layers, *fused}
    images, brain = np.stack([one.image for one in slices]), np.stack([one.brain for one in slices])
    together = explain_slices(networks[CONSENSUS], images, brain, 0, "layercam", layers=fused[:1])
    for place, one in enumerate((first, second)):
        np.testing.assert_allclose(
            one.heat[CONSENSUS, "layercam", fused[0]], together.heat(fused[0], (48, 48))[place], atol=1e-6
        )


def table(scores, *, subjects=12, seed=0, noise=0.02, consensus=None):
    """Scores of maps and references by subject, about means that are given by method and layer."""
    random = np.random.default_rng(seed)
    references = {("edges", ""): 0.01, ("intensity", ""): -0.02, ("random", ""): 0.0}
    names = tuple(f"sub-{number:02d}" for number in range(subjects))

    def one(means):
        rows = {(*name, measure): mean for name, mean in means.items() for measure in BY_DECOYS}
        targets, decoys = (
            random.normal(mean, noise, (subjects, len(rows))) for mean in (list(rows.values()), 0)
        )
        kinds_of = {"": targets, DECOYS: decoys, ABOVE_DECOYS: targets - decoys}
        keys = tuple((*row, against) for against in kinds_of for row in rows)
        return SubjectTable(keys, names, np.concatenate(list(kinds_of.values()), axis=1))

    found = {SINGLE: one(scores), NONE: one(references)}
    return {**found, CONSENSUS: one(consensus)} if consensus else found


def right(accuracy, count=12, *, of=SINGLE):
    """Accuracy by person, not quite the same in all."""
    return {of: accuracy + 0.01 * np.linspace(0, 1, count)}


def test_the_verdict_is_by_class_and_names_how_the_best_map_was_chosen():
    tables = {
        "regular": table({("gradcam", "deep"): 0.05, ("layercam", "shallow"): 0.4}),
        "irregular": table({("gradcam", "deep"): 0.0, ("layercam", "shallow"): 0.0}),
    }
    said = verdict(tables, right(0.9), PEOPLE)
    assert (
        "regular: the best map, chosen on one half of the people and scored on the other, is layercam at shallow"
        in said
    )
    assert "0.40 (0.3" in said
    assert "layercam at shallow, regular; gradcam at deep, regular." in said
    assert "layercam at shallow, irregular" not in said
    assert (
        "as a mean over the classes regular and irregular: layercam at shallow. Average precision on targets 0.20"
        in said
    )


def test_the_verdict_says_what_was_picked_and_how_right_consensus_and_first_network_are():
    scores = {("layercam", "a+b"): 0.6, ("layercam", "a"): 0.3}
    tables = {"present": table({("layercam", "a"): 0.3}, consensus=scores)}
    said = verdict(tables, right(0.8) | right(0.9, of=CONSENSUS), PEOPLE, networks=3)
    assert "The consensus of 3 networks is right on 90% of the held-out slices" in said
    assert "the first alone on 80%" in said
    assert (
        "scored on the other: layercam at mean of a and b (consensus). Average precision on targets 0.6"
        in said
    )
    assert "its maximum lies on a target in 60%" in said
    assert "Maps without a network, targets less decoys: edges 0.01" in said


@pytest.mark.parametrize(("accuracy", "count"), [(0.45, 12), (0.5, 12), (0.9, 1)])
def test_maps_of_a_network_that_was_not_shown_to_learn_say_nothing(accuracy, count):
    said = verdict({"regular": table({("gradcam", "deep"): 0.9})}, right(accuracy, count), PEOPLE)
    assert "What its maps show: cannot say." in said
    assert "gradcam" not in said


def test_networks_at_chance_are_seldom_taken_to_have_learnt():
    for people, slices in ((3, 40), (5, 40), (12, 8)):
        right = RANDOM.binomial(slices, 0.5, size=(1000, people)) / slices
        assert np.mean([has_learnt(one) for one in right]) < 0.04


def test_too_few_people_give_figures_and_no_verdict_on_others():
    tables = {"regular": table({("gradcam", "deep"): 0.4}, subjects=4)}
    said = verdict(tables, right(0.9, 4), PEOPLE)
    assert "gradcam at deep" in said
    assert "in other people: cannot say (4 people; 10 are needed)" in said
    said = verdict({"regular": table({("gradcam", "deep"): 0.4}, subjects=40)}, right(0.9, 40), LEVELS)
    assert "in other people: cannot say (fewer than 3 people; 10 are needed)" in said


def test_of_a_class_without_scored_slices_the_verdict_says_nothing():
    nothing = SubjectTable((), (), np.zeros((0, 0)))
    tables = {
        "regular": table({("gradcam", "deep"): 0.4}),
        "irregular": {SINGLE: nothing, NONE: nothing},
    }
    said = verdict(tables, right(0.9), PEOPLE)
    assert "irregular: cannot say (fewer than two people with slices that are classified right)" in said
    assert "gradcam at deep, regular" in said
    assert pick(tables).classes == ("regular",)


def test_each_half_is_scored_by_what_the_other_half_picked():
    scores = table({("layercam", "a"): 0.0, ("layercam", "b"): 0.0}, subjects=10, noise=0.0)
    single = scores[SINGLE]
    for measure in BY_DECOYS:
        for against in ("", ABOVE_DECOYS):
            single.values[::2, single.keys.index(("layercam", "a", measure, against))] = 0.9
            single.values[1::2, single.keys.index(("layercam", "b", measure, against))] = 0.5
    found = pick({"present": scores})
    assert found.chosen == (Candidate(SINGLE, "layercam", "a"), Candidate(SINGLE, "layercam", "b"))
    assert found.units[0] == ("sub-00", "sub-02", "sub-04", "sub-06", "sub-08")
    assert [found.score("average_precision", ABOVE_DECOYS, half).value for half in (*HALVES, BOTH)] == [
        0,
        0,
        0,
    ]
    content = found.as_json()
    assert content["halves"][1]["picked"] == {"networks": SINGLE, "method": "layercam", "layer": "b"}
    assert len(content["scored_by_the_pick_of_the_other_half"]) == 18


def test_a_class_that_is_known_by_absence_halves_the_score_of_the_pick():
    tables = {name: table({("layercam", "a"): mean}) for name, mean in (("deep", 0.8), ("outer", 0.0))}
    assert pick(tables).score("average_precision", ABOVE_DECOYS).value == pytest.approx(0.4, abs=0.02)


def test_people_with_slices_of_one_class_only_are_scored_by_that():
    tables = {
        "deep": table({("layercam", "a"): 0.8}, subjects=12),
        "outer": table({("layercam", "a"): 0.8}, subjects=6),
    }
    found = pick(tables).score("average_precision", "")
    assert found.units == 12
    assert found.value == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("mean", "people"), [(0.0, 20), (0.5, 20), (0.5, 6)])
def test_intervals_of_the_pick_hold_the_mean_of_many_maps_that_are_alike(mean, people):
    names = {("layercam", f"layer {number}"): mean for number in range(40)}
    found = [pick({"present": table(names, seed=seed, noise=0.1, subjects=people)}) for seed in range(200)]
    scores = [one.score("average_precision", ABOVE_DECOYS) for one in found]
    values = np.array([one.value for one in scores])
    assert abs(values.mean() - mean) < 2.6 * values.std() / np.sqrt(len(values))
    assert np.mean([one.low <= mean <= one.high for one in scores]) > 0.9


def test_the_map_that_is_best_by_far_is_picked_by_both_halves():
    names = {("layercam", f"layer {number}"): 0.1 for number in range(40)}
    found = [
        pick({"present": table(names, seed=seed, noise=0.1, consensus={("layercam", "a+b"): 0.6})})
        for seed in range(50)
    ]
    assert {one.chosen for one in found} == {(Candidate(CONSENSUS, "layercam", "a+b"),) * 2}
    scores = [one.score("average_precision", ABOVE_DECOYS) for one in found]
    assert np.mean([one.low <= 0.6 <= one.high for one in scores]) > 0.85


def test_maps_that_find_nothing_are_named_in_5_percent_of_benchmarks():
    names = {("layercam", f"layer {number}"): 0.0 for number in range(10)}
    said = [
        verdict(
            {group: table(names, seed=2 * seed + number) for number, group in enumerate("ab")},
            right(0.9),
            PEOPLE,
        )
        for seed in range(120)
    ]
    assert np.mean(["none was shown to" not in one for one in said]) < 0.1
