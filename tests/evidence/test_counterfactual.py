"""Regions filled with plain tissue: the filling, the shams, and what networks made by hand lose."""

import numpy as np
import pytest
import torch
from evidence_cases import disc, explained, make_maps, make_scan
from scipy import ndimage
from torch import nn

from stratacam.evidence.counterfactual.agreement import agreement
from stratacam.evidence.counterfactual.fall import margin
from stratacam.evidence.counterfactual.filling import fill
from stratacam.evidence.counterfactual.kind import counterfactuals
from stratacam.evidence.counterfactual.parcels import parcels
from stratacam.evidence.counterfactual.plain_tissue import plain_tissue
from stratacam.evidence.counterfactual.shams import above_sham, sham_of, sham_region

SIZE = 72
BRAIN = disc(SIZE, SIZE, 31)
Y, X = np.mgrid[:SIZE, :SIZE]


def tissue(random):
    """A brain of plain tissue: coarse and fine texture about 0.5, (3, rows, columns)."""
    coarse = ndimage.gaussian_filter(random.normal(size=(3, SIZE, SIZE)), (0, 4, 4))
    fine = ndimage.gaussian_filter(random.normal(size=(3, SIZE, SIZE)), (0, 0.7, 0.7))
    image = 0.5 + 0.03 * coarse / coarse.std() + 0.02 * fine / fine.std()
    return (image * BRAIN).astype(np.float32)


def round_region(row, column, radius):
    return (Y - row) ** 2 + (X - column) ** 2 <= radius**2


def lag_one(values, region):
    """Correlation of neighbours in a region: a measure of its spatial spectrum."""
    pairs = region[:, 1:] & region[:, :-1]
    return np.corrcoef(values[:, 1:][pairs], values[:, :-1][pairs])[0, 1]


@pytest.mark.parametrize("filling", ["texture", "imputation"])
def test_filling_nothing_changes_nothing_and_the_rest_stays(filling):
    image = tissue(np.random.default_rng(0))
    plain = plain_tissue(image, BRAIN)
    nothing = fill(image, np.zeros_like(BRAIN), plain, filling=filling)
    np.testing.assert_array_equal(nothing, image)
    region = round_region(30, 30, 6)
    found = fill(image, region, plain, filling=filling)
    np.testing.assert_array_equal(found[:, ~region], image[:, ~region])
    assert (found[:, region] != image[:, region]).any()


def test_plain_tissue_that_is_filled_keeps_mean_spread_and_spectrum():
    ratios = {"texture": [], "imputation": []}
    shifts, lags = [], []
    for seed in range(30):
        random = np.random.default_rng(seed)
        image = tissue(random)
        plain = plain_tissue(image, BRAIN)
        region = round_region(*random.integers(24, 48, size=2), 7)
        for filling, found in ratios.items():
            filled = fill(image, region, plain, filling=filling)[0]
            found.append(filled[region].std() / image[0][region].std())
            if filling == "texture":
                shifts.append(filled[region].mean() - image[0][region].mean())
                lags.append(lag_one(filled, region) - lag_one(image[0], region))
    assert abs(np.mean(shifts)) < 0.005
    assert np.median(ratios["texture"]) == pytest.approx(1, abs=0.12)
    assert np.mean(lags) == pytest.approx(0, abs=0.06)
    assert np.median(ratios["imputation"]) < 0.8  # without texture


def test_a_bright_lesion_vanishes():
    contrasts = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        image = tissue(random)
        lesion = round_region(40, 30, 4)
        image[2] += 0.4 * ndimage.gaussian_filter(lesion.astype(np.float32), 0.6)
        region = ndimage.binary_dilation(lesion)
        filled = fill(image, region, plain_tissue(image, BRAIN))
        rim = round_region(40, 30, 9) & ~round_region(40, 30, 6)
        contrasts.append((filled[2][lesion].mean() - filled[2][rim].mean()) / filled[2][rim].mean())
    assert abs(np.mean(contrasts)) < 0.02
    assert np.abs(contrasts).max() < 0.12  # of 0.8


def test_ventricles_become_tissue_and_a_lesion_beside_them_is_not_carried_in():
    random = np.random.default_rng(0)
    image = tissue(random)
    ventricle = round_region(36, 30, 9) | round_region(36, 44, 6)
    lesion = round_region(36, 17, 4)
    image[:, ventricle] = 0.1
    image[:, lesion] = 0.95
    region = ndimage.binary_dilation(ventricle)
    filled = fill(image, region, plain_tissue(image, BRAIN))
    assert filled[:, ventricle].mean() == pytest.approx(0.5, abs=0.03)
    assert filled[:, region].max() < 0.7
    assert filled[:, region].min() > 0.3


def test_fluid_and_lesions_are_not_plain_and_tissue_is():
    image = tissue(np.random.default_rng(0))
    assert plain_tissue(image, BRAIN).sum() > 0.9 * BRAIN.sum()
    odd = round_region(36, 30, 5)
    image[1, odd] = 0.9
    assert not (plain_tissue(image, BRAIN) & odd).any()
    assert not plain_tissue(image, np.zeros_like(BRAIN)).any()


def test_parcels_are_a_partition_of_equal_areas():
    brain = BRAIN & ~round_region(20, 20, 8)
    found = parcels(brain)
    assert len(found) == 16
    np.testing.assert_array_equal(found.sum(axis=0), brain)
    assert np.ptp(found.sum(axis=(1, 2))) <= 1
    assert len(parcels(round_region(5, 5, 1))) == 0  # five pixels


