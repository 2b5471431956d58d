"""Every method against a slow re-implementation of its definition, and the laws that follow from it."""

import math

import numpy as np
import pytest
import torch
from example_networks import Plain, Residual, Volume, activation_and_gradient, images_for, make
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import stratacam as sc
from stratacam.cam.methods.eigencam import eigencam
from stratacam.cam.methods.gradient import gradcam as weights_of_gradcam
from stratacam.cam.methods.gradient import (
    gradcam_plus_plus,
    gradient_x_activation,
    hirescam,
    layercam,
    multiscale_gradcam,
    xgradcam,
)
from stratacam.cam.passes import sum_of_channels


def slow(weigh):
    """A map by loops: `weigh(A, g, position, A_k, g_k)` is what a position of a channel adds for its activation."""

    def maps(activation, gradient):
        result = torch.zeros(len(activation), *activation.shape[2:], dtype=torch.float64)
        for image in range(len(activation)):
            for channel in range(activation.shape[1]):
                a, g = activation[image, channel].double(), gradient[image, channel].double()
                for position in np.ndindex(*a.shape):
                    result[(image, *position)] += weigh(a, g, position) * float(a[position])
        return result

    return maps


def plus_plus_weight(a, g, _position):
    """Equation 19 written out, denominator and all."""
    weight = 0.0
    for position in np.ndindex(*g.shape):
        value = float(g[position])
        denominator = 2 * value**2 + float((a * value**3).sum())
        alpha = value**2 / denominator if denominator != 0 else 0.0
        weight += alpha * max(value, 0.0)
    return weight


def gradcam(activation, gradient):
    return sum_of_channels(weights_of_gradcam(gradient)[:, None], activation)[:, 0]


def multiscale_weight(_a, g, position):
    """The mean of three: the gradient there, over what lies within two cells along every axis, and over the map."""
    window = tuple(slice(max(place - 2, 0), place + 3) for place in position)
    return float(g[position] + g[window].mean() + g.mean()) / 3


DEFINITIONS = {
    gradcam: lambda _a, g, _p: float(g.sum()) / g.numel(),
    gradcam_plus_plus: plus_plus_weight,
    xgradcam: lambda a, g, _p: float((a * g).sum() / a.sum()) if float(a.sum()) else 0.0,
    hirescam: lambda _a, g, p: float(g[p]),
    multiscale_gradcam: multiscale_weight,
    layercam: lambda _a, g, p: max(float(g[p]), 0.0),
    gradient_x_activation: lambda a, g, p: float(g[p]) if float(g[p] * a[p]) > 0 else 0.0,
}


@pytest.mark.parametrize("function", DEFINITIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 4, 5), (1, 2, 3, 4, 2)], ids=["1D", "2D", "3D"])
def test_function_equals_its_definition_by_loops(function, shape):
    generator = torch.Generator().manual_seed(len(shape))
    activation = torch.rand(shape, generator=generator)  # after a ReLU, so that Grad-CAM++ divides by no zero
    activation[0, 0] = 0
    gradient = torch.randn(shape, generator=generator)
    gradient[0, 1].flatten()[:2] = 0
    expected = slow(DEFINITIONS[function])(activation, gradient)
    torch.testing.assert_close(function(activation, gradient).double(), expected, rtol=1e-4, atol=1e-5)


def test_where_the_window_is_the_map_multiscale_gradcam_is_two_thirds_gradcam_and_one_third_hirescam():
    generator = torch.Generator().manual_seed(0)
    activation, gradient = torch.randn(2, 2, 4, 3, 3, generator=generator)
    expected = (2 * gradcam(activation, gradient) + hirescam(activation, gradient)) / 3
    torch.testing.assert_close(multiscale_gradcam(activation, gradient), expected)


def test_gradcam_plus_plus_does_not_lose_small_gradients():
    """torch-cam leaves the denominator's sum out; with it, g^3 of a small gradient is lost in single precision."""
    activation = torch.full((1, 1, 2, 2), 3.0)
    gradient = torch.full((1, 1, 2, 2), 1e-14)
    # alpha = 1 / (2 + 1e-14 * 12) = 0.5, w = 4 * 0.5 * 1e-14, map = 3 w
    torch.testing.assert_close(gradcam_plus_plus(activation, gradient), torch.full((1, 2, 2), 6e-14))
    steep = torch.full(
        (1, 1, 2, 2), 0.5
    )  # alpha = 1 / (2 + 0.5 * 12) = 1/8: w = 4 * 0.5 / 8, without it 4 * 0.5 / 2
    torch.testing.assert_close(gradcam_plus_plus(activation, steep), torch.full((1, 2, 2), 0.75))


