"""The trainings of a study: what they are called, how they are split, what is shared between them."""

import io

import pytest
import torch
from rich.console import Console

from stratacam.errors import InputError
from stratacam.learning import ScanPictures
from stratacam.study.cohort import Cohort
from stratacam.study.configuration import check_configuration
from stratacam.study.network_check import check_networks, check_size
from stratacam.study.planning import plan_runs
from stratacam.study.runs import Run, TrainedRun, models_of, read_runs
from stratacam.study.study import open_study


def configured(folder, **sections):
    return check_configuration(
        {"out": str(folder / "out"), "cohort": {"input": str(folder / "scans")}, **sections}, "study.toml"
    )


def cohort(folder, each=6):
    pictures = tuple(
        ScanPictures(
            folder / f"sub-{group}{number}.npy", f"sub-{group}{number}", f"sub-{group}{number}", group
        )
        for group in "AB"
        for number in range(each)
    )
    return Cohort(pictures, ("A", "B"), {})


def planned(folder, **sections):
    configuration = configured(folder, **sections)
    with open_study(configuration, Console(file=io.StringIO())) as study:
        return plan_runs(configuration, study.folders, cohort(folder), configuration.split)


def test_every_network_seed_and_fold_is_a_run_and_the_first_network_comes_first(tmp_path):
    plans = planned(
        tmp_path,
        network={"architecture": ["small_cnn", "vgg16"], "weights": "none"},
        split={"folds": 2},
        repeats=2,
        seed=5,
    )
    assert [plan.run.name for plan in plans] == [
        f"{network}_seed-{seed}_fold-{fold}"
        for network in ("small_cnn", "vgg16")
        for seed in (5, 6)
        for fold in (1, 2)
    ]
    by_model = {}
    for plan in plans:
        by_model.setdefault(plan.run.model, set()).update(plan.split.test)
    assert all(len(held_out) == 12 for held_out in by_model.values())


def test_networks_of_one_seed_are_split_alike_and_other_seeds_otherwise(tmp_path):
    plans = planned(
        tmp_path,
        network={"architecture": ["small_cnn", "vgg16"], "weights": "none"},
        split={"folds": 1},
        repeats=2,
    )
    split_of = {plan.run.model: plan.split for plan in plans}
    assert split_of["small_cnn_seed-0"] == split_of["vgg16_seed-0"]
    assert split_of["vgg16_seed-0"] != split_of["vgg16_seed-1"]


@pytest.mark.parametrize("split", [{"folds": 1}, {"folds": 2}])
def test_seeds_may_share_the_split_of_the_first_and_differ_in_all_else(tmp_path, split):
    sections = {"network": {"architecture": "small_cnn", "weights": "none"}, "repeats": 2, "seed": 7}
    new = planned(tmp_path, split=split, **sections)
    same = planned(tmp_path, split={**split, "repeats": "same"}, **sections)
    folds = split["folds"]
    assert [plan.split for plan in same] == [plan.split for plan in new[:folds]] * 2
    assert [plan.run for plan in same] == [plan.run for plan in new]  # whose seeds order the slices
    (first, _), (second, _) = same[0].first.make(), same[folds].first.make()
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


def test_slices_at_random_may_be_the_same_for_all_seeds(tmp_path):
    def seeds(repeats):
        split = {"unit": "slice", "repeats": repeats}
        return [plan.split.seed for plan in planned(tmp_path, split=split, repeats=2)]

    assert seeds("new") == [0, 1]
    assert seeds("same") == [0, 0]


def test_a_consensus_of_seeds_needs_subjects_whom_all_have_held_out(tmp_path):
    def consensus(**sections):
        return configured(tmp_path, explain={"models": "all"}, **{"repeats": 2, **sections})

    with pytest.raises(ValueError, match=r'found "all".*2 seeds.*set split\.repeats = "same", or folds'):
        consensus(split={"folds": 1})
    consensus(split={"folds": 1, "repeats": "same"})
    consensus(split={"folds": 2})
    consensus(split={"folds": 1}, repeats=1)


