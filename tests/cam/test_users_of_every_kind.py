"""What real models and callers do that a textbook network does not: hidden sigmoids, features last, threads."""

import threading
import warnings

import numpy as np
import pytest
import torch
from example_networks import Plain, images_for, make
from torch import nn
from torch.ao.nn import quantized
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import stratacam as sc


class Sure(nn.Module):
    """A binary network that says no: its single logit is about -3."""

    def __init__(self, end):
        super().__init__()
        self.conv, self.head, self.end = nn.Conv2d(3, 4, 3), nn.Linear(4, 1), end
        nn.init.constant_(self.head.bias, -3.0)

    def forward(self, x):
        return self.end(self.head(self.conv(x).relu().mean(dim=(2, 3))))


SHAPES = {
    "view": lambda z: torch.sigmoid(z).view(-1),
    "squeeze": lambda z: torch.sigmoid(z).squeeze(1),
    "flatten": lambda z: torch.sigmoid(z).flatten(),
    "column": lambda z: torch.sigmoid(z)[:, 0],
    "hard": lambda z: F.hardsigmoid(z).view(-1),
}


@pytest.mark.parametrize("end", SHAPES.values(), ids=SHAPES)
def test_a_sigmoid_in_another_shape_is_followed_to_its_logit(end):
    torch.manual_seed(0)
    model = Sure(end)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = sc.explain(model, torch.rand(4, 3, 12, 12))
    assert result.classes.flatten().tolist() == [0, 0, 0, 0]
    assert (result.logits < -1).all()


HIDDEN = {
    "clamp": lambda z: torch.sigmoid(z).clamp(1e-6, 1 - 1e-6),
    "times one": lambda z: torch.sigmoid(z) * 1,
    "by hand": lambda z: 1 / (1 + torch.exp(-z)),
    "saturated": lambda z: torch.sigmoid(200 * z) * 1,
    "half a softmax": lambda z: torch.cat([-z, z], dim=1).softmax(1)[:, 1],
    "several labels": lambda z: torch.cat([z - 1, z, z + 1], dim=1).sigmoid().clamp(1e-6, 1 - 1e-6),
    "two columns": lambda z: torch.cat([1 - torch.sigmoid(z), torch.sigmoid(z)], dim=1),
    "logarithms": lambda z: torch.cat([F.logsigmoid(-z), F.logsigmoid(z)], dim=1),
}


@pytest.mark.parametrize("images", [1, 4])
@pytest.mark.parametrize("end", HIDDEN.values(), ids=HIDDEN)
def test_probabilities_that_hide_are_warned_of(end, images):
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="seems to give probabilities"):
        sc.explain(Sure(end), torch.rand(images, 3, 12, 12))


def test_log_probabilities_in_another_shape_are_followed_to_their_logits():
    torch.manual_seed(0)
    model, images = make(Plain), images_for(Plain, count=3)

    class Ends(Plain):
        def forward(self, x):
            return super().forward(x).log_softmax(1).view(len(x), -1)[:, :]

    ends = Ends()
    ends.load_state_dict(model.state_dict())
    torch.testing.assert_close(sc.explain(ends, images).logits, sc.explain(model, images).logits)


def test_logits_that_happen_to_lie_between_0_and_1_are_not_warned_of():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 4)
            nn.init.zeros_(self.head.weight)
            nn.init.constant_(self.head.bias, 0.5)

        def forward(self, x):
            z = self.conv(x)
            z = (
                z * self.gate(z.mean(dim=(2, 3), keepdim=True)).sigmoid()
            )  # as many values as there are logits
            return self.head(z.mean(dim=(2, 3)))

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sc.explain(Gated(), torch.rand(4, 3, 12, 12), classes=0)


