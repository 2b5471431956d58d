"""Relevance-guided training: the term of the loss, what guides it, and what it does to heat and to the use of air."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_cohort import CLASSES, brain_of, make_set, small_network
from torch import nn

import stratacam as sc
from stratacam.errors import InputError
from stratacam.learning import (
    ScanPictures,
    TrainSettings,
    augmented_inputs,
    cache_activations,
    cached_inputs,
    make_dataset,
    save_pictures,
    train,
)
from stratacam.learning.air import change_by_air, replace_air
from stratacam.learning.dataset import mask_names, save_mask
from stratacam.learning.epoch import Trainee, validate
from stratacam.learning.forward import forward
from stratacam.learning.relevance import check_relevance, find_relevance, share_outside
from stratacam.networks import build, freeze, frozen_prefix, inputs_of, takes_brain

GUIDED = TrainSettings(
    frozen=("block1_*",),
    copies=1,
    epochs=3,
    patience=3,
    batch_size=8,
    body_rate=1e-2,
    head_rate=3e-2,
    relevance=1,
)
WHOLE = GUIDED.model_copy(update={"frozen": ()})


def keep(datasets, folder, model, settings):
    prefix, _ = frozen_prefix(model, settings.frozen)
    for dataset in datasets:
        for scan in dataset.scans:
            cache_activations(
                prefix,
                scan,
                folder,
                copies=settings.copies,
                augmentation=settings.augmentation,
                seed=0,
                guide=settings.guide,
            )
    return folder


def half_inside(count, size):
    mask = torch.zeros(count, 1, size, size)
    mask[..., : size // 2] = 1
    return mask


# --- the term


def test_a_cell_counts_by_its_area_in_the_mask_and_negative_heat_does_not_count():
    mask = torch.zeros(1, 1, 4, 4)
    mask[0, 0, :2, :2] = 1
    mask[0, 0, 0, 2] = 1  # a quarter of the second cell
    maps = torch.tensor([[[2.0, 4.0], [-9.0, 2.0]]])
    torch.testing.assert_close(share_outside(maps, mask), torch.tensor([(4 * 0.75 + 2) / 8]))


def test_a_blank_map_is_as_bad_as_heat_outside_alone_an_empty_mask_costs_nothing_and_neither_has_a_gradient():
    maps = torch.tensor([[[-1.0, 0.0]], [[1.0, 2.0]]], requires_grad=True)
    mask = torch.stack([torch.ones(1, 2, 2), torch.zeros(1, 2, 2)])
    shares = share_outside(maps, mask)
    shares.sum().backward()
    assert shares.tolist() == [1, 0]
    assert not maps.grad.any()


@pytest.mark.parametrize("method", ["layercam", "gradcam"])
@pytest.mark.parametrize("layer", ["block1_conv1", "block2_conv1", "block1_pool"])
def test_heat_is_that_of_the_engine(method, layer):
    model, pictures = small_network().eval(), torch.rand(5, 3, 16, 16)
    labels, mask = torch.tensor([0, 1, 1, 0, 1]), half_inside(5, 16)
    settings = WHOLE.model_copy(update={"relevance_layer": layer, "relevance_method": method})
    logits, found = find_relevance(model, settings).run(model, (pictures,), labels, mask, "cpu")
    raw = sc.explain(model, pictures, layers=layer, classes=labels, method=method)[layer].raw[:, 0]
    heat = raw.clamp_min(0)
    inside = heat[..., : heat.shape[-1] // 2].sum((1, 2))
    expected = torch.where(heat.sum((1, 2)) > 0, 1 - inside / heat.sum((1, 2)), 1)
    torch.testing.assert_close(found.detach(), expected, atol=1e-5, rtol=0)
    assert torch.equal(logits, forward(model, (pictures,), "cpu"))


@pytest.mark.parametrize("method", ["layercam", "gradcam"])
@pytest.mark.parametrize("brain", ["off", "features"])
def test_the_gradient_of_the_term_equals_finite_differences(method, brain):
    model = build("small_cnn", 2, weights="none", brain=brain).double().eval()
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(3, 3, 32, 32, generator=generator).double()
    whole = torch.from_numpy(brain_of(np.zeros((3, 1, 32, 32))))[:, None].double()
    batch = (pictures, whole) if takes_brain(model) else (pictures,)
    settings = WHOLE.model_copy(update={"relevance_method": method, "relevance_layer": "block4_conv1"})
    relevance = find_relevance(model, settings)

    def term():
        return relevance.run(model, batch, torch.tensor([0, 1, 1]), half_inside(3, 32), "cpu")[1].sum()

    parameters = [model.block4_conv1.weight, model.block3_conv1.weight, model.predictions.weight]
    for parameter, gradient in zip(parameters, torch.autograd.grad(term(), parameters), strict=True):
        direction = gradient / gradient.norm()
        values = []
        for step in (1e-6, -2e-6):
            with torch.no_grad():
                parameter.add_(step * direction)
            values.append(float(term().detach()))
        with torch.no_grad():
            parameter.add_(1e-6 * direction)
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(float(gradient.norm()), rel=1e-3)
        assert gradient.norm() > 1e-4


# --- layers


class Own(nn.Module):
    """A network of a user's: no chain, with a ReLU in place after its last convolution."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.unused = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(6, 2)

    def forward(self, pictures):
        return self.head(self.relu(self.second(self.first(pictures).relu())).mean((2, 3)))


