"""Few pictures at once on a CPU, and bfloat16 where scores allow it."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from stratacam.evidence.faithfulness.pictures import RemovedPixels
from stratacam.learning.forward import compute_logits
from stratacam.networks import build, on_cpu


def _sizes(*shape, device="cpu"):
    return [len(part) for (part,) in on_cpu.parts_that_fit([torch.zeros(shape)], device)]


def test_pictures_go_through_a_network_in_parts_by_their_pixels():
    assert _sizes(10, 1, 128, 128) == [4, 4, 2]
    assert _sizes(10, 1, 64, 64) == [10]
    assert _sizes(3, 1, 512, 512) == [1, 1, 1]
    assert _sizes(10, 1, 128, 128, device="cuda") == [10]


def test_every_input_is_cut_alike():
    parts = list(on_cpu.parts_that_fit([torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 1, 128, 128),
                                        torch.arange(6.0)], "cpu"))  # fmt: skip
    for pictures, numbers in parts:
        assert torch.equal(pictures[:, 0, 0, 0], numbers)


def test_parts_change_no_logit(monkeypatch):
    model = build("small_cnn", classes=3, weights="none").eval()
    pictures = torch.rand(5, 3, 64, 64)
    whole = compute_logits(model, lambda rows: (pictures[rows],), 5)
    monkeypatch.setattr(on_cpu, "PIXELS", 2 * 64 * 64)
    np.testing.assert_allclose(compute_logits(model, lambda rows: (pictures[rows],), 5), whole, rtol=1e-5)


@pytest.mark.parametrize("brain", ["features", "off"])
def test_probabilities_of_removed_pixels_in_bfloat16_are_those_of_single_precision(monkeypatch, brain):
    torch.manual_seed(0)
    model = build("small_cnn", classes=3, weights="none", brain=brain).eval()
    random = np.random.default_rng(0)
    image = ndimage.gaussian_filter(random.random((3, 64, 64)), (0, 2, 2)).astype(np.float32)
    inside = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 28
    masks = [(ndimage.gaussian_filter(random.normal(size=(64, 64)), 4) > 0.02) & inside for _ in range(8)]

    def found(bfloat16):
        monkeypatch.setattr(on_cpu, "_has_bfloat16", lambda: bfloat16)
        pictures = RemovedPixels(image, inside, 0.01, np.random.default_rng(1))
        for mask in masks:
            pictures.imputed(mask)
        return pictures.probabilities(model, 0, 32)

    exact, rounded = found(bfloat16=False), found(bfloat16=True)
    assert 0 < np.abs(rounded - exact).max() < 0.005