class FeaturesLast(nn.Module):
    """As ConvNeXt and Swin: norm and linear layers on (B, rows, columns, channels)."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.mix = nn.Conv2d(3, 8, 4, stride=4), nn.LayerNorm(8), nn.Linear(8, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        z = self.mix(self.norm(self.conv(x).permute(0, 2, 3, 1)))
        return self.head(z.relu().mean(dim=(1, 2)))


def test_features_on_the_last_axis_are_refused_with_the_remedy_that_works():
    torch.manual_seed(0)
    model, images = FeaturesLast(), torch.rand(2, 3, 32, 32)
    with pytest.raises(ValueError, match="features on the last axis"):
        sc.explain(model, images, layers=["norm", "mix"])
    moved = sc.explain(
        model, images, layers=["norm", "mix"], classes=1, tokens_to_grid=lambda z: z.movedim(-1, 1)
    )
    assert moved["mix"].raw.shape == (2, 1, 8, 8)
    z = model.mix(model.norm(model.conv(images).permute(0, 2, 3, 1))).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model.head(z.relu().mean(dim=(1, 2)))[:, 1].sum(), z)
    expected = (gradient.mean(dim=(1, 2), keepdim=True) * z).sum(dim=-1).detach()
    torch.testing.assert_close(moved["mix"].raw[:, 0], expected, rtol=1e-4, atol=1e-6)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, x):
        return x + self.mix(self.norm(x))


class NormFirst(nn.LayerNorm):
    """A layer norm of the channels of (B, channels, rows, columns)."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def test_a_block_with_features_last_is_refused_and_norms_with_channels_first_are_not():
    class Swin(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.first, self.whole = (
                nn.Conv2d(3, 8, 4, stride=4),
                NormFirst(8),
                nn.LayerNorm([8, 6, 6]),
            )
            self.block, self.head = Block(), nn.Linear(8, 2)

        def forward(self, x):
            z = self.whole(self.first(self.conv(x)))
            return self.head(self.block(z.permute(0, 2, 3, 1)).tanh().mean(dim=(1, 2)))

    torch.manual_seed(0)
    model, images = Swin(), torch.rand(2, 3, 24, 24)
    with pytest.raises(ValueError, match=r"block gives \(2, 6, 6, 8\) with its features on the last axis"):
        sc.explain(model, images, layers="block")
    assert sc.explain(model, images, layers=["first", "whole"]).layers == ("first", "whole")


class ClassToken(nn.Module):
    """Nine tokens of an image after one for the class, or after `others`."""

    def __init__(self, others=1):
        super().__init__()
        self.embed, self.block, self.head = nn.Conv2d(3, 8, 4, stride=4), Block(), nn.Linear(8, 2)
        self.others = nn.Parameter(torch.rand(1, others, 8))

    def tokens(self, x):
        z = self.embed(x).flatten(2).mT
        return self.block(torch.cat([self.others.expand(len(z), -1, -1), z], dim=1))

    def end(self, tokens):
        return self.head(tokens.tanh().mean(dim=1))

    def forward(self, x):
        return self.end(self.tokens(x))


def test_ablation_of_tokens_sets_a_feature_of_the_grid_to_zero():
    torch.manual_seed(0)
    model, image = ClassToken(), torch.rand(1, 3, 12, 12)
    options = {"layers": "block", "classes": 1, "method": "ablationcam"}
    found = sc.explain(model, image, tokens_to_grid=(3, 3), **options)["block"].raw[0, 0]
    with torch.no_grad():
        tokens = model.tokens(image)
        expected = torch.zeros(3, 3)
        for feature in range(8):
            without = tokens.clone()
            without[:, 1:, feature] = 0
            weight = (model.end(tokens) - model.end(without))[0, 1]
            expected += weight * tokens[0, 1:, feature].reshape(3, 3)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_registers_are_left_out_by_a_function_and_never_silently():
    torch.manual_seed(0)
    model, images = ClassToken(others=3), torch.rand(2, 3, 12, 12)
    with pytest.raises(
        ValueError, match=r"12 tokens for the 9 places.*lambda tokens: tokens\[:, 3:\]\.mT\.unflatten"
    ):
        sc.explain(model, images, layers="block", tokens_to_grid=(3, 3))
    options = {"layers": "block", "tokens_to_grid": lambda tokens: tokens[:, 3:].mT.unflatten(2, (3, 3))}
    assert sc.explain(model, images, **options)["block"].raw.shape == (2, 1, 3, 3)
    with pytest.raises(ValueError, match=r"tokens_to_grid=\(0, 3\) is not known"):
        sc.explain(model, images, layers="block", tokens_to_grid=(0, 3))
    with pytest.raises(ValueError, match="gives NoneType after tokens_to_grid"):
        sc.explain(model, images, layers="block", tokens_to_grid=lambda _: None)


def test_a_grid_of_the_wrong_number_of_axes_or_tokens_is_refused():
    model, images = FeaturesLast(), torch.rand(1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"expected a feature map .* with the 2 axes of the input"):
        sc.explain(model, images, layers="mix", tokens_to_grid=lambda z: z.flatten(1, 2).mT)

    class Seventeen(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 2)

        def forward(self, x):
            tokens = F.adaptive_avg_pool2d(x, (8, 17)).mean(dim=1).mT
            return self.head(self.norm(tokens).mean(dim=1))

    with pytest.raises(ValueError, match=r"17 tokens for the 9 places of \(3, 3\).*tokens\[:, 8:\]"):
        sc.explain(Seventeen(), images, layers="norm", tokens_to_grid=(3, 3))


def test_threads_take_turns_and_leave_the_model_as_it_was():
    model, images = make(Plain).train(), images_for(Plain, count=3)
    expected = sc.explain(model, images, classes=1)
    found, faults = [], []

    def work():
        try:
            found.extend([sc.explain(model, images, classes=1) for _ in range(5)])
        except Exception as fault:  # noqa: BLE001 - shown by the assertion
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    for result in found:
        torch.testing.assert_close(result["conv2"].raw, expected["conv2"].raw, rtol=1e-4, atol=1e-6)


class ChangesItsInput(Plain):
    def forward(self, x):
        return super().forward(x.sub_(0.5).div_(0.2))


def whitened(x):
    return (x - 0.5) / 0.2


@pytest.mark.parametrize("smooth", [0, 2])
@pytest.mark.parametrize("method", sc.METHODS)
def test_a_model_that_changes_its_input_is_explained_and_the_callers_image_is_not(method, smooth):
    class Whitens(Plain):
        def forward(self, x):
            return super().forward(whitened(x))

    torch.manual_seed(0)
    whitening, images = Whitens(), images_for(Plain, count=2)
    changing = ChangesItsInput()
    changing.load_state_dict(whitening.state_dict())
    before = images.clone()
    found, expected = (
        sc.explain(model, images, classes=1, method=method, smooth=smooth) for model in (changing, whitening)
    )
    assert torch.equal(images, before)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.raw, other.raw, rtol=1e-4, atol=1e-6)


