import importlib
import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from evidence_cases import BlobNetwork, blob_slices, disc, explained, make_maps, make_scan, with_zeros
from torch import nn

from stratacam.evidence.faithfulness import faithfulness
from stratacam.evidence.faithfulness.control import control_map
from stratacam.evidence.faithfulness.curves import scores_of_slice
from stratacam.evidence.faithfulness.imputation import impute
from stratacam.evidence.faithfulness.ranking import coldest, hottest, ranks
from stratacam.evidence.heat import heat_of

SIZE = 20
BRAIN = disc(SIZE, SIZE, 8)
PIXELS = int(BRAIN.sum())
RANDOM = np.random.default_rng(0)


class Linear(nn.Module):
    """A network whose probability is nearly linear in the picture: logits of plus and minus a weighted sum."""

    def __init__(self, weights, scale=1e-3):
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(weights.astype(np.float32)))
        self.scale = scale

    def forward(self, images):
        total = self.scale * (images.mean(dim=1) * self.weights).sum(dim=(1, 2))
        return torch.stack([total, -total], dim=1)


def rate(total, scale=1e-3):
    """The probability of the first class for a weighted sum."""
    return 1 / (1 + np.exp(-2 * scale * total))


def test_ranks_are_exact_in_number_with_60_per_cent_zeros():
    heat = with_zeros((3, SIZE, SIZE), 0.6)
    found = ranks(heat, BRAIN, seed=0)
    for rank, one in zip(found, heat, strict=True):
        assert sorted(rank[BRAIN]) == list(range(PIXELS))
        assert (rank[~BRAIN] == PIXELS).all()
        for share in (0.1, 0.5, 0.9):
            assert (
                hottest(rank, BRAIN, share).sum()
                == coldest(rank, BRAIN, share).sum()
                == round(share * PIXELS)
            )
        assert one[hottest(rank, BRAIN, 0.1)].min() >= one[BRAIN & ~hottest(rank, BRAIN, 0.1)].max()
        assert not (hottest(rank, BRAIN, 0.5) & coldest(rank, BRAIN, 0.5)).any()


def test_equal_pixels_are_equally_likely_to_go_first():
    heat = np.zeros((1, SIZE, SIZE), np.float32)
    taken = np.mean(
        [hottest(ranks(heat, BRAIN, seed=seed)[0], BRAIN, 0.5)[BRAIN] for seed in range(400)], axis=0
    )
    assert np.abs(taken - 0.5).max() < 4.5 * 0.5 / np.sqrt(400)


def slow_impute(image, removed):
    """The same system, pixel by pixel, solved densely."""
    places = [tuple(place) for place in np.argwhere(removed)]
    system, known = np.zeros((len(places), len(places))), np.zeros((len(places), len(image)))
    for number, (row, column) in enumerate(places):
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                weight = {0: 0, 1: 1 / 6, 2: 1 / 12}[abs(down) + abs(right)]
                other = (row + down, column + right)
                if not weight or min(other) < 0 or max(other) >= SIZE:
                    continue
                system[number, number] += weight
                if removed[other]:
                    system[number, places.index(other)] -= weight
                else:
                    known[number] += weight * image[:, other[0], other[1]]
    filled = image.copy()
    filled[:, removed] = np.linalg.solve(system, known).T
    return filled


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_imputation_solves_the_system_also_at_the_edge_of_the_picture(share):
    image, removed = RANDOM.random((3, SIZE, SIZE)).astype(np.float32), RANDOM.random((SIZE, SIZE)) < share
    np.testing.assert_allclose(impute(image, removed), slow_impute(image, removed), atol=1e-5)
    np.testing.assert_array_equal(impute(image, removed)[:, ~removed], image[:, ~removed])


def test_a_plane_is_filled_in_without_error():
    y, x = np.mgrid[:SIZE, :SIZE]
    image = np.stack([0.1 + 0.02 * y + 0.01 * x] * 3).astype(np.float32)
    np.testing.assert_allclose(impute(image, BRAIN), image, atol=1e-5)


def test_nothing_removed_changes_nothing():
    image = RANDOM.random((3, SIZE, SIZE)).astype(np.float32)
    np.testing.assert_array_equal(impute(image, np.zeros((SIZE, SIZE), bool)), image)


@pytest.fixture
def their_road(monkeypatch):
    """pytorch-grad-cam's ROAD; torchvision, which it needs for other things, is stood in for."""
    if importlib.util.find_spec("pytorch_grad_cam") is None:
        pytest.skip("pytorch-grad-cam is not installed; see benchmarks/oracles.txt")
    for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
        module = ModuleType(name)
        module.__getattr__ = lambda _: None
        monkeypatch.setitem(sys.modules, name, module)
    return importlib.import_module("pytorch_grad_cam.metrics.road")


def test_imputation_agrees_with_pytorch_grad_cams(their_road):
    image = RANDOM.random((3, SIZE, SIZE)).astype(np.float32)
    for removed in ((RANDOM.random((SIZE, SIZE)) > 0.5) & BRAIN, RANDOM.random((SIZE, SIZE)) > 0.3):
        theirs = their_road.NoisyLinearImputer(noise=0.0)(
            torch.from_numpy(image), torch.from_numpy(~removed).float()
        )
        np.testing.assert_allclose(impute(image, removed), theirs.numpy(), atol=1e-5)