def test_pretrained_layers_are_kept_once_for_all_seeds_and_folds_and_random_ones_for_each_seed(tmp_path):
    plans = planned(tmp_path, repeats=2)
    assert len({plan.kept for plan in plans}) == 1
    assert plans[0].kept.name.startswith("vgg16-")
    frozen = {"frozen": ["block1_*"]}
    random = planned(tmp_path, network={"weights": "none"}, training=frozen, repeats=2)
    assert len({plan.kept for plan in random}) == 2
    nothing_frozen = planned(tmp_path, network={"weights": "none"})
    assert {plan.kept for plan in nothing_frozen} == {None}
    assert {plan.kept for plan in planned(tmp_path, training={"cache_activations": False})} == {None}


def test_other_augmentation_or_copies_are_kept_elsewhere(tmp_path):
    folders = {
        planned(tmp_path, training=training)[0].kept.name
        for training in ({}, {"copies": 2}, {"augmentation": {"rotation": 3}}, {"frozen": ["block1_*"]})
    }
    assert len(folders) == 4


def test_runs_are_read_as_they_were_written(tmp_path):
    trained = TrainedRun(Run("nets/mine.py:make", 3, 2), ("sub-1",))
    assert trained.run.name == "make_seed-3_fold-2"
    file = tmp_path / "runs.json"
    file.write_text('{"runs": [' + str(trained.as_json()).replace("'", '"') + "]}")
    assert read_runs(file) == [trained]
    with pytest.raises(InputError, match="lists no trained model"):
        read_runs(tmp_path / "absent.json")


def test_two_functions_of_one_name_are_refused(tmp_path):
    configuration = configured(tmp_path, network={"architecture": ["a.py:make", "b.py:make"]})
    with pytest.raises(InputError, match="would go by one name"):
        models_of(configuration)


def test_slices_that_are_split_hold_nobody_out(tmp_path):
    (plan,) = planned(tmp_path, split={"unit": "slice"}, network={"weights": "none"})
    assert plan.split.unit == "slice"
    assert plan.run.name == "vgg16_seed-0"


def test_an_unknown_step_is_refused_with_those_there_are(tmp_path):
    with (
        pytest.raises(
            InputError,
            match=r"--force: trian is no step; choose of check, .*evidence, recommend, leakage, permutations, report\.",
        ),
        open_study(configured(tmp_path), Console(file=io.StringIO()), force=["train", "trian"]),
    ):
        pass
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("network", "least"), [("resnet18", 64), ("densenet121", 64), ("vgg16", 32)])
def test_pictures_too_small_for_a_network_are_refused_before_any_scan_is_read(tmp_path, network, least):
    content = {
        "out": str(tmp_path / "out"),
        "cohort": {"input": str(tmp_path / "cohort")},
        "network": {"architecture": network, "weights": "none"},
        "pictures": {"size": 32},
    }
    configuration = check_configuration(content, "test")
    if least > 32:
        expected = rf"pictures\.size: found pictures of 32 x 32 pixels; expected at least {least}"
        with pytest.raises(InputError, match=expected):
            check_networks(configuration)
    else:
        check_networks(configuration)
    with pytest.raises(InputError, match="found pictures of 128 x 16"):
        check_size(configuration, (128, 16))  # cut to small brains


@pytest.mark.parametrize(
    ("network", "training", "message"),
    [
        ("vgg16", {}, "found block4_conv3, which is frozen"),
        ("small_cnn", {"frozen": []}, "no layer matches 'block4_conv3'"),
    ],
)
def test_a_layer_that_cannot_guide_is_refused_before_any_scan_is_read(tmp_path, network, training, message):
    guided = {"relevance": 1, "relevance_layer": "block4_conv3", "frozen": ["block[1-4]_*"]}
    configuration = configured(
        tmp_path, network={"architecture": network, "weights": "none"}, training=guided | training
    )
    with pytest.raises(InputError, match=rf"training\.relevance_layer: {message}"):
        check_networks(configuration)


