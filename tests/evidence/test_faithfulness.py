import importlib
import importlib.util
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from evidence_cases import BlobNetwork, blob_slices, disc, explained, make_maps, make_scan, with_zeros
from scipy import ndimage, stats
from torch import nn

from stratacam.evidence.faithfulness import faithfulness
from stratacam.evidence.faithfulness.control import cells_of, control_maps
from stratacam.evidence.faithfulness.curves import scores_of_slice
from stratacam.evidence.faithfulness.imputation import impute
from stratacam.evidence.faithfulness.ranking import coldest, hottest, ranks
from stratacam.maps.heat import heat_of

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
    found = ranks(heat, BRAIN, np.random.default_rng(0))
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
        [
            hottest(ranks(heat, BRAIN, np.random.default_rng(seed))[0], BRAIN, 0.5)[BRAIN]
            for seed in range(400)
        ],
        axis=0,
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
        Linear(weights).eval(),
        image,
        BRAIN,
        heat[None],
        0,
        fractions=fractions,
        areas=True,
        noise=0.0,
        random=RANDOM,
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
    found = scores_of_slice(
        model, image, BRAIN, np.stack([perfect, random, inverted]), 0, areas=True, random=RANDOM
    )
    assert found["deletion"][0] < found["deletion"][1] < found["deletion"][2]
    assert found["insertion"][0] > found["insertion"][1] > found["insertion"][2]
    assert found["road"][0] > found["road"][1] > found["road"][2]
    even = [
        scores_of_slice(model, image, BRAIN, constant[None], 0, random=RANDOM)["road"][0] for _ in range(20)
    ]
    assert np.mean(even) == pytest.approx(0, abs=0.1 * found["road"][0])


def smooth(size, *, sigma):
    """A smooth random map, as far from its own edge as anywhere."""
    return ndimage.gaussian_filter(RANDOM.normal(size=(3 * size, 3 * size)), sigma)[size:-size, size:-size]


MAPS = {
    "white": lambda: RANDOM.normal(size=(8, 8)),
    "smooth": lambda: smooth(16, sigma=2),
    "skewed": lambda: np.exp(3 * smooth(16, sigma=1)),
    "mostly zero": lambda: np.maximum(smooth(16, sigma=2) - 0.1, 0),
}


