"""Several methods on one batch: the same maps as by each alone, from the runs of the network that one of them takes."""

import warnings

import pytest
import torch
from torch import nn

import stratacam as sc
from stratacam.cam.methods import GRADIENT, LAYER_METHODS, REGISTRY, WEIGHTS
from stratacam.networks import SideBySide, build

BY_GRADIENTS = [name for name, method in REGISTRY.items() if method.kind in {GRADIENT, WEIGHTS}]


def images(count=3, size=32):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def network(seed=0):
    return build("small_cnn", 3, weights="none", seed=seed).eval()


class InPlace(nn.Module):
    """Layers whose outputs are changed after them, so that an activation is computed again."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3)
        self.last = nn.Linear(8, 3)

    def forward(self, given):
        found = torch.relu_(self.norm(self.first(given)).mul_(2))
        return self.last(torch.relu_(self.second(found)).mean(dim=(2, 3)))


class Mixing(nn.Module):
    """A network in which an image's score depends on those beside it."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

    def forward(self, given):
        found = torch.relu(self.first(given))
        return self.last((found - found.mean(dim=0)).square().mean(dim=(2, 3)))


class Writing(nn.Module):
    """A network that changes its inputs in place."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

    def forward(self, given, weight=None):
        given.sub_(0.5)
        if weight is not None:
            given.mul_(weight.mul_(2)[:, None, None, None])
        return self.last(torch.relu(self.first(given)).mean(dim=(2, 3)))


class Beside(nn.Module):
    """A network with a layer that the score does not depend on."""

    def __init__(self):
        super().__init__()
        self.first, self.aside, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

    def forward(self, given):
        self.aside(given)
        return self.last(torch.relu(self.first(given)).mean(dim=(2, 3)))


def same(found, expected):
    assert found.method == expected.method
    assert found.layers == expected.layers
    assert found.left_out == expected.left_out
    assert torch.equal(found.logits, expected.logits)
    assert torch.equal(found.classes, expected.classes)
    for maps, other in zip(found, expected, strict=True):
        assert torch.equal(maps.raw, other.raw), maps.name
        assert maps.blank == other.blank


@pytest.mark.parametrize("classes", ["predicted", "all", 1])
@pytest.mark.parametrize(
    "make", [network, InPlace, Mixing, lambda: SideBySide([network(0), network(1)], shared=0)]
)
def test_each_has_the_maps_that_it_has_alone(make, classes):
    torch.manual_seed(0)
    model = make().eval()
    options = {"classes": classes, "batch_size": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sc.explain_methods(model, images(), [*BY_GRADIENTS, "eigencam"], **options)
        assert list(found) == [*BY_GRADIENTS, "eigencam"]
        for method, explanation in found.items():
            same(explanation, sc.explain(model, images(), method=method, **options))


@pytest.mark.parametrize(
    "methods",
    [["eigencam", "gradcam", "scorecam"], ["ablationcam", "layercam"], ["guided_backprop", "input_gradient"]],
)
@pytest.mark.parametrize("smooth", [0, 2])
@pytest.mark.parametrize("several", [False, True])
def test_a_network_may_change_its_inputs(methods, smooth, several):
    torch.manual_seed(0)
    model = Writing().eval()
    given = (images(2, 16), torch.tensor([0.5, 0.7])) if several else images(2, 16)
    for order in (methods, methods[::-1]):
        found = sc.explain_methods(model, given, order, classes=1, smooth=smooth)
        for method in order:
            same(found[method], sc.explain(model, given, method=method, classes=1, smooth=smooth))


@pytest.mark.parametrize("place", [0, 1])
def test_a_function_that_works_in_place_spoils_nothing(place):
    def own(activation, gradient):
        return gradient.clamp_(min=0).mul_(activation.relu_()).sum(dim=1)

    methods = ["gradcam", "layercam"]
    methods.insert(place, own)
    model = network()
    found = sc.explain_methods(model, images(), methods, classes=1)
    for method in ("gradcam", "layercam"):
        same(found[method], sc.explain(model, images(), method=method, classes=1))
    for maps in found["layercam"]:  # which is the same where activations are after a ReLU
        other = found["own"][maps.name].raw
        torch.testing.assert_close(other, sc.explain(model, images(), method=own, classes=1)[maps.name].raw)


@pytest.mark.parametrize("methods", [["gradcam", "eigencam"], ["eigencam", "gradcam"]])
def test_a_layer_off_the_path_is_left_out_where_alone_it_would_be(methods):
    torch.manual_seed(0)
    model = Beside().eval()
    found = sc.explain_methods(model, images(), methods, classes=1)
    for method in methods:
        same(found[method], sc.explain(model, images(), method=method, classes=1))
    assert found["eigencam"].layers == ("first", "aside")
    assert found["gradcam"].layers == ("first",)
    with pytest.raises(ValueError, match="layer aside is not on the path to the score"):
        sc.explain_methods(model, images(), methods, layers="aside")
    with pytest.raises(ValueError, match="none of the layers has a map"):
        sc.explain_methods(model, images(), methods, layers="asi*")


def test_methods_of_every_kind_go_together():
    model, given = network(), images(2, 16)
    options = {"layers": ("block3_conv1", "block4_conv2"), "classes": 1}
    for method, explanation in sc.explain_methods(model, given, LAYER_METHODS, **options).items():
        same(explanation, sc.explain(model, given, method=method, **options))
    at_input = sc.explain_methods(model, given, ["guided_backprop", "input_gradient"], classes=1)
    for method, explanation in at_input.items():
        same(explanation, sc.explain(model, given, method=method, classes=1))


def test_the_same_noise_is_for_all():
    model, options = network(), {"smooth": 3, "seed": 4, "classes": 1}
    for method, explanation in sc.explain_methods(
        model, images(), ["gradcam", "layercam"], **options
    ).items():
        same(explanation, sc.explain(model, images(), method=method, **options))


def test_methods_by_gradients_share_one_forward_and_one_backward():
    counts = {"forward": 0, "backward": 0}

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(_, values):
            counts["forward"] += 1
            return values.clone()

        @staticmethod
        def backward(_, gradient):
            counts["backward"] += 1
            return gradient

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)

        def forward(self, given):
            found = Counted.apply(torch.relu(self.first(given)))
            return self.last(self.second(found).mean(dim=(2, 3)))

    torch.manual_seed(0)
    model = Counting().eval()
    sc.explain(model, images(), classes=0)
    alone = dict(counts)
    sc.explain_methods(model, images(), BY_GRADIENTS, classes=0)
    assert counts["backward"] == 2 * alone["backward"]
    assert counts["forward"] <= 2 * alone["forward"]


def test_functions_of_ones_own_are_known_by_their_names():
    def own(activation, gradient):
        return (activation * gradient).sum(dim=1)

    model = network()
    found = sc.explain_methods(model, images(), [own, "hirescam"], classes=1)
    assert list(found) == ["own", "hirescam"]
    torch.testing.assert_close(found["own"]["block3_conv1"].raw, found["hirescam"]["block3_conv1"].raw)


def test_a_text_is_no_list_of_methods():
    with pytest.raises(TypeError, match=r"found the text 'gradcam'; expected a list, such as \['gradcam'\]"):
        sc.explain_methods(network(), images(), "gradcam")


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ([], "found none; expected one or more"),
        (["gradcam", "gradcam"], "found gradcam, gradcam; expected one or more, each of a name of its own"),
        (
            ["gradcam", "input_gradient"],
            "input_gradient is of the input, and the others of layers: ask for them apart",
        ),
        (["gradcam", "nothing"], "found 'nothing'; expected one of gradcam"),
    ],
)
def test_what_cannot_go_together_is_refused(methods, message):
    with pytest.raises(ValueError, match=message):
        sc.explain_methods(network(), images(), methods)