@pytest.mark.parametrize("section", ["explain", "evidence"])
@pytest.mark.parametrize("fusion", ["early", "late"])
@pytest.mark.parametrize(
    ("layer", "why"),
    [("gap", r"gives \(1, 128\), which is not a feature map"), ("block1_conv1#2", r"was called 1 time\(s\)")],
)
def test_layers_without_maps_are_refused_before_any_scan_is_read(tmp_path, section, fusion, layer, why):
    """They were left out after the training, or cost every scan."""
    before = "FLAIR." if fusion == "late" else ""
    settings = {"network": {"architecture": "small_cnn", "fusion": fusion, "weights": "none"}}
    check_networks(configured(tmp_path, **settings, **{section: {"layers": [f"{before}block4_conv2"]}}))
    with pytest.raises(InputError, match=rf"{section}\.layers: layer {before}{layer} .*{why}.*choose others"):
        check_networks(configured(tmp_path, **settings, **{section: {"layers": [before + layer]}}))


@pytest.mark.parametrize(
    ("section", "setting", "named"),
    [
        ("explain", "layers", ["blok2_conv1"]),
        ("explain", "nifti_layers", ["blok2_conv1"]),
        ("evidence", "layers", ["block1_*", "blok2_conv1"]),
        ("evidence", "fused", ["block1_conv1+blok2_conv1"]),
        ("evidence", "group_layers", ["blok2_conv1"]),
        ("evidence", "strategy_layers", ["blok2_conv1"]),
    ],
)
def test_layers_that_the_network_does_not_have_are_refused_before_any_scan_is_read(
    tmp_path, section, setting, named
):
    network = {"architecture": "small_cnn", "weights": "none"}
    configuration = configured(tmp_path, network=network, **{section: {setting: named}})
    with pytest.raises(InputError, match=rf"{section}\.{setting}: .*blok2_conv1"):
        check_networks(configuration)
    right = [name.replace("blok", "block") for name in named]
    check_networks(configured(tmp_path, network=network, **{section: {setting: right}}))


def test_the_layer_that_guides_and_the_masks_of_kept_activations_are_planned(tmp_path):
    def plan(**training):
        network = {"architecture": "small_cnn", "weights": "none"}
        return planned(tmp_path, network=network, training={"frozen": ["block1_*"], **training})[0]

    plain, unused, by_brain, by_label = (
        plan(),
        plan(relevance_mask="lesion", relevance_layer="block3_conv1"),
        plan(relevance=1),
        plan(relevance=2, relevance_mask="lesion"),
    )
    assert unused == plain
    assert by_brain.settings.relevance_layer == "block4_conv2"
    assert len({plain.kept, by_brain.kept, by_label.kept}) == 3


def test_the_networks_channels_follow_the_sequences(tmp_path):
    def channels(*sequences, **pictures):
        cohort = {"input": str(tmp_path / "cohort"), "sequences": sequences}
        content = {"out": str(tmp_path / "out"), "cohort": cohort, "pictures": pictures}
        return check_configuration(content, "test").channels

    four = ("T1w", "T2w", "FLAIR", "PDw")
    assert (channels("T1w"), channels("T1w", "FLAIR"), channels(*four)) == (3, 3, 4)
    assert channels(*four, channels="each") == 3
    assert channels(*four, sequences=("T1w", "FLAIR")) == 3
    (plan,) = planned(
        tmp_path,
        cohort={"input": str(tmp_path / "cohort"), "sequences": four},
        network={"architecture": "resnet18"},
        split={"folds": 1},
    )
    assert plan.first.channels == 4
    assert plan.first.make()[0].get_submodule("stem_conv.conv").in_channels == 4