@pytest.mark.parametrize(("row", "column"), [(36, 36), (36, 12)])
def test_a_sham_has_the_area_and_the_depth_of_its_region_and_lies_elsewhere(row, column):
    image = tissue(np.random.default_rng(0))
    region = round_region(row, column, 5)
    depth = ndimage.distance_transform_edt(BRAIN)
    allowed = BRAIN & ~ndimage.binary_dilation(region)
    for seed in range(5):
        sham = sham_region(image, BRAIN, region, allowed, random=np.random.default_rng(seed))
        assert sham.sum() == region.sum()
        assert not (sham & ~allowed).any()
        assert depth[sham].mean() == pytest.approx(depth[region].mean(), rel=0.25)
    assert sham_region(image, BRAIN, BRAIN, BRAIN, random=np.random.default_rng(0)) is None


def test_the_margin_is_a_logit_less_the_mean_of_the_others():
    logits = np.array([[3.0, 1.0, 2.0]])
    assert margin(logits, 0)[0] == pytest.approx(1.5)
    assert margin(logits + 7, 0)[0] == pytest.approx(1.5)
    assert margin(logits[:, :1], 0)[0] == 3.0


class ReadsDark(nn.Module):
    """Its first class is how much of the first channel of the brain is dark: the fluid."""

    def __init__(self, scale=0.05):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, images):
        dark = torch.relu(0.3 - images[:, 0]) * (images[:, 0] > 0.02)
        total = self.scale * dark.sum(dim=(1, 2))
        return torch.stack([total, -total], dim=1)


class ReadsBright(nn.Module):
    """Its first class is how much of the third channel is bright: the lesions."""

    def __init__(self, scale=0.05):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, images):
        total = self.scale * torch.relu(images[:, 2] - 0.75).sum(dim=(1, 2))
        return torch.stack([total, -total], dim=1)


def sick_scan(seed):
    """Four slices with ventricles and lesions."""
    random = np.random.default_rng(seed)
    images, masks = [], {"ventricle": [], "lesion": []}
    for _ in range(4):
        image = tissue(random)
        ventricle = round_region(36, 30, 6) | round_region(36, 43, 6)
        lesion = np.zeros_like(BRAIN)
        for row, column in random.integers(18, 54, size=(4, 2)):
            lesion |= round_region(row, column, 2.5)
        lesion &= ~ndimage.binary_dilation(ventricle, iterations=3) & BRAIN
        image[:, ventricle] = 0.1
        image[2, lesion] = 0.95
        images.append(image)
        masks["ventricle"].append(ventricle)
        masks["lesion"].append(lesion)
    structures = {name: np.stack(several) for name, several in masks.items()}
    return make_scan(np.stack(images), np.tile(BRAIN, (4, 1, 1)), structures=structures)


def falls(model, seed):
    maps = make_maps({"layer": np.ones((4, 4, 4))})
    case = explained(maps, sick_scan(seed), model, seed=seed, filled=("structures",))
    return {row.against: row.value for row in counterfactuals(case)}


@pytest.mark.parametrize(
    ("model", "used", "other"), [(ReadsDark(), "ventricle", "lesion"), (ReadsBright(), "lesion", "ventricle")]
)
def test_a_network_loses_the_structure_that_it_reads_and_nothing_else(model, used, other):
    shams = []
    for seed in range(8):
        found = falls(model, seed)
        rest = [found[other], *(found[sham_of(name)] for name in (used, other))]
        assert found[used] > 10 * np.abs(rest).max()
        assert found[above_sham(used)] == pytest.approx(found[used] - found[sham_of(used)])
        shams.append(found[sham_of(used)])
    assert abs(np.mean(shams)) <= 2.4 * np.std(shams, ddof=1) / np.sqrt(8) + 1e-9


def test_the_hottest_region_of_a_right_map_costs_more_than_that_of_a_wrong_one():
    scan = sick_scan(0)
    right = scan.structures["ventricle"].astype(np.float32)
    wrong = np.tile(round_region(52, 36, 6), (4, 1, 1)).astype(np.float32)
    case = explained(make_maps({"right": right, "wrong": wrong}), scan, ReadsDark(), filled=("hottest",))
    found = {(row.layer, row.against): row for row in counterfactuals(case)}
    assert found["right", "hottest"].value > 1
    assert abs(found["right", "sham of hottest"].value) < 0.1
    assert abs(found["wrong", "hottest"].value) < 0.1
    assert found["right", "hottest above sham"].slices == 2


def test_agreement_is_high_for_the_map_of_what_is_used_and_0_by_chance():
    scan = sick_scan(0)
    random = np.random.default_rng(0)
    by_chance = {
        f"noise {number}": ndimage.zoom(random.random((4, 6, 6)), (1, 12, 12), order=1)
        for number in range(60)
    }
    case = explained(
        make_maps({"used": scan.structures["ventricle"].astype(float), **by_chance}),
        scan,
        ReadsDark(),
        filled=("parcels",),
    )
    found = {row.layer: row.value for row in counterfactuals(case)}
    assert found.pop("used") > 0.5
    drawn = np.array(list(found.values()))
    assert abs(drawn.mean()) < 3 * drawn.std() / np.sqrt(60)


def test_agreement_of_hand_made_parcels():
    parts = np.zeros((4, 2, 2), bool)
    parts[[0, 1, 2, 3], [0, 0, 1, 1], [0, 1, 0, 1]] = True
    heat = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
    assert agreement(heat, parts, np.array([1.0, 2, 3, 4])) == pytest.approx(1)
    assert agreement(heat, parts, np.array([2.0, 1, 3, 4])) == pytest.approx(0.8)
    assert np.isnan(agreement(np.zeros_like(heat), parts, np.array([2.0, 1, 3, 4])))


def test_draws_depend_on_subject_and_seed_alone():
    first, again, other = (falls(ReadsBright(), seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
