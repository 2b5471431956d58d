"""Grad-CAM against hand calculation, the classical CAM, and separate passes."""

import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional

from stratacam import cam
from stratacam.cam.compact_graph import CompactGraph
from stratacam.networks import build


@pytest.fixture(scope="module")
def vgg16():
    return build("vgg16", 3, weights="none", seed=1).eval()


@pytest.fixture(scope="module")
def pictures():
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return images.contiguous(memory_format=torch.channels_last)  # the other order rounds otherwise


@pytest.fixture
def tiny():
    """A 1 x 1 convolution with two channels, GAP and two classes, all weights known."""
    convolution = nn.Conv2d(1, 2, kernel_size=1)
    head = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1))
        convolution.bias.copy_(torch.tensor([0.0, 3.0]))
        head.weight.copy_(torch.tensor([[2.0, 4.0], [-2.0, 0.0]]))
    return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def test_values_of_a_tiny_network_equal_the_hand_calculation(tiny):
    image = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]]]])
    # A_0 = x, A_1 = 3 - x; alpha = w / 4 positions: class 0 gives (0.5, 1), class 1 gives (-0.5, 0).
    result = cam.explain(tiny, image, layers="0", classes="all")
    by_hand = torch.tensor([[[2.5, 2.0], [3.0, 0.5]], [[-0.5, -1.0], [-0.0, -2.5]]])
    torch.testing.assert_close(result["0"].raw[0], by_hand)
    assert result["0"].blank == (("", "all negative"),)
    # mean of A: (2, 1) -> logits 2*2 + 4*1 = 8 and -2*2 = -4
    torch.testing.assert_close(result.logits, torch.tensor([[8.0, -4.0]]))


def test_channel_weight_is_the_mean_gradient():
    gradient = torch.rand(2, 5, 4, 3, generator=torch.Generator().manual_seed(3))
    slow = torch.zeros(2, 5)
    for image in range(2):
        for channel in range(5):
            slow[image, channel] = sum(float(value) for value in gradient[image, channel].flatten()) / 12
    torch.testing.assert_close(cam.methods.gradient.gradcam(gradient), slow)


def test_map_before_gap_equals_the_classical_cam(vgg16, pictures):
    raw = cam.explain(vgg16, pictures, layers="block5_pool", classes=[0, 1, 2])["block5_pool"].raw[:, 0]
    with torch.no_grad():
        features = vgg16[: list(dict(vgg16.named_children())).index("gap")](pictures)
    positions = features.shape[2] * features.shape[3]
    classical = torch.einsum("bk,bkhw->bhw", vgg16.predictions.weight[[0, 1, 2]], features) / positions
    assert (raw - classical).abs().max() <= 1e-5 * classical.abs().max()


def test_one_pass_for_all_layers_equals_a_pass_for_each_layer(vgg16, pictures):
    together = cam.explain(vgg16, pictures, classes=2)
    assert len(together.layers) == 18
    names = list(dict(vgg16.named_children()))
    for name in together.layers:
        cut = names.index(name) + 1
        features = vgg16[:cut](pictures).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(vgg16[cut:](features)[:, 2].sum(), features)
        alone = (gradient.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1)
        assert (together[name].raw[:, 0] - alone).abs().max() <= 1e-4 * alone.abs().max(), name


def test_batches_do_not_change_the_maps(vgg16, pictures):
    whole = cam.explain(vgg16, pictures, layers="block4_*", batch_size=8)
    single = cam.explain(vgg16, pictures, layers="block4_*", batch_size=1)
    assert whole.classes.tolist() == single.classes.tolist()
    for name in whole.layers:
        torch.testing.assert_close(whole[name].raw, single[name].raw, rtol=1e-3, atol=1e-6)


def test_predicted_classes_of_a_batch_may_differ(tiny):
    images = torch.tensor([[[[1.0]]], [[[9.0]]]])  # logits (2x + 4(3-x), -2x): (10, -2) and (-6, -18)
    tiny[3].weight.data[1] = torch.tensor([2.0, 0.0])  # second class now 2x: 2 and 18
    result = cam.explain(tiny, images, layers="0")
    assert result.classes.tolist() == [[0], [1]]
    torch.testing.assert_close(result["0"].raw.flatten(), torch.tensor([10.0, 18.0]))


def test_model_is_put_back_as_it_was(vgg16, pictures):
    vgg16.train()
    vgg16.block3_conv1.eval()
    vgg16.block1_conv1.weight.requires_grad_(False)
    with torch.no_grad():
        cam.explain(vgg16, pictures[:1], layers="block5_*")
    with pytest.raises(ValueError, match=r"classes: found .*; expected 0 to 2"):
        cam.explain(vgg16, pictures[:1], classes=7)
    assert vgg16.training
    assert not vgg16.block3_conv1.training
    assert [name for name, p in vgg16.named_parameters() if not p.requires_grad] == ["block1_conv1.weight"]
    assert all(parameter.grad is None for parameter in vgg16.parameters())
    assert not any(module._forward_hooks for module in vgg16.modules())


def test_a_layer_off_the_path_is_refused_with_its_name():
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.aside = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)

        def forward(self, x):
            self.aside(x)
            return self.used(x).mean(dim=(2, 3))

    with pytest.raises(ValueError, match="layer aside is not on the path to the score"):
        cam.explain(Aside(), torch.rand(1, 1, 4, 4), layers=["used", "aside"])
    result = cam.explain(Aside(), torch.rand(1, 1, 4, 4))
    assert result.layers == ("used",)
    assert "not on the path" in result.left_out["aside"]


def test_blank_maps_are_named_and_stay_zero(tiny):
    dark = torch.zeros(1, 1, 2, 2)
    tiny[3].weight.data[:] = 0
    result = cam.explain(tiny, dark, layers="0", classes=0)
    assert result["0"].blank == (("zero gradient",),)
    assert result["0"].heatmap(size=(4, 4)).abs().max() == 0


def test_normalisations_divide_by_the_maximum_they_name():
    raw = torch.tensor([[[[4.0, -8.0]], [[1.0, 0.0]]], [[[2.0, 1.0]], [[0.5, 0.25]]]])
    largest = {
        "map": [[4.0, 1.0], [2.0, 0.5]],
        "volume": [[4.0, 1.0], [4.0, 1.0]],
        "layer": [[4.0, 4.0], [4.0, 4.0]],
    }
    for name, maxima in largest.items():
        expected = raw.clamp_min(0) / torch.tensor(maxima)[:, :, None, None]
        torch.testing.assert_close(cam.view(raw, normalise=name), expected)
    torch.testing.assert_close(cam.view(raw, normalise="none", relu=False), raw)


def test_upsampling_is_linear_between_position_centres():
    raw = torch.tensor([[[[0.0, 4.0]]]])
    wide = cam.view(raw, size=(1, 4), normalise="none")
    torch.testing.assert_close(wide, torch.tensor([[[[0.0, 1.0, 3.0, 4.0]]]]))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_input_of_an_average_pool_is_not_kept_for_its_gradient(axes):
    pool = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}[axes]
    image = torch.rand(2, 64, *[round(4096 ** (1 / axes))] * axes, requires_grad=True)
    (expected,) = torch.autograd.grad(pool(image * 2, 2).square().sum(), image)
    with CompactGraph():
        given = image * 2
        kept, pooled = weakref.ref(given), pool(given, 2)
    del given
    assert kept() is None
    assert torch.equal(torch.autograd.grad(pooled.square().sum(), image)[0], expected)
