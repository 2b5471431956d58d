"""Maps of networks of every kind equal those of the plainest way to them."""

import pytest
import torch
from example_networks import (
    CONVOLUTIONAL,
    Branches,
    Careless,
    Plain,
    Residual,
    Tokens,
    Twice,
    activation_and_gradient,
    images_for,
    make,
)
from torch import nn
from torch.nn import functional as F

import stratacam as sc


def gradcam_by_loops(activation, gradient):
    positions = gradient[0, 0].numel()
    maps = torch.zeros(len(activation), *activation.shape[2:])
    for image in range(len(activation)):
        for channel in range(activation.shape[1]):
            maps[image] += gradient[image, channel].sum() / positions * activation[image, channel]
    return maps


def assert_near(found, expected, share=1e-4):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= share * expected.abs().max()


@pytest.mark.parametrize("in_place", [False, True], ids=["out of place", "in place"])
@pytest.mark.parametrize("kind", CONVOLUTIONAL, ids=lambda kind: kind.__name__)
def test_every_layer_equals_a_plain_pass_of_its_own(kind, in_place):
    images = images_for(kind)
    result = sc.explain(make(kind, in_place), images)
    assert result.layers
    assert not result.left_out
    plain = make(kind)
    torch.testing.assert_close(result.logits, plain.eval()(images), rtol=1e-4, atol=1e-5)
    for maps in result:
        expected = gradcam_by_loops(*activation_and_gradient(plain, images, maps.name, result.classes[:, 0]))
        assert_near(maps.raw[:, 0], expected)


@pytest.mark.parametrize("kind", [Plain, Residual, Careless, Branches], ids=lambda kind: kind.__name__)
def test_all_classes_of_one_layer_alone_equal_those_of_all_layers_together(kind):
    model, images = make(kind, in_place=True), images_for(kind)
    together = sc.explain(model, images, classes="all")
    for name in together.layers:
        alone = sc.explain(model, images, layers=name, classes="all")
        assert_near(alone[name].raw, together[name].raw)
    for column in range(together.logits.shape[1]):
        single = sc.explain(model, images, classes=column)
        for name in together.layers:
            assert_near(single[name].raw[:, 0], together[name].raw[:, column])


def test_a_batch_equals_its_images_one_by_one_in_any_order():
    model, images = make(Residual, in_place=True), images_for(Residual, count=5)
    whole = sc.explain(model, images, batch_size=8)
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = sc.explain(model, images[order], batch_size=2)
    for name in whole.layers:
        assert_near(permuted[name].raw, whole[name].raw[order])
        for index in range(5):
            single = sc.explain(model, images[index : index + 1])
            assert_near(single[name].raw[0], whole[name].raw[index])


def test_batches_joined_are_the_whole_and_the_last_may_be_smaller():
    model, images = make(Plain), images_for(Plain, count=5)
    whole = sc.explain(model, images, classes="all", batch_size=5)
    parts = list(sc.explain_batches(model, images, classes="all", batch_size=2))
    assert [len(part.logits) for part in parts] == [2, 2, 1]
    for name in whole.layers:
        assert_near(torch.cat([part[name].raw for part in parts]), whole[name].raw)


def test_a_module_called_twice_gives_a_map_for_each_call():
    images = images_for(Twice)
    model = make(Twice, in_place=True)
    result = sc.explain(model, images)
    assert result.layers == ("stem", "again#1", "again#2")
    for call in (1, 2):
        reference = activation_and_gradient(make(Twice), images, "again", result.classes[:, 0], call)
        assert_near(result[f"again#{call}"].raw[:, 0], gradcam_by_loops(*reference))
    second = sc.explain(model, images, layers=["again#2"])
    assert second.layers == ("again#2",)
    assert_near(second["again#2"].raw, result["again#2"].raw)
    assert sc.explain(model, images, layers="alias").layers == ("alias#1", "alias#2")
    assert [layer.name for layer in sc.list_layers(model, images)] == ["stem", "again#1", "again#2"]
    with pytest.raises(ValueError, match=r"again#3 does not exist: again was called 2 time"):
        sc.explain(model, images, layers="again#3")


