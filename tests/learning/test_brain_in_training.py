"""Training of networks that take the brain: cached activations, augmented copies, and what is learnt."""

import numpy as np
import pytest
import torch
from small_cohort import make_set

from stratacam.learning import (
    TrainSettings,
    augmented_inputs,
    cache_activations,
    cache_head_inputs,
    cached_inputs,
    compute_logits,
    read_head_inputs,
    train,
)
from stratacam.networks import build, find_head, frozen_prefix
from stratacam.networks.masked import cells_of

SETTINGS = TrainSettings(frozen=("block1_*", "block2_*"), copies=1, epochs=2, batch_size=8)


def network(brain="features"):
    return build("small_cnn", 2, weights="none", brain=brain)


@pytest.fixture
def dataset(tmp_path):
    return make_set(tmp_path / "pictures", 2, size=32)


@pytest.fixture
def cached(dataset, tmp_path):
    return keep(dataset, network(), tmp_path / "cached")


def keep(dataset, model, folder):
    prefix, rest = frozen_prefix(model, SETTINGS.frozen)
    for scan in dataset.scans:
        cache_activations(
            prefix, scan, folder, copies=SETTINGS.copies, augmentation=SETTINGS.augmentation, seed=0
        )
        cache_head_inputs(rest, find_head(model)[1], scan, folder)
    return folder


@pytest.mark.parametrize("brain", ["features", "pooling"])
def test_cached_activations_and_the_brain_give_the_logits_of_the_pictures(brain, dataset, tmp_path):
    model = network(brain).eval()
    folder = keep(dataset, model, tmp_path / brain)
    rest = frozen_prefix(model, SETTINGS.frozen)[1]
    expected = compute_logits(model, lambda rows: dataset.read_for(model, rows), len(dataset))
    found = compute_logits(rest, cached_inputs(rest, dataset, folder, copies=1).plain, len(dataset))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    with torch.no_grad():
        head = find_head(model)[1](torch.from_numpy(read_head_inputs(dataset, folder)))
    np.testing.assert_allclose(head.numpy(), expected, atol=2e-3)


def test_a_cached_copy_comes_with_the_brain_as_it_was_moved(dataset, cached):
    rest = frozen_prefix(network(), SETTINGS.frozen)[1]
    rows = np.arange(len(dataset))
    copies = torch.ones(len(dataset), dtype=torch.int64)
    read = cached_inputs(rest, dataset, cached, copies=1).read
    activations, brain = read(rows, copies, torch.Generator()).batch
    plain = dataset.read_brain(rows)
    assert brain.shape == plain.shape
    assert not torch.equal(brain, plain)
    cells = cells_of(brain, activations)
    assert not activations[(cells == 0).expand_as(activations)].any()
    assert activations[(cells_of(plain, activations) == 0).expand_as(activations)].any()


def test_slices_that_are_augmented_in_training_come_with_their_brain(dataset):
    inputs = augmented_inputs(network(), dataset, copies=1, augmentation=SETTINGS.augmentation, device="cpu")
    versions = torch.arange(len(dataset)) % 2
    generator = torch.Generator().manual_seed(0)
    _, brain = inputs.read(np.arange(len(dataset)), versions, generator).batch
    plain = dataset.read_brain(np.arange(len(dataset)))
    moved = (brain != plain).flatten(1).any(dim=1)
    assert moved.tolist() == (versions > 0).tolist()


@pytest.mark.parametrize("from_cache", [True, False])
def test_air_of_training_slices_changes_nothing_that_is_learnt(from_cache, tmp_path):
    """Rotations would mix air and rim: what is learnt of plain slices must not depend on the air at all."""
    settings = SETTINGS.model_copy(update={"copies": 0})
    learnt = []
    for name, air in (("first", 0.0), ("second", 0.5)):
        sets = [
            make_set(tmp_path / name / part, 2, first=first, size=32) for part, first in (("a", 0), ("b", 9))
        ]
        for one in sets:
            for scan in one.scans:
                images = np.load(scan.file)
                outside = np.load(scan.file.with_name(f"{scan.scan}_brain.npy")) == 0
                np.save(scan.file, np.where(outside[:, None], np.float16(air), images))
        model = network()
        if from_cache:
            for one in sets:
                keep(one, model, tmp_path / name / "cached")
        cached = tmp_path / name / "cached" if from_cache else None
        train(model, *sets, settings, seed=0, cached=cached)
        learnt.append(model.state_dict())
    assert all(torch.equal(learnt[0][name], learnt[1][name]) for name in learnt[0])
    assert not torch.equal(learnt[0]["predictions.weight"], network().predictions.weight)