def test_smoothed_maps_depend_neither_on_the_batch_size_nor_on_the_place_in_the_batch():
    model, images = make(Plain), images_for(Plain, count=5)
    whole = sc.explain(model, images, classes=0, smooth=3)["conv2"].raw
    parts = sc.explain(model, images, classes=0, smooth=3, batch_size=2)["conv2"].raw
    turned = sc.explain(model, images.flip(0), classes=0, smooth=3)["conv2"].raw.flip(0)
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(turned, whole, rtol=1e-3, atol=1e-6)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.b(self.b(self.a(x)).relu()).relu().mean(dim=(2, 3)))


def test_calls_of_a_module_have_the_same_names_however_they_are_asked_for():
    torch.manual_seed(0)
    model, images = Twice(), torch.rand(2, 3, 12, 12)
    assert sc.explain(model, images).layers == ("a", "b#1", "b#2")
    assert sc.explain(model, images, layers="last").layers == ("b#2",)
    assert sc.explain(model, images, layers="b#*").layers == ("b#1", "b#2")
    second = sc.explain(model, images, layers="*#2")
    assert second.layers == ("b#2",)
    assert "a#2" in second.left_out


def test_layers_off_the_path_and_tokens_by_pattern_are_refused_for_their_own_reason():
    class Side(Plain):
        def __init__(self):
            super().__init__()
            self.side = nn.Conv2d(3, 2, 1)

        def forward(self, x):
            self.side(x)
            return super().forward(x)

    with pytest.raises(ValueError, match=r"layer side is not on the path to the score: nothing") as refusal:
        sc.explain(Side(), images_for(Plain), layers="side")
    assert "no_grad" not in str(refusal.value)

    class Detached(Plain):
        def forward(self, x):
            return super().forward(x).detach()

    with pytest.raises(ValueError, match=r"the model detaches it, or runs inside torch\.no_grad"):
        sc.explain(Detached(), images_for(Plain))
    with pytest.raises(ValueError, match=r"none of the layers has a map: norm gives .* last axis"):
        sc.explain(FeaturesLast(), torch.rand(1, 3, 32, 32), layers="nor*")


def test_a_head_that_squeezes_gives_one_logit_for_a_last_image_alone():
    torch.manual_seed(0)
    model = Sure(lambda z: z.squeeze())
    assert sc.explain(model, torch.rand(5, 3, 12, 12), batch_size=2).logits.shape == (5, 1)
    model.head = nn.Linear(4, 3)
    assert sc.explain(model, torch.rand(5, 3, 12, 12), batch_size=2).logits.shape == (5, 3)