def test_eigencam_is_the_first_component_whose_sum_is_positive():
    generator = torch.Generator().manual_seed(0)
    for shape in ((3, 4, 6, 5), (2, 40, 3, 4), (1, 5, 7)):
        activation = torch.randn(shape, generator=generator)
        for image, found in zip(activation, eigencam(activation), strict=True):
            matrix = image.flatten(1).T.numpy()
            _, _, right = np.linalg.svd(matrix, full_matrices=False)
            expected = matrix @ right[0]
            expected = expected * (1 if expected.sum() >= 0 else -1)
            np.testing.assert_allclose(found.flatten(), expected, rtol=1e-3, atol=1e-3)
    assert eigencam(torch.zeros(1, 3, 4, 4)).abs().max() == 0


def test_scorecam_equals_one_channel_and_image_at_a_time():
    model, images = make(Plain).eval(), images_for(Plain, count=2)
    result = sc.explain(model, images, layers="conv2", classes=[0, 2], method="scorecam", batch_size=4)
    for image, target in enumerate((0, 2)):
        activation, _ = activation_and_gradient(model, images, "conv2", [0, 0])
        scores = []
        for channel in activation[image]:
            large = F.interpolate(channel[None, None], (20, 20), mode="bilinear", align_corners=False)
            mask = (large - large.min()) / (large.max() - large.min())
            scores.append(float(model(images[image : image + 1] * mask)[0, target].detach()))
        weights = [math.exp(score) / sum(math.exp(other) for other in scores) for score in scores]
        expected = sum(weight * channel for weight, channel in zip(weights, activation[image], strict=True))
        torch.testing.assert_close(result["conv2"].raw[image, 0], expected, rtol=1e-4, atol=1e-6)


def test_ablationcam_equals_one_channel_and_image_at_a_time():
    model, images = make(Residual, in_place=True).eval(), images_for(Residual, count=2)
    result = sc.explain(model, images, layers="conv1", classes="all", method="ablationcam", batch_size=3)
    plain = make(Residual).eval()
    activation, _ = activation_and_gradient(plain, images, "conv1", [0, 0])
    for image in range(2):
        one = images[image : image + 1]
        expected = torch.zeros(4, *activation.shape[2:])
        for channel in range(activation.shape[1]):

            def ablate(_module, _inputs, output, channel=channel):
                output = output.clone()
                output[:, channel] = 0
                return output

            hook = plain.conv1.register_forward_hook(ablate)
            without = plain(one)[0]
            hook.remove()
            loss = (plain(one)[0] - without).detach()
            expected += loss[:, None, None] * activation[image, channel]
        torch.testing.assert_close(result["conv1"].raw[image], expected, rtol=1e-3, atol=1e-5)


def test_ablationcam_of_a_negative_logit_is_not_turned_over():
    model = nn.Sequential(
        nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)
    )
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[3].weight.copy_(torch.tensor([[1.0], [0.0]]))
        model[3].bias.copy_(torch.tensor([-9.0, 0.0]))
    image = torch.tensor(
        [[[[1.0, 3.0]]]]
    )  # y = 2 - 9 = -7; without the channel -9: w = 2, which divided by y is < 0
    raw = sc.explain(model, image, layers="0", classes=0, method="ablationcam")["0"].raw
    torch.testing.assert_close(raw[0, 0], torch.tensor([[2.0, 6.0]]))


def test_input_gradient_is_the_slope_of_the_logit():
    model, images = make(Plain).double().eval(), images_for(Plain, count=1).double()
    raw = sc.explain(model, images, classes=1, method="input_gradient")["input"].raw[0, 0]
    for position in ((3, 4), (10, 17), (19, 0)):
        slopes = []
        for channel in range(3):
            step = torch.zeros_like(images)
            step[(0, channel, *position)] = 1e-6
            slopes.append(float((model(images + step) - model(images - step)).detach()[0, 1]) / 2e-6)
        assert float(raw[position]) == pytest.approx(max(slopes, key=abs), rel=1e-4)


@pytest.mark.parametrize("in_place", [False, True])
def test_guided_backprop_passes_positive_gradients_through_active_units_alone(in_place):
    torch.manual_seed(0)
    first, second = nn.Linear(6, 5), nn.Linear(5, 2)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.relu = first, second, nn.ReLU(in_place)

        def forward(self, x):
            x = self.relu(self.first(x.flatten(1)))
            return F.relu(self.second(x), in_place)

    image = torch.rand(1, 1, 6)
    raw = sc.explain(Network(), image, classes=0, method="guided_backprop")["input"].raw[0, 0]
    hidden = first(image.flatten(1)).detach()[0]
    output = second(hidden.clamp_min(0)).detach()[0]
    gradient = torch.tensor([1.0, 0.0]) * (output > 0)
    gradient = (gradient @ second.weight.detach()).clamp_min(0) * (hidden > 0)
    torch.testing.assert_close(raw, gradient @ first.weight.detach())


def test_guided_backprop_without_relus_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ValueError, match="needs a network with ReLUs"):
        sc.explain(model, torch.rand(1, 1, 8, 8), method="guided_backprop")


