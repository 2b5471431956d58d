import multiprocessing
import signal

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_cohort import CLASSES, make_scans, make_set, plain, small_network

from stratacam.errors import InputError
from stratacam.learning import (
    Checkpoint,
    TrainSettings,
    apply_temperature,
    cache_activations,
    cache_head_inputs,
    cached_inputs,
    compute_logits,
    evaluate,
    make_dataset,
    read_head_inputs,
    slice_weights,
    train,
)
from stratacam.learning.epoch import Trainee, run_epoch
from stratacam.learning.features import activations_file
from stratacam.learning.inputs import Given, Inputs
from stratacam.learning.randomness import torch_generator
from stratacam.networks import default_frozen, find_head, frozen_prefix

SETTINGS = TrainSettings(
    frozen=("block1_*",), copies=2, epochs=4, patience=4, batch_size=8, body_rate=1e-3, head_rate=1e-2
)
EVERYTHING = SETTINGS.model_copy(update={"frozen": ()})


def keep(datasets, folder, settings=SETTINGS):
    """Keep what the frozen layers of the small network give for every scan."""
    prefix, _ = frozen_prefix(small_network(), settings.frozen)
    for dataset in datasets:
        for scan in dataset.scans:
            cache_activations(
                prefix, scan, folder, copies=settings.copies, augmentation=settings.augmentation, seed=0
            )
    return folder


@pytest.fixture
def data(tmp_path):
    return make_set(tmp_path / "train", 4), make_set(tmp_path / "validation", 2, first=50)


def run(data, work, settings=SETTINGS, *, seed=0, kept=None, progress=lambda *_: None):
    model = small_network()
    if settings.frozen and kept is None:
        kept = keep(data, work.parent / "kept", settings)
    checkpoint = Checkpoint(work / "saved.pt", f"{seed} {settings}")
    history = train(model, *data, settings, seed=seed, checkpoint=checkpoint, cached=kept, progress=progress)
    return model, history


def run_until_killed(data, work, settings, reached):
    """Train until the third epoch has begun, say so, and wait to be killed."""

    def wait(_done, _total, message):
        if message.startswith("epoch 3"):
            reached.set()
            signal.pause()

    torch.set_num_threads(1)
    run(data, work, settings, progress=wait)


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
    whole, history = run(data, tmp_path / "whole", EVERYTHING)
    context = multiprocessing.get_context("spawn")
    reached = context.Event()
    process = context.Process(target=run_until_killed, args=(data, tmp_path, EVERYTHING, reached))
    process.start()
    reached.wait()
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    told = []
    resumed, resumed_history = run(data, tmp_path, EVERYTHING, progress=lambda *values: told.append(values))
    assert told[0][2] == "resumed"
    assert same(whole, resumed)
    assert history == resumed_history


