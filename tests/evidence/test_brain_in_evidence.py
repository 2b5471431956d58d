"""Every measure gives a network that takes the brain the brain of its slices."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from evidence_cases import blob_slices
from torch import nn

from stratacam.evidence.counterfactual.fall import SliceToFill
from stratacam.evidence.faithfulness.curves import scores_of_slice
from stratacam.evidence.measure import measure_scan
from stratacam.evidence.nulls import measure_nulls
from stratacam.evidence.planting.score import SINGLE, PlantedSlice, score_maps
from stratacam.evidence.references import reference_maps
from stratacam.evidence.repeatability import shift
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.strangers import Stranger, read_at_levels_of
from stratacam.maps.slice_maps import explain_slices
from stratacam.networks import ModelCard, build
from stratacam.networks.masked import cells_of

SETTINGS = EvidenceSettings(
    slices=2, sanity_slices=1, sanity_draws=1, controls=1, surrogates=2, untrained=1, deletion=True
)


class Watching(nn.Module):
    """A small network that sees the brain alone, and notes every brain that it is given."""

    takes_brain = True

    def __init__(self, seen):
        super().__init__()
        self.inner = build("small_cnn", 2, weights="none", brain="features")
        self.note = seen.append

    def forward(self, pictures, brain):
        self.note(brain.detach().clone())
        return self.inner(pictures, brain)


@pytest.fixture
def scan():
    """Slices whose brains differ."""
    one = blob_slices(count=3, size=32, blobs=2)
    rows, columns = np.ogrid[-1:1:32j, -1:1:32j]
    brain = np.stack([rows**2 + columns**2 < 0.8 - 0.1 * number for number in range(3)])
    return replace(one, brain=brain, truth=one.truth & brain)


@pytest.fixture
def seen():
    return []


def given_brains(seen, pictures):
    """How often each of the named brains was given; every brain that was given is one of them."""
    counts = dict.fromkeys(pictures, 0)
    for mask in torch.cat(seen)[:, 0].numpy() > 0:
        (name,) = {
            name for name, brains in pictures.items() if any(np.array_equal(mask, one) for one in brains)
        }
        counts[name] += 1
    return counts


def test_all_measures_of_a_scan_are_given_its_brain_the_shifted_ones_and_those_of_strangers(scan, seen):
    model = Watching(seen).eval()
    sampled = scan.some(SETTINGS.slices)
    of_stranger = np.flip(sampled.brain, 0) & (np.arange(32) > 5)
    measured = measure_scan(
        model,
        scan,
        SETTINGS,
        target=0,
        true_class=0,
        references=reference_maps(scan, intensity=scan.images[:, 2]),
        others={"seed": [model]},
        strangers=[Stranger(sampled.images, of_stranger)],
    )
    measure_nulls(model, sampled, SETTINGS, target=0)
    counts = given_brains(seen, {"own": scan.brain, "shifted": shift(scan.brain, 2), "stranger": of_stranger})
    assert len(SETTINGS.methods) > 1  # which share their runs
    assert counts["shifted"] == counts["stranger"] == 2
    assert counts["own"] > 20
    assert {"repeat_rank", "road", "above_rank", "logit_change"} <= {one.measure for one in measured.values}


def test_pixels_are_removed_from_the_picture_and_not_from_the_brain(scan, seen):
    model = Watching(seen).eval()
    heat = np.random.default_rng(0).random((1, 32, 32), dtype=np.float32)
    scores_of_slice(
        model, scan.images[1], scan.brain[1], heat, 0, areas=True, random=np.random.default_rng(0)
    )
    assert set(given_brains(seen, {"own": scan.brain[1:2]})) == {"own"}


def test_regions_are_filled_in_the_picture_and_not_in_the_brain(scan, seen):
    one = SliceToFill(scan, 1, "imputation", 0)
    one.falls(Watching(seen).eval(), 0, [scan.brain[1] & scan.truth[1]], 4)
    assert given_brains(seen, {"own": scan.brain[1:2]}) == {"own": 2}


def test_maps_of_planted_slices_are_0_outside_the_brain(scan, seen):
    model = Watching(seen).eval()
    truth = scan.truth[1]
    one = PlantedSlice(
        "regular", "sub-01", scan.images[1], scan.images[1, 2], truth, np.roll(truth, 3), scan.brain[1], 2.0
    )
    (found,) = score_maps({SINGLE: model}, [one], 0, ["layercam"], seed=0)
    assert set(given_brains(seen, {"own": scan.brain[1:2]})) == {"own"}
    assert not found.heat[SINGLE, "smoothgrad", "input"][~scan.brain[1]].any()


def test_air_changes_no_evidence(scan):
    model = build("small_cnn", 2, weights="none", brain="features").eval()
    air = np.where(scan.brain[:, None], scan.images, np.random.default_rng(0).random(scan.images.shape))
    maps, changed = (
        explain_slices(model, images.astype(np.float32), scan.brain, 0, "gradcam")
        for images in (scan.images, air)
    )
    np.testing.assert_array_equal(maps.logits, changed.logits)
    for layer in maps.layers:
        np.testing.assert_array_equal(maps.raw[layer], changed.raw[layer])
        cells = cells_of(torch.from_numpy(scan.brain[:, None]).float(), torch.from_numpy(maps.raw[layer]))
        assert not maps.raw[layer][cells[:, 0].numpy() == 0].any()


def test_a_stranger_comes_with_its_own_brain_at_the_levels_asked_for(scan, monkeypatch):
    images = np.arange(5, dtype=np.float32)[:, None, None, None] * np.ones((1, 3, 40, 40), np.float32)
    brain = np.zeros((5, 40, 40), bool)
    brain[2, 20, 20] = True
    pictures = SimpleNamespace(images=images, brain=brain, slices=np.arange(5))
    monkeypatch.setattr("stratacam.evidence.strangers.explained_pictures", lambda *_, **__: pictures)
    card = ModelCard(architecture="small_cnn", classes=("a", "b"), input={}, training={})
    found = read_at_levels_of(scan.some(1), scan, card, SimpleNamespace())
    assert found.images.shape == (1, 3, 32, 32)
    assert np.argwhere(found.brain).tolist() == [[0, 16, 16]]
    assert (found.images == 2).all()