@pytest.mark.parametrize("method", ["gradcam", "layercam", "input_gradient"])
def test_smoothing_is_the_mean_over_noisy_copies(method):
    model, images = make(Plain), images_for(Plain, count=2)
    at_input = method == "input_gradient"
    layers = {} if at_input else {"layers": "conv2"}
    name = "input" if at_input else "conv2"
    smoothed = sc.explain(model, images, classes=1, method=method, smooth=3, noise=0.2, seed=7, **layers)
    generator = torch.Generator().manual_seed(7)
    spread = 0.2 * (images.flatten(1).amax(1) - images.flatten(1).amin(1))[:, None, None, None]
    copies = [images + spread * torch.randn(images.shape[1:], generator=generator) for _ in range(3)]
    if at_input:
        gradients = []
        for copy in copies:
            copy.requires_grad_()
            gradients.append(torch.autograd.grad(model.eval()(copy)[:, 1].sum(), copy)[0])
        mean = torch.stack(gradients).mean(dim=0)
        expected = mean.gather(1, mean.abs().argmax(dim=1, keepdim=True))[:, 0]
    else:
        maps = [sc.explain(model, copy, classes=1, method=method, **layers)[name].raw for copy in copies]
        expected = torch.stack(maps).mean(dim=0)[:, 0]
    torch.testing.assert_close(smoothed[name].raw[:, 0], expected, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(smoothed.logits, model.eval()(images).detach(), rtol=1e-4, atol=1e-5)


def test_smoothing_keeps_the_class_of_the_image_itself():
    model, images = make(Plain), images_for(Plain)
    plain = sc.explain(model, images)
    noisy = sc.explain(model, images, smooth=2, noise=5.0)
    assert torch.equal(noisy.classes, plain.classes)


def test_with_gap_and_a_linear_output_three_methods_are_cam_and_sum_to_the_logit():
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv2d(2, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)
    )
    images = torch.rand(2, 2, 9, 9)
    features = model[:2](images).detach()
    cam = torch.einsum("ck,bkhw->bchw", model[4].weight.detach(), features) / 49
    for method in ("gradcam", "hirescam", "xgradcam"):
        result = sc.explain(model, images, layers="1", classes="all", method=method)
        torch.testing.assert_close(result["1"].raw, cam, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(
            result["1"].raw.sum(dim=(2, 3)) + model[4].bias.detach(), result.logits, rtol=1e-4, atol=1e-5
        )


def test_with_flatten_hirescam_and_xgradcam_sum_to_the_logit_and_gradcam_does_not():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(4 * 36, 3))
    images = torch.rand(2, 2, 8, 8)
    short = {}
    for method in ("hirescam", "xgradcam", "gradcam"):
        result = sc.explain(model, images, layers="1", classes="all", method=method)
        total = result["1"].raw.sum(dim=(2, 3)) + model[3].bias.detach()
        short[method] = float((total - result.logits).abs().max())
    assert short["hirescam"] < 1e-5
    assert short["xgradcam"] < 1e-5
    assert short["gradcam"] > 0.01


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 11), st.integers(0, 11))
def test_maps_move_with_the_image_where_the_network_is_circular(down, right):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular"), nn.ReLU(),
        nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2),
    )  # fmt: skip
    image = torch.rand(1, 1, 12, 12)
    here = sc.explain(model, image, classes=0)
    there = sc.explain(model, image.roll((down, right), (2, 3)), classes=0)
    for name in here.layers:
        expected = here[name].raw.roll((down, right), (2, 3))
        torch.testing.assert_close(there[name].raw, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", ["gradcam", "xgradcam", "hirescam", "layercam", "ablationcam"])
def test_a_class_weighted_twice_as_much_has_maps_twice_as_strong(method):
    model, images = make(Volume), images_for(Volume, count=1)
    before = sc.explain(model, images, layers="conv2", classes=1, method=method)["conv2"].raw
    with torch.no_grad():
        model.head.weight[1] *= 2
    after = sc.explain(model, images, layers="conv2", classes=1, method=method)["conv2"].raw
    torch.testing.assert_close(after, 2 * before, rtol=1e-4, atol=1e-6)


def test_a_function_of_ones_own_is_a_method():
    def strongest(activation, gradient):
        return (activation * gradient).amax(dim=1)

    model, images = make(Plain), images_for(Plain)
    result = sc.explain(model, images, layers="conv2", classes=0, method=strongest)
    activation, gradient = activation_and_gradient(model, images, "conv2", [0, 0, 0])
    assert result.method == "strongest"
    torch.testing.assert_close(
        result["conv2"].raw[:, 0], (activation * gradient).amax(dim=1), rtol=1e-4, atol=1e-7
    )
    with pytest.raises(ValueError, match=r"method: found 'gradkam'; expected one of gradcam"):
        sc.explain(model, images, method="gradkam")