def edges(heat, brain, order):
    """How long the edge of the hottest and of the coldest fifth of the brain is."""
    count, values = int(brain.sum()), heat[brain][order]
    found = []
    for ranked in (np.argsort(-values, kind="stable"), np.argsort(-values, kind="stable")[::-1]):
        removed = np.zeros_like(brain)
        removed[brain] = np.isin(np.arange(count), order[ranked[: count // 5]])
        found.append(sum(np.abs(np.diff(removed.astype(int), axis=axis)).sum() for axis in (0, 1)))
    return found


@pytest.mark.parametrize("kind", MAPS)
def test_controls_have_the_values_and_the_shapes_of_a_random_map_but_not_its_places(kind):
    brain = disc(48, 48, 20)
    shapes, likeness = [], []
    for _ in range(200):
        raw = MAPS[kind]().astype(np.float32)
        controls = control_maps(raw, brain, 2, RANDOM)
        cells = cells_of(brain, raw.shape)
        for one in controls:
            np.testing.assert_array_equal(np.sort(one[cells]), np.sort(raw[cells]))
        heat = heat_of(np.stack([raw, *controls]), brain.shape)
        order = RANDOM.permutation(int(brain.sum()))
        own, *others = (edges(one, brain, order) for one in heat)
        shapes.append(np.array([own, np.mean(others, axis=0)]))
        if all(one[brain].any() for one in heat):
            likeness.append(np.corrcoef(heat[0][brain], heat[1][brain])[0, 1])
    assert abs(np.mean(likeness)) < 0.15
    own, controls = np.mean(shapes, axis=0)
    np.testing.assert_allclose(controls, own, rtol=0.2)


def test_evenly_spread_controls_vary_less_than_independent_ones():
    brain, weights = disc(48, 48, 20), smooth(48, sigma=6)

    def mean(count):
        raw = smooth(12, sigma=1.5).astype(np.float32)
        drawn = [heat_of(control_maps(raw, brain, count, RANDOM), (48, 48)).mean(axis=0) for _ in range(20)]
        return np.var([(weights * one)[brain].mean() for one in drawn])

    assert np.mean([mean(8) for _ in range(20)]) < 0.75 / 8 * np.mean([mean(1) for _ in range(20)])


def test_the_cells_of_a_brain_are_those_that_its_heat_comes_from():
    brain = np.zeros((16, 16), bool)
    brain[5:7, 9] = True
    cells = cells_of(brain, (4, 4))
    raw = RANDOM.normal(size=(1, 4, 4)).astype(np.float32)
    without = np.where(cells, 0, 1).astype(np.float32)[None]
    assert not heat_of(without, brain.shape)[0][brain].any()
    for cell in np.argwhere(cells):
        lit = np.zeros_like(raw)
        lit[0, *cell] = 1
        assert heat_of(lit, brain.shape)[0][brain].any()


class Halves(nn.Module):
    """A network whose first class is how bright the left half of a picture is, less the right half."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, images):
        left, right = (part.mean(dim=(1, 2, 3)) for part in images.chunk(2, dim=3))
        total = self.scale * (left - right)
        return torch.stack([total, -total], dim=1)


def many_subjects(maps_of, *, subjects=40, strangers=0):
    """ROAD above control and above others in subjects with bright spots, by maps that are drawn for each."""
    found = []
    for number in range(subjects):
        scan = replace(blob_slices(count=2, size=32, seed=number), name=f"sub-{number:02d}")
        maps = make_maps({"layer": maps_of(scan)})
        others = tuple(
            make_maps({"layer": maps_of(blob_slices(count=2, size=32, seed=1000 + 3 * number + other))})
            for other in range(strangers)
        )
        model = BlobNetwork().eval() if strangers else Halves().eval()
        rows = faithfulness(
            explained(maps, scan, model, strangers=others, fractions=(0.1,), controls=4, seed=3)
        )
        found.append({row.against: row.value for row in rows if row.measure == "road"})
    return {
        against: stats.ttest_1samp([one[against] for one in found], 0)
        for against in ("above control", "above others")
        if against in found[0]
    }


@pytest.mark.parametrize("kind", MAPS)
def test_random_maps_are_no_more_faithful_than_their_controls(kind):
    found = many_subjects(lambda scan: np.stack([MAPS[kind]() for _ in range(len(scan))]))
    assert found["above control"].pvalue > 0.01


def test_maps_of_the_class_are_no_better_than_those_of_other_subjects_and_maps_of_the_image_are():
    one_for_all = np.tile(smooth(16, sigma=2), (2, 1, 1))
    of_class = many_subjects(lambda _: one_for_all, subjects=10, strangers=2)
    np.testing.assert_allclose(of_class["above others"].statistic, np.nan, equal_nan=True)
    drawn = many_subjects(lambda scan: RANDOM.random(scan.truth.shape), subjects=30, strangers=2)
    assert drawn["above others"].pvalue > 0.01
    of_image = many_subjects(
        lambda scan: scan.truth + 0.1 * RANDOM.random(scan.truth.shape), subjects=10, strangers=2
    )
    assert of_image["above others"].statistic > 3
    assert of_image["above others"].pvalue < 0.001


def test_subjects_draw_their_controls_independently():
    scan = blob_slices(count=1)
    maps = make_maps({"layer": smooth(16, sigma=2)[None]})
    drawn = {
        row.value
        for name in ("sub-01", "sub-02", "sub-01")
        for row in faithfulness(explained(maps, replace(scan, name=name), BlobNetwork().eval()))
        if (row.measure, row.against) == ("road", "control")
    }
    assert len(drawn) == 2


def test_a_map_of_what_the_network_uses_is_more_faithful_than_its_control():
    scan = blob_slices(count=6)
    model = BlobNetwork().eval()
    maps = make_maps({"squares": scan.truth + 0.1 * RANDOM.random(scan.truth.shape)})
    rows = {
        value.key[2:]: value
        for value in faithfulness(explained(maps, scan, model, fractions=(0.05, 0.1, 0.3), deletion=True))
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