def test_tokens_become_maps_on_their_grid():
    torch.manual_seed(0)
    model, images = Tokens(), torch.rand(2, *Tokens.image)
    result = sc.explain(model, images, layers=["blocks.0.norm1", "embed"], tokens_to_grid=Tokens.grid)
    tokens, gradient = activation_and_gradient(model, images, "blocks.0.norm1", result.classes[:, 0])

    def grid(values):
        return values[:, 1:].transpose(1, 2).reshape(2, 8, *Tokens.grid)

    assert_near(result["blocks.0.norm1"].raw[:, 0], gradcam_by_loops(grid(tokens), grid(gradient)), 1e-3)
    embedded = activation_and_gradient(model, images, "embed", result.classes[:, 0])
    assert_near(result["embed"].raw[:, 0], gradcam_by_loops(*embedded), 1e-3)
    called = sc.explain(model, images, layers="blocks.0.norm1", tokens_to_grid=grid)
    assert_near(called["blocks.0.norm1"].raw, result["blocks.0.norm1"].raw)
    by_pattern = sc.explain(model, images, layers="blocks.?", tokens_to_grid=Tokens.grid)
    assert by_pattern.layers == ("blocks.0", "blocks.1")
    assert by_pattern["blocks.1"].blank == (("zero gradient",),) * 2  # the head reads the class token alone


def test_tokens_without_a_grid_are_refused_with_the_remedy():
    torch.manual_seed(0)
    with pytest.raises(
        ValueError, match=r"\(2, 25, 8\), which does not lie on the input's 2 axes; give tokens_to_grid"
    ):
        sc.explain(Tokens(), torch.rand(2, *Tokens.image), layers="blocks.0.norm1")
    with pytest.raises(ValueError, match="makes no grid"):
        sc.explain(Tokens(), torch.rand(2, *Tokens.image), layers="blocks.0.norm1", tokens_to_grid=(9, 9))


def test_the_last_layer_is_the_convolution_run_last_not_the_one_registered_last():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Conv2d(4, 4, 3, padding=1)
            self.first = nn.Conv2d(3, 4, 3, padding=1)
            self.squeeze = nn.Conv2d(4, 4, 1)
            self.unused = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            x = F.relu(self.last(F.relu(self.first(x))))
            x = x * self.squeeze(x.mean(dim=(2, 3), keepdim=True)).sigmoid()
            return x.mean(dim=(2, 3))

    torch.manual_seed(0)
    model, images = Backwards(), torch.rand(2, 3, 9, 9)
    result = sc.explain(model, images, layers=[model.last, "first"])
    assert result.layers == ("last", "first")
    # A module named `last` wins over the word; by another name the word means what is run last.
    torch.manual_seed(0)
    renamed = Backwards()
    renamed.deep = renamed.last
    del renamed.last
    renamed.forward = lambda x: F.relu(renamed.deep(F.relu(renamed.first(x)))).mean(dim=(2, 3))
    found = sc.explain(renamed, images, layers="last")
    assert found.layers == ("deep",)
    together = sc.explain(renamed, images, layers=["first", "last"])
    assert together.layers == ("first", "deep")
    assert_near(found["deep"].raw, together["deep"].raw)
    everything = sc.explain(model, images)
    assert everything.layers == ("last", "first", "squeeze")
    assert everything.left_out == {"unused": "was not run on this input."}
    with pytest.raises(ValueError, match="unused was not run"):
        sc.explain(model, images, layers=["unused"])


def test_user_hooks_and_parametrised_weights_are_respected():
    model, images = make(Plain), images_for(Plain)
    plain = sc.explain(model, images, classes=0)
    handle = model.conv1.register_forward_hook(lambda _module, _inputs, output: output * 2)
    doubled = sc.explain(model, images, classes=0)
    hooked = make(Plain)
    hooked.conv1.register_forward_hook(lambda _module, _inputs, output: output * 2)
    assert_near(
        doubled["conv1"].raw[:, 0],
        gradcam_by_loops(*activation_and_gradient(hooked, images, "conv1", torch.zeros(3))),
    )
    handle.remove()
    nn.utils.parametrizations.weight_norm(model.conv1)
    normed = sc.explain(model, images, classes=0)
    assert_near(normed["conv1"].raw, plain["conv1"].raw)
