import multiprocessing
import signal
import time

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_cohort import CLASSES, make_scans, make_set, small_network

from stratacam.errors import InputError
from stratacam.learning import TrainSettings, evaluate, make_dataset, predict, train
from stratacam.learning.epoch import slice_weights
from stratacam.learning.features import cut, keep_activations

SETTINGS = TrainSettings(
    frozen_through="block1_pool", copies=2, epochs=4, patience=4, batch_size=8, body_rate=1e-3, head_rate=1e-2
)
EVERYTHING = SETTINGS.model_copy(update={"frozen_through": None})


@pytest.fixture
def data(tmp_path):
    return make_set(tmp_path / "train", 4), make_set(tmp_path / "validation", 2, first=50)


def run(data, work, settings=SETTINGS, *, seed=0, progress=lambda *_: None):
    model = small_network()
    history = train(model, *data, settings, seed=seed, work=work, progress=progress)
    return model, history


def run_in_process(data, work, settings):
    torch.set_num_threads(1)
    run(data, work, settings)


def same(first, second):
    return all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("settings", [SETTINGS, EVERYTHING], ids=["frozen", "everything"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit_and_another_seed_others(data, tmp_path, settings):
    (first, history), (second, again) = (
        run(data, tmp_path / "a", settings),
        run(data, tmp_path / "b", settings),
    )
    assert same(first, second)
    assert history == again
    other, _ = run(data, tmp_path / "c", settings, seed=1)
    assert not same(first, other)


@pytest.mark.parametrize("settings", [SETTINGS, EVERYTHING], ids=["frozen", "everything"])
@pytest.mark.parametrize("stop_at", [0.05, 0.3, 0.5, 0.75, 0.95])
def test_a_training_killed_on_the_way_ends_with_the_weights_of_one_that_was_not(
    data, tmp_path, settings, stop_at
):
    class KilledError(Exception):
        pass

    def kill(done, total, _message):
        if done >= stop_at * total:
            raise KilledError

    whole, history = run(data, tmp_path / "whole", settings)
    with pytest.raises(KilledError):
        run(data, tmp_path / "killed", settings, progress=kill)
    resumed, resumed_history = run(data, tmp_path / "killed", settings)
    assert same(whole, resumed)
    assert history == resumed_history


def test_a_process_killed_outright_leaves_what_the_next_one_resumes_from(data, tmp_path):
    settings = EVERYTHING.model_copy(update={"epochs": 80, "patience": 80})
    whole, history = run(data, tmp_path / "whole", settings)
    process = multiprocessing.get_context("spawn").Process(
        target=run_in_process, args=(data, tmp_path, settings)
    )
    process.start()
    while process.is_alive() and not (tmp_path / "training/checkpoint.pt").exists():
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    told = []
    resumed, resumed_history = run(data, tmp_path, settings, progress=lambda *values: told.append(values))
    assert told[0][2] == "resumed"
    assert same(whole, resumed)
    assert history == resumed_history


def test_a_resumed_training_repeats_neither_activations_nor_finished_epochs(data, tmp_path):
    calls = []

    def kill(_done, _total, message):
        calls.append(message)
        if message.startswith("epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path, progress=kill)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "training").glob("*.npy")}
    assert len(kept) == 4  # training: plain and two copies; validation: plain

    seen, same_files = [], []

    def watch(_done, _total, message):
        seen.append(message)
        if message.startswith("epoch"):
            same_files.append(all(file.stat().st_mtime_ns == time for file, time in kept.items()))

    run(data, tmp_path, progress=watch)
    assert [message for message in seen if message.startswith(("epoch 1", "epoch 2"))] == []
    assert all(same_files)


def test_what_another_training_left_in_the_work_folder_is_not_used(data, tmp_path):
    def kill(_done, _total, message):
        if message.startswith("epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "work", seed=1, progress=kill)
    after, _ = run(data, tmp_path / "work", seed=0)
    fresh, _ = run(data, tmp_path / "fresh", seed=0)
    assert same(after, fresh)


def test_frozen_layers_stay_and_the_others_move_and_the_work_folder_is_left_empty(data, tmp_path):
    before, (after, _) = small_network().state_dict(), run(data, tmp_path / "work")
    moved = {name for name, value in after.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith(("block2_conv1", "predictions"))}
    everything, _ = run(data, tmp_path / "work", EVERYTHING)
    assert all(not torch.equal(value, before[name]) for name, value in everything.state_dict().items())
    assert list((tmp_path / "work").iterdir()) == []


def test_training_on_kept_activations_equals_training_on_the_pictures_without_augmentation(data, tmp_path):
    # the first block frozen by keeping its output, or by keeping its parameters out of the training
    kept = SETTINGS.model_copy(update={"copies": 0, "frozen_through": "block1_pool"})
    trivial = kept.model_copy(update={"frozen_through": "input"})
    model, history = run(data, tmp_path / "a", kept)
    reference = small_network()
    for parameter in reference.block1_conv1.parameters():
        parameter.requires_grad_(requires_grad=False)
    reference_history = train(reference, *data, trivial, seed=0, work=tmp_path / "b")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, reference.state_dict()[name], atol=2e-3, rtol=0)
    for epoch, expected in zip(history.epochs, reference_history.epochs, strict=True):
        assert epoch.validation_loss == pytest.approx(expected.validation_loss, abs=1e-3)


def test_the_weights_left_are_those_of_the_best_epoch(data, tmp_path):
    settings = SETTINGS.model_copy(update={"body_rate": 0.3, "head_rate": 0.3, "epochs": 12, "patience": 3})
    model, history = run(data, tmp_path, settings)
    losses = [epoch.validation_loss for epoch in history.epochs]
    assert history.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == min(history.best_epoch + 3, 12)
    validation = data[1]
    probability = predict(model, validation)[np.arange(len(validation)), validation.label]
    assert np.mean(-np.log(probability)) == pytest.approx(
        min(losses), abs=1e-3
    )  # all subjects have four slices


def test_the_difference_between_groups_is_learnt(tmp_path):
    train_set, validation = make_set(tmp_path / "a", 10), make_set(tmp_path / "b", 3, first=40)
    test = make_set(tmp_path / "c", 8, first=70)
    model = small_network()
    settings = EVERYTHING.model_copy(
        update={"epochs": 40, "patience": 40, "body_rate": 1e-2, "head_rate": 3e-2}
    )
    train(model, train_set, validation, settings, seed=0, work=tmp_path)
    assert evaluate(test, predict(model, test)).subjects.accuracy.value >= 15 / 16


def test_each_class_weighs_alike_and_each_subject_of_a_class(tmp_path):
    scans = make_scans(tmp_path, {"sub-1": "control"}, slices=6)
    scans += make_scans(tmp_path, {"sub-2": "control"}, slices=2)
    scans += make_scans(tmp_path, {"sub-3": "patient"}, slices=4)
    dataset = make_dataset(scans, CLASSES)
    # 12 slices, mean weight 1: 6 for each class, 3 for each control
    expected = [3 / 6] * 6 + [3 / 2] * 2 + [6 / 4] * 4
    np.testing.assert_allclose(slice_weights(dataset), expected, rtol=1e-6)


def test_a_subject_in_training_and_validation_is_refused(data, tmp_path):
    with pytest.raises(AssertionError, match="training and in validation"):
        train(small_network(), data[0], data[0], SETTINGS, seed=0, work=tmp_path)


def test_progress_runs_from_nothing_to_all_without_going_back(data, tmp_path):
    told = []
    run(data, tmp_path, progress=lambda done, total, _message: told.append((done, total)))
    done, totals = zip(*told, strict=True)
    # 32 training slices in 3 versions and 4 epochs, 16 validation slices
    assert set(totals) == {32 * 7 + 16}
    assert list(done) == sorted(done)
    assert done[-1] == totals[0]


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_frozen_can_be_said_in_python_and_in_toml(nothing):
    frozen, trained = cut(small_network(), nothing)
    assert (len(frozen), len(trained)) == (0, 7)


@pytest.mark.parametrize("layer", ["block9_pool", "predictions"])
def test_a_layer_that_cannot_be_the_last_frozen_one_is_named_with_those_that_can(data, tmp_path, layer):
    settings = SETTINGS.model_copy(update={"frozen_through": layer})
    with pytest.raises(
        InputError, match=rf'frozen_through: found "{layer}", expected one of input, block1_conv1'
    ):
        run(data, tmp_path, settings)


def test_only_the_head_can_be_trained(data, tmp_path):
    before = small_network().state_dict()
    model, _ = run(data, tmp_path, SETTINGS.model_copy(update={"frozen_through": "gap"}))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"predictions.weight", "predictions.bias"}


def test_rates_that_diverge_are_named(data, tmp_path):
    model = small_network()
    with torch.no_grad():
        model.predictions.weight.fill_(torch.inf)
    with pytest.raises(InputError, match=r"train\.body_rate.*Remedy: lower rates"):
        train(model, *data, SETTINGS, seed=0, work=tmp_path)


def test_activations_beyond_float16_are_not_kept(data, tmp_path):
    layers = small_network()[:3]
    with torch.no_grad():
        layers.block1_conv1[0].bias.fill_(1e5)
    with pytest.raises(InputError, match="freeze a deeper layer"):
        keep_activations(layers, data[0], tmp_path / "kept.npy")
    assert list(tmp_path.glob("*.npy")) == []


@pytest.mark.parametrize("values", [{"epoch": 3}, {"epochs": 0}, {"augmentation": {"rotation": 400}}])
def test_unknown_keys_and_values_out_of_range_are_refused(values):
    with pytest.raises(ValidationError):
        TrainSettings(**values)
