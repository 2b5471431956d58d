"""Maps of every layer of networks of other packages, against plain autograd."""

import pytest
import torch
from plain_autograd import assert_same_map, gradcam

from other_packages import SMALL_NETWORKS, needed
from stratacam import cam
from stratacam.cam.layers import TO_GRID
from stratacam.networks import make_network


@pytest.mark.parametrize("architecture", SMALL_NETWORKS)
def test_maps_of_every_layer_are_those_of_plain_autograd(architecture):
    needed(architecture.partition(":")[0])
    model = make_network(architecture, 3)
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    found = cam.explain(model, image, classes=1)
    assert len(found.layers) >= 10
    for maps in found:
        module, _, call = maps.name.partition("#")
        expected = gradcam(model, image, module, lambda logits: logits[:, 1].sum(), call=int(call or 1))
        assert_same_map(maps.raw[:, 0], expected, share=1e-3)


@pytest.mark.parametrize(
    ("architecture", "size", "blocks", "to_grid"),
    [
        ("timm:test_vit", 160, "blocks.*", lambda tokens: tokens[:, 1:].mT.unflatten(2, (10, 10))),
        ("timm:mixer_s32_224", 224, "blocks.*", lambda tokens: tokens.mT.unflatten(2, (7, 7))),
        ("timm:swin_tiny_patch4_window7_224", 224, "layers.?.blocks.?", lambda values: values.movedim(-1, 1)),
        ("torchvision:swin_t", 96, "features.[1357].?", lambda values: values.movedim(-1, 1)),
    ],
)
def test_maps_of_blocks_lie_on_the_picture(architecture, size, blocks, to_grid):
    needed(architecture.partition(":")[0])
    model = make_network(architecture, 3)
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    found = cam.explain(model, image, layers=blocks, classes=1)
    assert len(found.layers) >= 4
    assert set(found.layers) < set(cam.explain(model, image, classes=1).layers)
    for maps in found:
        expected = gradcam(model, image, maps.name, lambda logits: logits[:, 1].sum(), to_grid=to_grid)
        assert_same_map(maps.raw[:, 0], expected, share=1e-3)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("test_vit4", 160),
        ("deit_tiny_distilled_patch16_224", 224),
        ("vit_tiny_r_s16_p8_224", 224),
        ("eva02_tiny_patch14_224", 224),
        ("swinv2_tiny_window8_256", 256),
    ],
)
def test_blocks_give_the_features_that_timm_gives_of_them(name, size):
    needed("timm")
    model = make_network(f"timm:{name}", 2)
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    given = {}
    blocks = [module for module in model.modules() if hasattr(module, TO_GRID)]
    for block in blocks:
        block.register_forward_hook(lambda module, _, output: given.update({module: output}))
    with torch.no_grad():
        model(image)
        theirs = model.forward_intermediates(model.input(image), intermediates_only=True, output_fmt="NCHW")
    ours = [getattr(block, TO_GRID)(given[block], image.shape[2:]) for block in blocks]
    for features in theirs:
        assert any(one.shape == features.shape and torch.equal(one, features) for one in ours)


def test_blocks_of_a_picture_that_is_no_square_lie_on_it(tmp_path):
    transformers = needed("transformers")
    transformers.Dinov2Config(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=64, patch_size=8
    ).save_pretrained(tmp_path)
    model = make_network(f"transformers:{tmp_path}", 2, weights="none")
    image = torch.rand(
        1, 3, 32, 128, generator=torch.Generator().manual_seed(1)
    )  # 64 tokens, as of a square one
    found = cam.explain(model, image, classes=1, layers="*.layer.?")
    assert found.layers
    for maps in found:
        expected = gradcam(
            model,
            image,
            maps.name,
            lambda logits: logits[:, 1].sum(),
            to_grid=lambda tokens: tokens[:, 1:].mT.unflatten(2, (4, 16)),
        )
        assert_same_map(maps.raw[:, 0], expected, share=1e-3)