def test_a_layer_inside_a_checkpointed_block_is_refused_in_words():
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
            self.block = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())

        def forward(self, x):
            return self.head(checkpoint(self.block, self.first(x), use_reentrant=False).mean(dim=(2, 3)))

    model, images = Checkpointed(), torch.rand(1, 3, 12, 12)
    with pytest.raises(ValueError, match=r"under torch\.utils\.checkpoint"):
        sc.explain(model, images, layers="block.0")
    assert sc.explain(model, images, layers=["first", "block"]).layers == ("first", "block")


def test_a_quantised_model_is_refused_in_words():
    quantised = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), quantized.dynamic.Linear(400, 2))
    with pytest.raises(ValueError, match=r"the model is quantised \(Linear\)"):
        sc.explain(quantised, torch.rand(1, 3, 12, 12))


def test_interleaved_generators_of_one_thread_share_a_model():
    model, images = make(Plain).train(), images_for(Plain, count=4)
    whole = sc.explain(model, images, classes=1)["conv2"].raw
    one, other = (sc.explain_batches(model, images, classes=1, batch_size=2) for _ in range(2))
    parts = [(next(one), next(other)) for _ in range(2)]
    assert model.training
    for index in range(2):
        raw = torch.cat([part[index]["conv2"].raw for part in parts])
        torch.testing.assert_close(raw, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": lambda output: output[:1].mean(dim=1)}, r"gives shape \(1,\) for 2 image\(s\)"),
        ({"classes": lambda output: output.mean()}, r"gives shape \(\) for 2 image\(s\)"),
        ({"layers": None}, "layers=None is not known"),
        ({"classes": None}, "classes=None is not known"),
        ({"noise": "much"}, "noise='much' must be a number"),
        ({"tokens_to_grid": 9}, "tokens_to_grid=9 is not known"),
        ({"batch_size": "8"}, "batch_size='8' must be a whole number"),
        ({"batch_size": 2.5}, "batch_size=2.5 must be a whole number"),
        ({"smooth": 2.5}, "smooth=2.5 must be a whole number"),
        ({"spatial_input": "zz"}, "no input spatial_input='zz'; the inputs are 0"),
        ({"method": lambda *_: None}, "the method gives NoneType"),
    ],
)
def test_misuse_is_told_in_words(options, message):
    with pytest.raises(ValueError, match=message):
        sc.explain(make(Plain), images_for(Plain, count=2), **options)


def test_what_is_no_tensor_is_told():
    with pytest.raises(TypeError, match=r"inputs is a ndarray; .* torch\.from_numpy\(array\)"):
        sc.explain(make(Plain), images_for(Plain).numpy())


def test_what_is_no_module_is_told():
    with pytest.raises(TypeError, match=r"model is a function; expected a torch\.nn\.Module"):
        sc.explain(lambda x: x, torch.rand(1, 3, 8, 8))


def test_results_are_short_to_read_and_easy_to_take_apart():
    result = sc.explain(make(Plain), images_for(Plain, count=2), layers=["conv1", "conv2"])
    assert repr(result) == "Explanation(gradcam, 2 image(s), 1 class(es): conv1 (20, 20), conv2 (10, 10))"
    assert len(result) == 2
    assert result["conv1"].heatmap(size=7).shape == (2, 1, 7, 7)
    assert torch.equal(result.fused(size=8, layers="conv1"), result.fused(size=(8, 8), layers=["conv1"]))
    with pytest.raises(ValueError, match="layers is empty"):
        result.fused(size=8, layers=[])
    assert repr(result["conv1"]) == "LayerMaps(conv1, (2, 1, 20, 20))"


def test_pictures_take_arrays_and_refuse_what_they_cannot_show():
    images = images_for(Plain, count=2)
    result = sc.explain(make(Plain), images)
    heat = result["conv1"].heatmap()[0, 0]
    assert sc.overlay(images[0].numpy(), heat.numpy()).images
    with pytest.raises(ValueError, match="holds NaN or infinity"):
        sc.overlay(images[0], heat * np.nan)
    with pytest.raises(ValueError, match="expected one image"):
        sc.montage(images, result)
    with pytest.raises(ValueError, match=r"the explanation has 2 image\(s\)"):
        sc.montage(images[0], result, index=5)
    with pytest.raises(ValueError, match="layers is empty"):
        sc.montage(images[0], result, layers=[])
    assert [axes.get_title() for axes in sc.montage(images[0], result, layers="conv1").axes[:2]] == [
        "image",
        "conv1",
    ]
