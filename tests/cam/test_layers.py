"""Which layers there are, and which a name means."""

import pytest
import torch

from stratacam.cam import explain, list_layers, match_layers
from stratacam.networks import build


@pytest.fixture(scope="module", params=[("vgg16", 18), ("vgg19", 21)], ids=lambda param: param[0])
def network(request):
    architecture, count = request.param
    return build(architecture, 3, weights="none"), count


def test_every_convolution_and_pool_is_listed(network):
    model, count = network
    layers = list_layers(model, torch.rand(1, 3, 64, 64))
    assert len(layers) == count
    assert [layer.name for layer in layers] == list(match_layers(model, "all"))


def test_receptive_fields_of_vgg16_are_the_published_ones():
    layers = {
        layer.name: layer
        for layer in list_layers(build("vgg16", 2, weights="none"), torch.rand(1, 3, 96, 64))
    }
    # A. Araujo et al., "Computing receptive fields of convolutional neural networks" (Distill 2019)
    assert layers["block5_pool"].receptive_field == (212, 212)
    assert layers["block5_pool"].stride == (32, 32)
    assert layers["block5_pool"].shape == (512, 3, 2)
    assert layers["block1_conv1"].receptive_field == (3, 3)
    assert layers["block1_conv1"].parameters == 3 * 64 * 9 + 64


def test_receptive_field_is_where_the_input_matters():
    model = build("vgg16", 2, weights="none", seed=2)
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    model[:7](image)[0, :, 8, 8].sum().backward()  # input, block1 (3), block2_conv1, conv2, pool
    reached = image.grad.abs().sum(dim=(0, 1)).nonzero()
    extent = reached.max(dim=0).values - reached.min(dim=0).values + 1
    described = {layer.name: layer for layer in list_layers(model, image.detach())}
    field = described[list(dict(model.named_children()))[6]].receptive_field
    assert all(1 <= int(seen) <= most for seen, most in zip(extent, field, strict=True))
    assert extent.max() >= field[0] - 2  # a maximum takes one of its inputs, so the edge may be missed


def test_names_globs_and_last_keep_the_order_asked(network):
    model, _ = network
    chosen = match_layers(model, ["block5_pool", "block2_*", "block5_pool"])
    assert chosen == ("block5_pool", "block2_conv1", "block2_conv2", "block2_pool")
    assert match_layers(model, "last")[0].startswith("block5_conv")


def test_unknown_layer_suggests_the_close_one(network):
    model, _ = network
    with pytest.raises(ValueError, match=r"no layer matches 'block5_cnv1'; did you mean block5_conv1"):
        match_layers(model, "block5_cnv1")


def test_the_name_of_a_map_over_layers_leads_to_what_makes_one(network):
    model, _ = network
    with pytest.raises(ValueError, match=r"fused\(\); those of a study, .* by stratacam\.maps\.slice_maps"):
        explain(model, torch.rand(1, 3, 64, 64), layers="block4_conv3+block5_conv3")
    with pytest.raises(
        ValueError, match=r"no layer matches 'block4_conv3\+block9'; (did you mean|The layers)"
    ):
        match_layers(model, "block4_conv3+block9")
