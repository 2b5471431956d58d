"""What may be given: inputs, classes, outputs; and what is refused, in words."""

import warnings
from types import SimpleNamespace

import pytest
import torch
from example_networks import Plain, images_for, make
from torch import nn
from torch.nn import functional as F

import stratacam as sc


class TwoInputs(nn.Module):
    """An image and a vector, and a mask by name."""

    def __init__(self):
        super().__init__()
        self.conv, self.age, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(2, 4), nn.Linear(4, 2)

    def forward(self, age, image, scale=1.0, *, mask=None):
        x = F.relu(self.conv(image)) * scale
        x = x if mask is None else x * mask
        return self.head(x.mean(dim=(2, 3)) + self.age(age))


class Wrapped(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.model, self.wrap = make(Plain), wrap

    def forward(self, x):
        return self.wrap(self.model(x))


def test_several_inputs_are_cut_together_and_maps_lie_on_the_image():
    torch.manual_seed(0)
    model = TwoInputs()
    age, image, mask = torch.rand(5, 2), torch.rand(5, 1, 6, 7), torch.rand(5, 1, 6, 7)
    whole = sc.explain(model, (age, image, 2.0), kwargs={"mask": mask}, batch_size=2)
    assert whole["conv"].raw.shape == (5, 1, 6, 7)
    torch.testing.assert_close(whole.logits, model(age, image, 2.0, mask=mask).detach())
    for index in range(5):
        one = sc.explain(
            model, (age[index : index + 1], image[index : index + 1], 2.0), kwargs={"mask": mask[index]}
        )
        torch.testing.assert_close(one["conv"].raw[0], whole["conv"].raw[index])
    named = sc.explain(
        model, (age,), kwargs={"image": image, "scale": 2.0, "mask": mask}, spatial_input="mask"
    )
    torch.testing.assert_close(named["conv"].raw, whole["conv"].raw)
    at_mask = sc.explain(
        model, (age, image), kwargs={"mask": mask}, spatial_input="mask", method="input_gradient", classes=0
    )["input"].raw
    given = mask.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(age, image, mask=given)[:, 0].sum(), given)
    torch.testing.assert_close(at_mask, expected)


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (torch.rand(3, 20), {}, r"no input is a floating-point image .* found \(3, 20\) torch.float32"),
        (
            torch.zeros(1, 3, 20, 20, dtype=torch.long),
            {},
            r"no input is a floating-point image .*int64.*image\.float",
        ),
        (torch.rand(0, 3, 20, 20), {}, "holds no image"),
        (torch.rand(1, 3, 20, 20), {"spatial_input": 1}, "no input spatial_input=1; the inputs are 0"),
        (
            torch.rand(1, 3, 20, 20),
            {"batch_size": 0},
            "batch_size: found 0; expected a whole number of at least 1",
        ),
        (torch.rand(1, 3, 20, 20), {"smooth": -1}, "smooth: found -1; expected a whole number"),
        (torch.rand(1, 3, 20, 20), {"layers": []}, "layers is empty; the layers are: conv1, conv2, pool"),
        (torch.rand(1, 3, 20, 20), {"layers": "head"}, r"head gives \(1, 3\), which is not a feature map"),
        (torch.rand(1, 3, 20, 20), {"layers": nn.Conv2d(1, 1, 1)}, "Conv2d given is no submodule"),
        (torch.rand(1, 3, 20, 20), {"layers": "conv1", "method": "input_gradient"}, "takes no layers"),
        (torch.rand(3, 3, 20, 20), {"classes": [0, 1]}, r"classes has 2 entries for 3 image\(s\)"),
        (torch.rand(2, 3, 20, 20), {"classes": [[0, 1], [2]]}, "a list of as many for each"),
        (torch.rand(1, 3, 20, 20), {"classes": 1.5}, "expected whole numbers"),
        (torch.rand(1, 3, 20, 20), {"classes": -1}, "expected 0 to 2"),
        (torch.rand(1, 3, 20, 20), {"classes": "best"}, "classes: found 'best'; expected"),
    ],
)
def test_wrong_calls_are_refused_with_what_was_found(inputs, options, message):
    with pytest.raises(ValueError, match=message):
        sc.explain(make(Plain), inputs, **options)


def test_classes_by_image_and_lists_by_image():
    model, images = make(Plain), images_for(Plain)
    every = sc.explain(model, images, classes="all")["conv2"].raw
    single = sc.explain(model, images, classes=[2, 0, 1], batch_size=2)
    assert single.classes.tolist() == [[2], [0], [1]]
    several = sc.explain(model, images, classes=[[2, 0], [0, 1], [1, 1]], batch_size=2)
    for image, (first, second) in enumerate([(2, 0), (0, 1), (1, 1)]):
        torch.testing.assert_close(single["conv2"].raw[image, 0], every[image, first])
        torch.testing.assert_close(several["conv2"].raw[image, 1], every[image, second])


