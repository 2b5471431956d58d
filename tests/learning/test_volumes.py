"""Volumes in training: what is read, how it is augmented, and that networks learn from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from small_cohort import CLASSES, make_scans, make_set

from stratacam.errors import InputError
from stratacam.learning import TrainSettings, compute_logits, make_dataset, train
from stratacam.learning.air import change_by_air
from stratacam.learning.augment import AugmentSettings, affine_matrices, augment, terms, transform
from stratacam.learning.relevance import share_outside
from stratacam.networks import build

OFF = {"rotation": 0, "translation": 0, "scaling": 0}


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def scans(tmp_path):
    groups = {f"sub-{number}": CLASSES[number % 2] for number in range(4)}
    made = make_scans(tmp_path, groups, slices=5, size=32)
    longer = make_scans(tmp_path / "longer", {"sub-9": CLASSES[0]}, slices=35, size=32)
    return [replace(one, dimensions=3) for one in (*made, *longer)]


@pytest.fixture(autouse=True)
def _folders(tmp_path):
    (tmp_path / "longer").mkdir()


def test_a_volume_is_the_slices_of_a_scan_in_the_middle_of_empty_ones(scans):
    dataset = make_dataset(scans, CLASSES)
    assert (len(dataset), dataset.depth, dataset.dimensions) == (5, 64, 3)
    volumes, brains = dataset.read([1, 4]), dataset.read_brain([1, 4])
    assert volumes.shape == (2, 3, 64, 32, 32)
    assert brains.shape == (2, 1, 64, 32, 32)
    for scan, volume, brain, first in zip((scans[1], scans[4]), volumes, brains, (29, 14), strict=True):
        slices = np.load(scan.file)
        inside = slice(first, first + len(slices))
        assert torch.equal(volume[:, inside], torch.from_numpy(slices.astype(np.float32)).movedim(1, 0))
        assert float(volume.sum()) == pytest.approx(float(volume[:, inside].sum()))
        assert float(brain.sum()) == float(brain[:, inside].sum()) > 0
    assert dataset.take([4]).depth == 64


def test_slices_of_one_file_are_not_mixed_with_volumes(scans):
    assert make_dataset([replace(one, dimensions=2) for one in scans], CLASSES).depth is None


def blob(size, place):
    axes = np.meshgrid(*(np.arange(side) for side in size), indexing="ij")
    distance = sum((axis - one) ** 2 for axis, one in zip(axes, place, strict=True))
    return torch.from_numpy(np.exp(-distance / 8))[None, None].float()


def test_content_moves_as_the_matrix_says_in_sides_of_any_length():
    size, place = (24, 40, 32), np.array([14.0, 18.0, 10.0])
    settings = AugmentSettings(rotation=40, translation=0.05, scaling=0.1)
    for row in torch.rand(5, 7, generator=seeded()):
        (matrix,) = affine_matrices(row[None], settings, size).double().numpy()
        moved = ndimage.center_of_mass(
            transform(blob(size, place), torch.from_numpy(matrix[None]).float()).numpy()[0, 0]
        )
        half = np.array(size[::-1]) / 2
        there = (np.array(moved)[::-1] + 0.5 - half) / half  # columns first, in [-1, 1]
        back = matrix[:, :3] @ there + matrix[:, 3]
        np.testing.assert_allclose((back * half + half - 0.5)[::-1], place, atol=0.1)


def test_a_rotation_of_a_volume_is_one_and_keeps_lengths():
    matrices = affine_matrices(
        torch.rand(50, 7, generator=seeded()), AugmentSettings(**OFF | {"rotation": 60}), (24, 40, 32)
    )
    half = torch.tensor([32.0, 40, 24])
    turned = matrices[:, :, :3] * half[None, :, None] / half[None, None, :]
    torch.testing.assert_close(turned @ turned.mT, torch.eye(3).expand(50, 3, 3), atol=1e-5, rtol=0)
    assert (torch.linalg.det(turned) > 0.999).all()


@pytest.mark.parametrize(
    "settings", [{"gamma": 0.5}, {"bias_field": 0.5}, {"noise": 0.1}, {"rotation": 20}, {"flip": 1.0}]
)
def test_changes_of_a_volume_are_its_own_and_repeat(settings):
    volumes = torch.rand(3, 2, 16, 20, 24)
    brain = torch.ones(3, 1, 16, 20, 24)
    first, again = (augment((volumes, brain), AugmentSettings(**OFF | settings), seeded()) for _ in range(2))
    assert first[0].shape == volumes.shape
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0], volumes)
    if settings == {"flip": 1.0}:
        assert torch.equal(first[0], volumes.flip(-1))


def test_bias_fields_of_volumes_are_smooth_along_every_axis():
    flat = torch.full((2, 1, 16, 16, 16), 0.5)
    field = augment((flat,), AugmentSettings(**OFF | {"bias_field": 0.5}), seeded())[0].log()
    assert len(terms(3)) == 19
    for axis in (2, 3, 4):
        assert float(field.std(dim=axis).max()) > 0.01
        assert float(field.diff(dim=axis).abs().max()) < 0.35


def test_heat_outside_a_mask_is_that_of_all_slices():
    maps, mask = torch.zeros(1, 2, 2, 2), torch.zeros(1, 1, 4, 4, 4)
    maps[0, 0, 0, 0], maps[0, 1, 1, 1] = 3, 1
    mask[..., :2, :2, :2] = 1
    assert share_outside(maps, mask).tolist() == [0.25]


def test_a_network_of_volumes_learns_and_what_lies_outside_the_brain_is_nothing_to_it(tmp_path):
    def dataset(first):
        made = make_set(tmp_path, 4, first=first, slices=8, size=32)
        return make_dataset([replace(one, dimensions=3) for one in made.scans], CLASSES)

    training, validation = dataset(0), dataset(20)
    model = build("small_cnn", 2, weights="none", dimensions=3, brain="features")
    settings = TrainSettings(epochs=12, patience=12, copies=0, augmentation=AugmentSettings(**OFF))
    history = train(model, training, validation, settings, seed=0)
    logits = compute_logits(model, lambda rows: validation.read_for(model, rows), len(validation))
    assert (logits.argmax(axis=1) == validation.label).mean() >= 0.75
    assert min(epoch.validation_loss for epoch in history.epochs) < 0.6
    assert change_by_air(model, validation).change == pytest.approx(0, abs=1e-6)


class Pooled(torch.nn.Module):
    """Batch normalisation after a pool to one voxel, as deep networks have it on small volumes."""

    def __init__(self, norm):
        super().__init__()
        self.conv = torch.nn.Conv3d(3, 4, 3, padding=1)
        self.pool = torch.nn.AdaptiveAvgPool3d(1)
        self.norm = norm
        self.head = torch.nn.Linear(4, 2)

    def forward(self, volumes, _brain=None):
        return self.head(self.norm(self.pool(self.conv(volumes))).flatten(1))


@pytest.mark.parametrize(("batch_size", "count"), [(1, 4), (2, 3)])
def test_a_step_of_one_volume_that_a_normalisation_cannot_average_is_refused_before_training(
    scans, batch_size, count
):
    settings = TrainSettings(epochs=1, batch_size=batch_size)
    learnt, stopped = make_dataset(scans[:count], CLASSES), make_dataset(scans[4:], CLASSES)
    network = Pooled(torch.nn.BatchNorm3d(4))
    with pytest.raises(
        InputError, match=r"training\.batch_size: found .*steps of two volumes at least: raise"
    ):
        train(network, learnt, stopped, settings, seed=0)
    assert torch.equal(network.norm.running_mean, torch.zeros(4))
    train(Pooled(torch.nn.Identity()), learnt, stopped, settings, seed=0)