def test_a_users_network_that_changes_its_features_in_place_is_guided_by_what_the_layer_gave():
    torch.manual_seed(0)
    model, pictures, labels = Own().eval(), torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 0, 1])
    settings = WHOLE.model_copy(update={"relevance_layer": "second"})
    relevance = find_relevance(model, settings)
    assert relevance.name == "second"
    _, found = relevance.run(model, (pictures,), labels, half_inside(4, 16), "cpu")
    raw = sc.explain(model, pictures, layers="second", classes=labels, method="layercam")["second"].raw[:, 0]
    heat = raw.clamp_min(0)
    expected = heat[..., 8:].sum((1, 2)) / heat.sum((1, 2)).clamp_min(1e-9)
    torch.testing.assert_close(found.detach(), expected, atol=1e-5, rtol=0)
    assert found.max() > 0


def test_a_users_network_is_trained_with_the_term(tmp_path):
    data = make_set(tmp_path / "a", 3), make_set(tmp_path / "b", 2, first=50)
    settings = WHOLE.model_copy(update={"relevance_layer": "second"})
    history = train(Own(), *data, settings, seed=0)
    assert all(0 < epoch.heat_outside < 1 for epoch in history.epochs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"relevance_layer": "block1_conv1"},
            "found block1_conv1, which is frozen, with all that comes before",
        ),
        ({"frozen": ("block*",)}, "found block2_conv1.0, which is frozen, with all that comes before it"),
        ({"relevance_layer": "block2"}, "no layer matches 'block2'; did you mean block2_"),
        ({"relevance_layer": "block*_pool"}, "means block1_pool, block2_pool; expected one layer"),
        ({"relevance_layer": "gap"}, "found gap, which does not give a feature map of the pictures"),
    ],
)
@pytest.mark.parametrize("cached", [True, False])
def test_a_layer_that_cannot_guide_is_named(changes, message, cached, tmp_path):
    data = make_set(tmp_path / "a", 2), make_set(tmp_path / "b", 2, first=50)
    settings, model = GUIDED.model_copy(update=changes), small_network()
    folder = keep(data, tmp_path / "kept", small_network(), settings) if cached else None
    with pytest.raises(InputError, match=message):
        train(model, *data, settings, seed=0, cached=folder)
    freeze(model, settings.frozen)
    with pytest.raises(InputError, match=message):
        check_relevance(model, settings, 3)


def test_a_layer_that_does_not_lead_to_the_logits_or_is_not_run_is_named():
    model = Own()
    with pytest.raises(InputError, match="found unused, which does not give a feature map"):
        check_relevance(model, WHOLE.model_copy(update={"relevance_layer": "unused"}), 3)
    model.relu = Detached()
    with pytest.raises(InputError, match="found second, which does not lead to the logits"):
        check_relevance(model, WHOLE.model_copy(update={"relevance_layer": "second"}), 3)


class Detached(nn.Module):
    def forward(self, features):
        return features.detach()


def test_every_architecture_is_guided_by_its_last_convolution_and_plain_training_by_none():
    for name, layer in (("small_cnn", "block4_conv2"), ("resnet18", "layer4_block2")):
        assert check_relevance(build(name, 2, weights="none"), WHOLE, 3) == layer
    assert check_relevance(small_network(), WHOLE.model_copy(update={"relevance": 0}), 3) is None


def test_names_of_masks_that_lead_elsewhere_are_refused():
    for name in ("../other", "", "a_b"):
        with pytest.raises(ValidationError, match="relevance_mask"):
            TrainSettings(relevance_mask=name)