def test_areas_of_a_linear_network_are_those_of_the_sums_that_are_left():
    weights = np.where(BRAIN, RANDOM.random((SIZE, SIZE)), 0)
    image, heat = np.ones((3, SIZE, SIZE), np.float32) * BRAIN, weights.astype(np.float32)
    fractions = (0.25, 0.5, 0.75)
    found = scores_of_slice(
        Linear(weights).eval(), image, BRAIN, heat[None], 0, fractions=fractions, noise=0.0
    )
    ordered = np.sort(weights[BRAIN])[::-1]
    left = [rate(ordered[round(f * PIXELS) :].sum()) for f in (0, *fractions, 1)]
    put = [rate(ordered[: round(f * PIXELS)].sum()) for f in (0, *fractions, 1)]
    shares = [0, *fractions, 1]
    assert found["deletion"][0] == pytest.approx(np.trapezoid(left, shares), abs=1e-6)
    assert found["insertion"][0] == pytest.approx(np.trapezoid(put, shares), abs=1e-6)


def test_perfect_random_and_inverted_maps_order_as_they_must():
    weights = np.where(BRAIN, RANDOM.normal(size=(SIZE, SIZE)), 0)
    image = RANDOM.random((1, SIZE, SIZE)).astype(np.float32).repeat(3, axis=0) * BRAIN
    gain = (weights * image[0] - (weights * image[0])[BRAIN].min()).astype(np.float32)
    perfect, random = gain, RANDOM.random((SIZE, SIZE)).astype(np.float32)
    inverted, constant = gain.max() - gain, np.ones_like(gain)
    model = Linear(weights, scale=0.05).eval()
    found = scores_of_slice(model, image, BRAIN, np.stack([perfect, random, inverted]), 0)
    assert found["deletion"][0] < found["deletion"][1] < found["deletion"][2]
    assert found["insertion"][0] > found["insertion"][1] > found["insertion"][2]
    assert found["road"][0] > found["road"][1] > found["road"][2]
    even = [
        scores_of_slice(model, image, BRAIN, constant[None], 0, seed=seed)["road"][0] for seed in range(20)
    ]
    assert np.mean(even) == pytest.approx(0, abs=0.1 * found["road"][0])


def test_a_control_has_the_values_of_its_map_and_its_blur_but_not_its_places():
    raw = RANDOM.normal(size=(200, 8, 8)).astype(np.float32)
    heat = heat_of(raw, (64, 64))
    brain = disc(64, 64, 28)
    likeness, steps = [], []
    for number, (own, hot) in enumerate(zip(raw, heat, strict=True)):
        control = control_map(own, hot, brain, seed=number)
        np.testing.assert_array_equal(np.sort(control[brain]), np.sort(hot[brain]))
        assert not control[~brain].any()
        likeness.append(np.corrcoef(control[brain], hot[brain])[0, 1])
        inner = disc(64, 64, 20)
        steps.append([np.abs(np.diff(one, axis=0))[inner[1:]].mean() for one in (control, hot)])
    assert abs(np.mean(likeness)) < 0.05
    own, of_map = np.mean(steps, axis=0)
    assert own == pytest.approx(of_map, rel=0.25)


def test_the_control_of_a_blank_map_is_blank():
    assert not control_map(
        -np.ones((4, 4), np.float32), np.zeros((16, 16), np.float32), disc(16, 16, 6), seed=0
    ).any()


def test_a_map_of_what_the_network_uses_is_more_faithful_than_its_control():
    scan = blob_slices(count=6)
    model = BlobNetwork().eval()
    maps = make_maps({"squares": scan.truth + 0.1 * RANDOM.random(scan.truth.shape)})
    rows = {
        value.key[2:]: value
        for value in faithfulness(explained(maps, scan, model, fractions=(0.05, 0.1, 0.3)))
    }
    for measure in ("deletion", "insertion", "road_most", "road"):
        assert rows[measure, "above control"].value > 0.02
    assert rows["road", "above control"].value > 0.1
    assert rows["road", ""].value - rows["road", "control"].value == pytest.approx(
        rows["road", "above control"].value
    )
    assert rows["deletion", "control"].value - rows["deletion", ""].value == pytest.approx(
        rows["deletion", "above control"].value
    )


def test_blank_slices_are_left_out_of_a_layers_rows():
    scan = make_scan(RANDOM.random((3, 3, SIZE, SIZE)), np.tile(BRAIN, (3, 1, 1)))
    lit = np.where(BRAIN, 1.0, 0.5)
    shown = np.stack([lit, np.zeros((SIZE, SIZE)), lit])
    maps = make_maps({"a": shown, "b": np.zeros((3, SIZE, SIZE))})
    rows = faithfulness(explained(maps, scan, Linear(np.ones((SIZE, SIZE))).eval(), fractions=(0.5,)))
    assert {value.layer for value in rows} == {"a"}
    assert {value.slices for value in rows} == {2}
