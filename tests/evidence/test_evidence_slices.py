"""Slices that evidence is measured on, and heat of maps."""

import numpy as np
import pytest
import torch
from torch import nn

from stratacam.cam import explain
from stratacam.evidence.measure import measure_scan
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.maps.heat import heat_of
from stratacam.maps.slice_maps import explain_slices
from stratacam.scans.geometry import Geometry
from stratacam.scans.resampling import Grid


def slices(count):
    grid = Grid((16, 16, 64), np.diag([2.0, 2.0, 2.0, 1.0]))
    geometry = Geometry(grid, "axial", tuple(range(3, 3 + count)), (32, 32), (7.5, 7.5), (16.0, 16.0))
    images = np.random.default_rng(0).random((count, 3, 32, 32), dtype=np.float32)
    brain = np.ones((count, 32, 32), bool)
    return ScanSlices("sub-01", "sub-01", "MS", images, brain, brain, geometry)


@pytest.mark.parametrize(
    ("count", "wanted", "chosen"),
    [(10, 3, (1, 4, 7)), (10, 4, (1, 3, 5, 7)), (5, 9, (0, 1, 2, 3, 4)), (7, 1, (3,))],
)
def test_some_slices_are_evenly_spaced_and_in_the_middle(count, wanted, chosen):
    found = slices(count).some(wanted)
    assert found.geometry.slices == tuple(3 + index for index in chosen)
    np.testing.assert_array_equal(found.images, slices(count).images[list(chosen)])
    assert len(found) == len(found.brain) == len(found.truth) == len(chosen)


def test_a_pixel_is_as_wide_as_its_share_of_the_picture():
    assert slices(3).pixel_mm == pytest.approx(16 * 2 / 32)


def test_heat_is_rectified_before_it_is_upsampled():
    raw = np.array([[[-10.0, 2.0]]], dtype=np.float32)
    np.testing.assert_allclose(heat_of(raw, (1, 4))[0, 0], [0, 0.5, 1.5, 2.0])


def test_maps_of_slices_are_those_of_the_engine():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()
    scan = slices(5)
    images = scan.images
    found = explain_slices(model, images, scan.brain, 2, "gradcam", batch_size=2)
    expected = explain(model, torch.from_numpy(images), classes=2)
    assert found.layers == expected.layers
    torch.testing.assert_close(
        torch.from_numpy(found.raw["0"]), expected["0"].raw[:, 0], rtol=1e-4, atol=1e-6
    )
    assert found.blank["0"] == tuple(row[0] for row in expected["0"].blank)
    np.testing.assert_allclose(found.probabilities, expected.logits.softmax(1).numpy(), rtol=1e-5)


def test_maps_of_some_slices_are_those_of_these_slices():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    scan = slices(5)
    found = explain_slices(model.eval(), scan.images, scan.brain, 2, "gradcam").some([3, 1])
    expected = explain_slices(model, scan.images[[3, 1]], scan.brain[[3, 1]], 2, "gradcam")
    np.testing.assert_allclose(found.raw["0"], expected.raw["0"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-5)
    assert found.blank == expected.blank


def test_maps_explain_the_class_that_is_asked_for():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()
    scan = slices(3)
    settings = EvidenceSettings(methods=("gradcam",), fractions=(), sanity_slices=0, slices=1)
    asked = measure_scan(model, scan, settings, target=2, true_class=1)
    assert asked.maps["gradcam"].target == 2
    expected = explain(model, torch.from_numpy(scan.images), classes=2)["0"].raw[:, 0]
    torch.testing.assert_close(torch.from_numpy(asked.maps["gradcam"].raw["0"]), expected)