# --- masks and activations


@pytest.fixture
def labelled(tmp_path):
    """Pictures with a mask of their own beside the brain: the left half."""
    dataset = make_set(tmp_path / "pictures", 2, size=32)
    for scan in dataset.scans:
        save_mask(scan.file, "left", half_inside(4, 32)[:, 0].numpy())
    return dataset


@pytest.mark.parametrize("brain", ["off", "features"])
@pytest.mark.parametrize("guide", ["brain", "left"])
@pytest.mark.parametrize("from_cache", [True, False])
def test_the_mask_moves_with_the_augmented_slice(brain, guide, from_cache, labelled, tmp_path):
    model = build("small_cnn", 2, weights="none", brain=brain)
    settings = GUIDED.model_copy(update={"relevance_mask": guide})
    if from_cache:
        folder = keep([labelled], tmp_path / "kept", model, settings)
        rest = frozen_prefix(model, settings.frozen)[1]
        inputs = cached_inputs(rest, labelled, folder, copies=1, guide=guide)
    else:
        inputs = augmented_inputs(
            model, labelled, copies=1, augmentation=settings.augmentation, device="cpu", guide=guide
        )
    rows = np.arange(len(labelled))
    plain = labelled.read_mask(rows, guide)
    batch, mask = inputs.plain_with_mask(rows)
    assert torch.equal(mask, plain)
    assert len(batch) == 1 + (brain != "off")
    batch, moved = inputs.read(
        rows, torch.ones(len(rows), dtype=torch.int64), torch.Generator().manual_seed(0)
    )
    assert (moved != plain).flatten(1).any(dim=1).all()
    if brain != "off":
        assert torch.equal(batch[1], moved) == (guide == "brain")


@pytest.mark.parametrize("guide", ["brain", "left"])
def test_training_on_kept_activations_equals_training_on_the_pictures(guide, labelled, tmp_path):
    validation = make_set(tmp_path / "validation", 1, first=50, size=32)
    for scan in validation.scans:
        save_mask(scan.file, "left", half_inside(4, 32)[:, 0].numpy())
    settings = GUIDED.model_copy(update={"copies": 0, "relevance_mask": guide})
    found = []
    for kept in (True, False):
        model = small_network()
        folder = keep((labelled, validation), tmp_path / "kept", model, settings) if kept else None
        history = train(model, labelled, validation, settings, seed=0, cached=folder)
        found.append(history.epochs)
    for one, other in zip(*found, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=5e-3)
        assert one.validation_loss == pytest.approx(other.validation_loss, abs=2e-2)
        assert one.heat_outside == pytest.approx(other.heat_outside, abs=2e-2)


def test_the_validation_loss_holds_the_term(labelled):
    model = small_network().eval()
    relevance = find_relevance(model, WHOLE)
    inputs = augmented_inputs(
        model, labelled, copies=0, augmentation=WHOLE.augmentation, device="cpu", guide="brain"
    )
    plain = validate(Trainee(model, model, (), "cpu"), inputs, WHOLE)
    guided = validate(Trainee(model, model, (), "cpu", relevance), inputs, WHOLE)
    assert plain.heat_outside is None
    assert guided.accuracy == plain.accuracy
    assert guided.loss == pytest.approx(plain.loss + guided.heat_outside, abs=1e-6)


@pytest.mark.parametrize("cached", [True, False])
def test_with_weight_0_nothing_is_changed_by_one_bit(cached, tmp_path):
    """What the other settings say must not matter, and no number may be drawn for the term."""
    data = make_set(tmp_path / "a", 3), make_set(tmp_path / "b", 2, first=50)
    off = GUIDED.model_copy(update={"relevance": 0})
    others = off.model_copy(update={"relevance_layer": "block1_conv1", "relevance_mask": "none"})
    tiny = GUIDED.model_copy(update={"relevance": 1e-30})  # runs everything, and adds nothing
    found = []
    for number, settings in enumerate((off, others, tiny)):
        model = small_network()
        folder = keep(data, tmp_path / str(number), model, settings) if cached else None
        train(model, *data, settings, seed=0, cached=folder)
        found.append(model.state_dict())
    for state in found[1:]:
        assert all(torch.equal(found[0][name], state[name]) for name in state)
    guided = small_network()
    folder = tmp_path / "2" if cached else None
    train(guided, *data, GUIDED, seed=0, cached=folder)
    assert not torch.equal(guided.predictions.weight, found[0]["predictions.weight"])