def test_a_resumed_training_repeats_no_finished_epoch(data, tmp_path):
    def kill(_done, _total, message):
        if message.startswith("epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "work", progress=kill)
    seen = []
    run(data, tmp_path / "work", progress=lambda _done, _total, message: seen.append(message))
    assert seen[0] == "resumed"
    assert [message for message in seen if message.startswith(("epoch 1", "epoch 2"))] == []


def test_a_checkpoint_that_was_left_under_another_key_is_not_used(data, tmp_path):
    def kill(_done, _total, message):
        if message.startswith("epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "work", seed=1, progress=kill)
    after, _ = run(data, tmp_path / "work", seed=0)
    fresh, _ = run(data, tmp_path / "fresh", seed=0)
    assert same(after, fresh)


def test_frozen_layers_stay_and_the_others_move_and_no_checkpoint_is_left(data, tmp_path):
    before, (after, _) = small_network().state_dict(), run(data, tmp_path / "work")
    moved = {name for name, value in after.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if name.startswith(("block2_conv1", "predictions"))}
    everything, _ = run(data, tmp_path / "work", EVERYTHING)
    assert all(parameter.requires_grad for parameter in after.parameters())
    assert all(not torch.equal(value, before[name]) for name, value in everything.state_dict().items())
    assert list((tmp_path / "work").iterdir()) == []


def test_training_on_kept_activations_equals_training_on_the_pictures_without_augmentation(data, tmp_path):
    settings = SETTINGS.model_copy(update={"copies": 0})
    model, history = run(data, tmp_path / "a", settings)
    reference = small_network()
    reference_history = train(reference, *data, settings, seed=0)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, reference.state_dict()[name], atol=2e-3, rtol=0)
    for epoch, expected in zip(history.epochs, reference_history.epochs, strict=True):
        assert epoch.validation_loss == pytest.approx(expected.validation_loss, abs=1e-3)


def test_kept_activations_are_those_of_plain_slices_and_of_copies_that_depend_on_the_scan_alone(
    data, tmp_path
):
    dataset = data[0]
    prefix, rest = frozen_prefix(small_network(), ("block1_*",))
    folder = keep([dataset], tmp_path / "all")
    kept = np.load(activations_file(folder, dataset.scans[2].scan))
    assert kept.shape == (3, 4, 8, 8, 8)
    with torch.no_grad():
        expected = prefix(make_dataset(dataset.scans[2:3], CLASSES).read(range(4)))
    np.testing.assert_allclose(kept[0], expected.numpy(), atol=2e-3)
    assert not np.allclose(kept[1], kept[2], atol=1e-2)
    alone = keep([make_dataset(dataset.scans[2:3], CLASSES)], tmp_path / "alone")
    assert np.array_equal(np.load(activations_file(alone, dataset.scans[2].scan)), kept)
    logits = compute_logits(rest, cached_inputs(rest, dataset, folder, copies=2).plain, len(dataset))
    np.testing.assert_allclose(
        logits, compute_logits(small_network(), plain(dataset), len(dataset)), atol=2e-3
    )


def test_what_the_untrained_head_is_fed_gives_the_logits_of_the_untrained_network(data, tmp_path):
    dataset, model = data[0], small_network()
    folder = keep([dataset], tmp_path / "kept")
    _, rest = frozen_prefix(model, ("block1_*",))
    _, head = find_head(model)
    for scan in dataset.scans:
        cache_head_inputs(rest, head, scan, folder)
    features = torch.from_numpy(read_head_inputs(dataset, folder))
    assert features.shape == (len(dataset), 8)
    with torch.no_grad():
        np.testing.assert_allclose(
            head(features).numpy(), compute_logits(model, plain(dataset), len(dataset)), atol=2e-3
        )


def test_the_weights_left_are_those_of_the_best_epoch(data, tmp_path):
    settings = SETTINGS.model_copy(update={"body_rate": 0.3, "head_rate": 0.3, "epochs": 12, "patience": 3})
    model, history = run(data, tmp_path, settings)
    losses = [epoch.validation_loss for epoch in history.epochs]
    assert history.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == min(history.best_epoch + 3, 12)
    validation = data[1]
    probabilities = apply_temperature(compute_logits(model, plain(validation), len(validation)), 1.0)
    probability = probabilities[np.arange(len(validation)), validation.label]
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
    train(model, train_set, validation, settings, seed=0)
    probabilities = apply_temperature(compute_logits(model, plain(test), len(test)), 1.0)
    assert evaluate(test, probabilities).subjects.accuracy.value >= 15 / 16


def test_each_class_weighs_alike_and_each_subject_of_a_class(tmp_path):
    scans = make_scans(tmp_path, {"sub-1": "control"}, slices=6)
    scans += make_scans(tmp_path, {"sub-2": "control"}, slices=2)
    scans += make_scans(tmp_path, {"sub-3": "patient"}, slices=4)
    dataset = make_dataset(scans, CLASSES)
    # 12 slices, mean weight 1: 6 for each class, 3 for each control
    expected = [3 / 6] * 6 + [3 / 2] * 2 + [6 / 4] * 4
    np.testing.assert_allclose(slice_weights(dataset), expected, rtol=1e-6)


def test_a_subject_in_training_and_validation_is_refused_unless_slices_were_split(data):
    with pytest.raises(AssertionError, match="training and in validation"):
        train(small_network(), data[0], data[0], SETTINGS, seed=0)
    history = train(small_network(), data[0], data[0], EVERYTHING, seed=0, by_slice=True)
    assert len(history.epochs) == 4


def test_progress_runs_from_nothing_to_all_without_going_back(data, tmp_path):
    told = []
    run(data, tmp_path, progress=lambda done, total, _message: told.append((done, total)))
    done, totals = zip(*told, strict=True)
    assert set(totals) == {32 * 4}  # slices and epochs
    assert list(done) == sorted(done)
    assert done[-1] == totals[0]


@pytest.mark.parametrize(
    ("frozen", "message"),
    [(("block9_*",), "'block9_.' matches no layer"), (("block*", "predictions"), "nothing is left to train")],
)
def test_layers_that_cannot_be_frozen_are_named(data, frozen, message):
    with pytest.raises(InputError, match=message):
        train(small_network(), *data, SETTINGS.model_copy(update={"frozen": frozen}), seed=0)


def test_only_the_head_can_be_trained(data, tmp_path):
    before = small_network().state_dict()
    settings = SETTINGS.model_copy(update={"frozen": ("block*",)})
    model, _ = run(data, tmp_path / "work", settings)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"predictions.weight", "predictions.bias"}


def test_what_is_frozen_depends_on_whether_the_weights_were_pretrained():
    pretrained, random = (
        TrainSettings().for_weights(pretrained=known, frozen=default_frozen("vgg16", pretrained=known))
        for known in (True, False)
    )
    assert pretrained.frozen == ("block1_*", "block2_*", "block3_*", "block4_*")
    assert random.frozen == ()
    assert (pretrained.body_rate, random.body_rate) == (1e-4, 1e-3)
    chosen = TrainSettings(frozen=("block1_*",), body_rate=0.5).for_weights(pretrained=True)
    assert (chosen.frozen, chosen.body_rate) == (("block1_*",), 0.5)


