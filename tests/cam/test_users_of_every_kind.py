"""What real callers do: share a model, change inputs in place, mistake arguments, take results apart."""

import threading

import numpy as np
import pytest
import torch
from example_networks import FeaturesLast, Plain, images_for, make
from torch import nn
from torch.ao.nn import quantized
from torch.utils.checkpoint import checkpoint

import stratacam as sc


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
        ({"layers": None}, "layers: found None; expected a name"),
        ({"classes": None}, "classes: found None; expected"),
        ({"noise": "much"}, "noise: found 'much'; expected a number"),
        ({"tokens_to_grid": 9}, "tokens_to_grid: found 9; expected the grid"),
        ({"batch_size": "8"}, "batch_size: found '8'; expected a whole number"),
        ({"batch_size": 2.5}, "batch_size: found 2.5; expected a whole number"),
        ({"smooth": 2.5}, "smooth: found 2.5; expected a whole number"),
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