def test_masks_are_read_for_networks_that_take_the_brain_and_for_those_that_are_guided():
    assert mask_names(None, brain=False) == ()
    assert mask_names(None, brain=True) == mask_names("brain", brain=False) == ("brain",)
    assert mask_names("left", brain=True) == ("brain", "left")


# --- what it does


def shortcut_set(folder, subjects, first=0, size=32):
    """Patients have a faint spot in the brain, and a bright one in the air that shows the class without fail."""
    generator = np.random.default_rng(first)
    scans = []
    for number in range(subjects):
        group = CLASSES[number % 2]
        images = generator.uniform(0.2, 0.5, (8, 3, size, size)).astype(np.float32)
        brain = brain_of(images) & (np.abs(np.arange(size) - size / 2) < 0.32 * size)
        images *= brain[:, None]
        if group == "patient":
            for image in images:
                top, left = generator.integers(12, size - 16, 2)
                image[:, top : top + 4, left : left + 4] += 0.35
            images[:, :, 2:6, 1:5] = 1
        file = folder / f"sub-{first + number:02}.npy"
        save_pictures(file, images, brain, np.arange(8))
        scans.append(ScanPictures(file, file.stem, file.stem, group))
    return make_dataset(scans, CLASSES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """By weight of the term: the history of a network that may learn a shortcut, and what other air does to it."""
    folder = tmp_path_factory.mktemp("shortcut")
    data = [
        shortcut_set(folder / name, count, first)
        for name, count, first in (("a", 16, 0), ("b", 8, 30), ("c", 8, 60))
    ]
    settings = TrainSettings(
        copies=0, epochs=12, patience=12, batch_size=16, body_rate=3e-3, head_rate=1e-2, label_smoothing=0
    )
    found = {}
    for weight in (0, 3):
        model = build("small_cnn", 2, weights="none", seed=1)
        guided = settings.model_copy(update={"relevance": weight})
        history = train(model, *data[:2], guided, seed=0)
        share = mean_share(model, data[2])
        found[weight] = history, share, change_by_air(model, data[2])
    return found


def mean_share(model, dataset):
    rows = np.arange(len(dataset))
    relevance = find_relevance(model, WHOLE)
    batch = inputs_of(model, dataset.read(rows), dataset.read_brain(rows))
    labels = torch.from_numpy(dataset.label)
    _, shares = relevance.run(model, batch, labels, dataset.read_brain(rows), "cpu", differentiable=False)
    return float(shares.detach().mean())


def test_heat_outside_falls_and_accuracy_stays(trained):
    (_, before, plain), (history, after, guided) = trained[0], trained[3]
    assert after < 0.5 * before
    assert history.epochs[history.best_epoch - 1].heat_outside < 0.5 * before
    assert guided.accuracy >= plain.accuracy - 0.02 > 0.9


# --- air


def test_other_air_has_the_values_of_the_brain_and_the_brain_stays():
    pictures = torch.rand(2, 3, 16, 16)
    brain = torch.from_numpy(brain_of(pictures.numpy()))[:, None].float()
    brain[1] = 0
    changed = replace_air(pictures, brain, torch.Generator().manual_seed(0))
    inside = brain[0, 0] > 0
    assert torch.equal(changed[0][:, inside], pictures[0][:, inside])
    tissue = {tuple(pixel) for pixel in pictures[0][:, inside].T.tolist()}
    assert {tuple(pixel) for pixel in changed[0][:, ~inside].T.tolist()} <= tissue
    assert torch.equal(changed[1], pictures[1])


class SumOfRegion(nn.Module):
    """Class 1 by the mean of the pixels where a mask is."""

    def __init__(self, where):
        super().__init__()
        self.where = where

    def forward(self, pictures):
        score = (pictures * self.where).sum((1, 2, 3)) - 1
        return torch.stack([-score, score], dim=1)


def test_other_air_changes_what_uses_air_and_not_what_uses_the_brain_alone(tmp_path):
    dataset = make_set(tmp_path / "a", 3)
    brain = dataset.read_brain([0])[0]
    of_brain = change_by_air(SumOfRegion(brain), dataset)
    of_air = change_by_air(SumOfRegion(1 - brain), dataset)
    assert of_brain.change == of_brain.flipped == 0
    assert of_brain.accuracy == of_brain.accuracy_after
    assert of_air.change > 0
    masked = build("small_cnn", 2, weights="none", brain="features")
    assert change_by_air(masked, make_set(tmp_path / "b", 2, size=32)).change == 0
