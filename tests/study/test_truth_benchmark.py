"""Scores of the networks of a fold, from predictions and models made by hand; the whole is in test_honest_study.py."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from stratacam.errors import InputError
from stratacam.evidence.planting.score import CONSENSUS, NONE, SINGLE
from stratacam.learning import ScanPictures, save_pictures
from stratacam.maps.fused import is_fused
from stratacam.networks import ModelCard, build, save_model
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.folders import StudyFolders
from stratacam.study.planning import plan_network
from stratacam.study.runs import Run
from stratacam.study.trained import TrainedModel
from stratacam.study.truth_benchmark import BenchmarkSettings
from stratacam.study.truth_benchmark.fold import PeopleHeldOut
from stratacam.study.truth_benchmark.planting import truth_file
from stratacam.study.truth_benchmark.scoring import ScoreFold, read_scores
from stratacam.study.truth_benchmark.summary import summarise_folds

SLICES, SIZE = 4, 48
CLASSES = ("present", "absent")


def planted_scan(folder, person, group):
    """Slices of one person and class, with a target at their middle in all but the first."""
    random = np.random.default_rng(person)
    scan = ScanPictures(
        folder / f"sub-{person}_{group}.npy", f"sub-{person} {group}", f"sub-{person}_{group}", group
    )
    images = random.random((SLICES, 3, SIZE, SIZE), dtype=np.float32)
    truth, decoys = np.zeros((2, SLICES, SIZE, SIZE), bool)
    truth[1:, 20:24, 20:24] = group == "present"
    decoys[:, 36:40, 20:24] = True
    save_pictures(scan.file, images, np.ones((SLICES, SIZE, SIZE), bool), np.arange(SLICES))
    np.savez(truth_file(scan), truth=truth, decoys=decoys, pixel_mm=2.0, shown=2)
    return scan


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    """Two networks of random weights; the first is wrong on one slice, both together on another."""
    folder = tmp_path_factory.mktemp("fold")
    pictures = tuple(planted_scan(folder, person, group) for person in range(4) for group in CLASSES)
    right = np.tile(np.array([2.0, -2.0]), (len(pictures) * SLICES, 1))
    right[np.arange(len(right)) // SLICES % 2 == 0] *= -1  # scans go by name: absent, present
    models, predictions = [], []
    for number in range(2):
        torch.manual_seed(number)
        where = folder / f"model {number}"
        card = ModelCard(architecture="small_cnn", classes=CLASSES, input={"range": [0, 1]}, training={})
        save_model(where, build("small_cnn", 2), card)
        logits = right.copy()
        if number == 0:
            logits[SLICES + 1] *= -0.5
        else:
            logits[SLICES + 2] *= -2
        predictions.append(folder / f"predictions {number}.npz")
        np.savez(predictions[-1], row=np.arange(len(right)), logits=logits, temperature=1.0)
        models.append(TrainedModel(where, f"key {number}", "cpu"))
    task = ScoreFold(
        models=tuple(models),
        predictions=tuple(predictions),
        pictures=pictures,
        truths=tuple(truth_file(scan) for scan in pictures),
        classes=CLASSES,
        targeted=("present",),
        methods=("layercam",),
        smoothgrad=False,
        maximum=40,
        seed=0,
        file=folder / "scores.json",
    )
    task.do()
    return task


def test_slices_with_targets_are_scored_that_first_network_and_consensus_classify_right(fold):
    found = read_scores(fold.file)
    assert {one.group for one in found.slices.values()} == {"present"}
    of_first = [name for name in found.slices if name.startswith("sub-0")]
    assert of_first == ["sub-0_present 3"]  # 0 has no target, 1 the first gets wrong, 2 both together
    assert len(found.slices) == 1 + 3 * 3
    assert [sum(found.right[name]) for name in (SINGLE, CONSENSUS)] == [31, 31]


def test_single_consensus_and_fused_maps_are_scored_alike(fold):
    found = read_scores(fold.file)
    assert found.fused
    assert all(map(is_fused, found.fused))
    for one in found.slices.values():
        names = {name: {value.layer for value in values} for name, values in one.values.items()}
        assert names[SINGLE] == names[CONSENSUS] == {*found.layers, *found.fused}
        assert names[NONE] == {"", *found.layers, *found.fused}
    ((first, scored), _) = fold.examples()
    assert first.truth.any()
    assert set(scored.heat) == {
        (name, "layercam", layer) for name in (SINGLE, CONSENSUS) for layer in names[SINGLE]
    }


def test_people_are_cut_in_halves_of_which_one_picks_for_the_other(fold):
    people = [f"sub-{number}" for number in range(4)]
    found = summarise_folds([read_scores(fold.file)], ("present",), people, networks=2)
    assert found.picked.units == (("sub-0", "sub-2"), ("sub-1", "sub-3"))
    assert found.accuracy == {SINGLE: 31 / 32, CONSENSUS: 31 / 32}
    assert found.scored == 10
    assert found.units == "people"
    json.dumps(found.picked.as_json())


def test_all_networks_share_what_frozen_layers_give(tmp_path):
    configuration = StudyConfiguration(out=tmp_path, cohort={"input": tmp_path})
    plans = [
        plan_network(configuration, StudyFolders(tmp_path), Run("vgg16", seed, 1), PeopleHeldOut(()), 2)
        for seed in range(3)
    ]
    assert plans[0].kept is not None
    assert {plan.kept for plan in plans} == {plans[0].kept}


def test_the_last_blocks_alone_are_trained():
    settings = BenchmarkSettings(architecture="vgg16", trained=2)
    assert settings.frozen == ("block1_*", "block2_*", "block3_*")
    assert replace(settings, trained=5).frozen == ()
    assert replace(settings, trained=None).frozen is None
    with pytest.raises(
        InputError, match=r"--trained: found 6; expected 1 to 5, the number of blocks of vgg16"
    ):
        _ = replace(settings, trained=6).frozen