@pytest.mark.parametrize("squeeze", [False, True], ids=["(B, 1)", "(B,)"])
def test_a_single_logit_speaks_for_class_one_and_against_class_zero(squeeze):
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1)]
    model = nn.Sequential(*layers, *([nn.Flatten(0)] if squeeze else []))
    images = torch.randn(6, 1, 8, 8) * 3
    result = sc.explain(model, images)
    assert result.logits.shape == (6, 1)
    assert torch.equal(result.classes, (result.logits > 0).long())
    both = sc.explain(model, images, classes="all")
    assert both.classes.tolist() == [[0, 1]] * 6
    torch.testing.assert_close(both["0"].raw[:, 0], -both["0"].raw[:, 1])
    with pytest.raises(ValueError, match="expected 0 to 1"):
        sc.explain(model, images, classes=2)


@pytest.mark.parametrize(
    "wrap",
    [
        nn.Softmax(dim=1),
        nn.LogSoftmax(dim=1),
        nn.Sigmoid(),
        lambda x: x.softmax(-1),
        lambda x: F.log_softmax(x, dim=1),
        torch.sigmoid,
    ],
)
@pytest.mark.parametrize("method", ["gradcam", "scorecam", "input_gradient"])
def test_the_logits_before_a_final_softmax_are_explained(wrap, method):
    images = images_for(Plain)
    layers = {} if method == "input_gradient" else {"layers": "model.conv2"}
    plain = sc.explain(Wrapped(lambda x: x), images, method=method, classes=1, **layers)
    softened = sc.explain(Wrapped(wrap), images, method=method, classes=1, **layers)
    assert torch.equal(softened.logits, plain.logits)
    assert torch.equal(softened[softened.layers[0]].raw, plain[plain.layers[0]].raw)


def test_probabilities_that_hide_their_softmax_are_told():
    with pytest.warns(UserWarning, match="seems to give probabilities"):
        sc.explain(Wrapped(lambda x: x.softmax(1) * 1.0), images_for(Plain))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sc.explain(Wrapped(lambda x: x), images_for(Plain))


@pytest.mark.parametrize("wrap", [lambda x: {"logits": x, "other": 1}, lambda x: SimpleNamespace(logits=x)])
def test_logits_are_found_by_their_name(wrap):
    images = images_for(Plain)
    plain = sc.explain(Wrapped(lambda x: x), images)
    assert torch.equal(sc.explain(Wrapped(wrap), images)["model.conv1"].raw, plain["model.conv1"].raw)


def test_segmentation_and_several_heads_are_explained_by_a_function():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    images = torch.rand(3, 1, 8, 8)
    with pytest.raises(ValueError, match=r"gives \(3, 2, 8, 8\), not logits .* give classes as a function"):
        sc.explain(model, images)
    centre = sc.explain(model, images, layers="0", classes=lambda output: output[:, 1, 4, 4], batch_size=2)
    assert centre.logits.shape == (3, 1)
    outside = torch.ones(8, 8, dtype=torch.bool)
    outside[4, 4] = False
    hires = sc.explain(
        model, images, layers="0", classes=lambda output: output[:, 1, 4, 4], method="hirescam"
    )
    assert hires["0"].raw[:, 0, outside].abs().max() == 0  # nothing else is in the score

    heads = Wrapped(lambda x: (x, x.flip(1)))
    two = sc.explain(
        heads, images_for(Plain), classes=lambda output: torch.stack([output[0][:, 0], output[1][:, 0]], 1)
    )
    both = sc.explain(make(Plain), images_for(Plain), classes=[[0, 2]] * 3)
    torch.testing.assert_close(two["model.conv1"].raw, both["conv1"].raw)
    with pytest.raises(ValueError, match="expected scores"):
        sc.explain(heads, images_for(Plain), classes=lambda output: output[0].sum())


def test_layers_come_in_the_order_asked():
    """pytorch-grad-cam hands maps back in the order of the backward."""
    model = make(Plain)
    result = sc.explain(model, images_for(Plain), layers=["pool", model.conv2, "conv1", "pool"])
    assert result.layers == ("pool", "conv2", "conv1")
    assert [maps.name for maps in result] == ["pool", "conv2", "conv1"]
    with pytest.raises(KeyError, match="'conv9' was not explained; the layers are: pool, conv2, conv1"):
        result["conv9"]


def test_one_channel_images_are_given_in_either_memory_order():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.rand(2, 1, 16, 16)
    found = sc.explain(model, images)
    other = sc.explain(model, images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found["0"].raw, other["0"].raw)


def test_a_layer_of_one_head_has_an_empty_map_for_the_other():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return torch.stack([self.left(x).mean(dim=(1, 2, 3)), self.right(x).mean(dim=(1, 2, 3))], dim=1)

    torch.manual_seed(0)
    result = sc.explain(Heads(), torch.rand(3, 1, 6, 6), classes="all")
    for name, own, other in (("left", 0, 1), ("right", 1, 0)):
        assert result[name].raw[:, own].abs().max() > 0
        assert result[name].raw[:, other].abs().max() == 0
        assert {row[other] for row in result[name].blank} == {"zero gradient"}
        assert {row[own] for row in result[name].blank} <= {"", "all negative"}


def test_a_method_that_gives_no_maps_is_refused_with_the_shapes():
    with pytest.raises(ValueError, match=r"gives \(3, 8, 20, 20\) for conv1; expected \(3, 20, 20\)"):
        sc.explain(make(Plain), images_for(Plain), layers="conv1", method=lambda a, g: a * g)