class Recorder(torch.nn.Module):
    """Keeps the rows it was fed, which stand in the pictures' first pixel."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.rows = []

    def forward(self, batch):
        self.rows += batch[:, 0, 0, 0].int().tolist()
        return self.weight.expand(len(batch), 2)


@pytest.mark.parametrize("balance", ["weights", "sampling", "none"])
def test_sampling_draws_groups_and_subjects_alike_and_the_others_take_every_slice_once(tmp_path, balance):
    scans = make_scans(tmp_path, {"sub-1": "control"}, slices=300)
    scans += make_scans(tmp_path, {"sub-2": "control"}, slices=100)
    scans += make_scans(tmp_path, {"sub-3": "patient"}, slices=200)
    dataset, model = make_dataset(scans, CLASSES), Recorder()
    inputs = Inputs(
        dataset,
        1,
        lambda rows, *_: Given(
            (torch.from_numpy(rows).float()[:, None, None, None].expand(-1, 3, 2, 2),), None
        ),
    )
    optimiser = torch.optim.SGD([{"params": model.parameters(), "peak": 0.0}], lr=0.0)
    settings = SETTINGS.model_copy(update={"balance": balance})
    trainee = Trainee(model, model, (), "cpu")
    run_epoch(
        trainee, inputs, optimiser, 0, settings=settings, generator=torch_generator(0), report=lambda _: None
    )
    shares = np.bincount(dataset.subject[model.rows]) / len(dataset)
    if balance == "sampling":
        np.testing.assert_allclose(shares, [0.25, 0.25, 0.5], atol=0.05)
    else:
        assert sorted(model.rows) == list(range(600))


def test_a_step_is_no_longer_than_the_clipped_gradient(data, tmp_path):
    free = SETTINGS.model_copy(update={"clip_norm": None, "epochs": 1})
    tight = free.model_copy(update={"clip_norm": 1e-9})  # far below AdamW's epsilon, so that nothing moves
    moved = []
    for number, settings in enumerate((free, tight)):
        model, _ = run(data, tmp_path / str(number), settings.model_copy(update={"weight_decay": 0}))
        change = model.predictions.weight - small_network().predictions.weight
        moved.append(float(change.detach().abs().max()))
    assert moved[1] < 0.2 * moved[0]


class Dropping(torch.nn.Module):
    """A network that is no chain, with dropout and batch normalisation."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Conv2d(3, 8, 3)
        self.norm = torch.nn.BatchNorm2d(8)
        self.dropout = torch.nn.Dropout(0.5)
        self.classifier = torch.nn.Linear(8, 2)

    def forward(self, pictures):
        features = self.norm(self.body(pictures)).relu().mean((2, 3))
        return self.classifier(self.dropout(features))


def test_any_network_resumes_exactly_dropout_and_all_and_frozen_statistics_stay(data, tmp_path):
    def kill(_done, _total, message):
        if message.startswith("epoch 3"):
            raise KeyboardInterrupt

    def fresh():
        torch.manual_seed(1)
        return Dropping()

    settings = EVERYTHING.model_copy(update={"frozen": ("body", "norm")})
    whole, killed, resumed = fresh(), fresh(), fresh()
    checkpoint = Checkpoint(tmp_path / "saved.pt", "key")
    train(whole, *data, settings, seed=0)
    with pytest.raises(KeyboardInterrupt):
        train(killed, *data, settings, seed=0, checkpoint=checkpoint, progress=kill)
    torch.rand(7)  # elsewhere, numbers have been drawn meanwhile
    train(resumed, *data, settings, seed=0, checkpoint=checkpoint)
    assert same(whole, resumed)
    assert torch.equal(whole.norm.running_mean, fresh().norm.running_mean)
    assert not torch.equal(whole.classifier.weight, fresh().classifier.weight)


def test_rates_that_diverge_are_named(data):
    model = small_network()
    with torch.no_grad():
        model.predictions.weight.fill_(torch.inf)
    with pytest.raises(InputError, match=r"training\.body_rate.*lower the rates"):
        train(model, *data, SETTINGS, seed=0)


def test_activations_beyond_float16_are_not_kept(data, tmp_path):
    layers = small_network()[:3]
    with torch.no_grad():
        layers.block1_conv1[0].bias.fill_(1e5)
    folder = tmp_path / "kept"
    with pytest.raises(InputError, match="cache_activations = false"):
        cache_activations(
            layers, data[0].scans[0], folder, copies=0, augmentation=SETTINGS.augmentation, seed=0
        )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("values", [{"epoch": 3}, {"epochs": 0}, {"augmentation": {"rotation": 400}}])
def test_unknown_keys_and_values_out_of_range_are_refused(values):
    with pytest.raises(ValidationError):
        TrainSettings(**values)
