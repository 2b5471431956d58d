"""Late fusion: a branch for every sequence, whose logits are averaged."""

import numpy as np
import pytest
import torch
from torch import nn

from other_packages import needed
from stratacam import explain
from stratacam.cam import match_layers
from stratacam.errors import InputError
from stratacam.networks import (
    LateFusion,
    ModelCard,
    Pretrained,
    build,
    find_heads,
    freeze,
    frozen_prefix,
    inputs_of,
    load_model,
    made_of,
    make_network,
    save_model,
)
from stratacam.networks.cards import CARD
from stratacam.networks.convention import TORCHVISION

SEQUENCES = ("T1w", "T2w", "FLAIR")
SIZES = {2: (32, 32), 3: (16, 32, 32)}
CASES = [
    ("small_cnn", 2, "off"),
    ("small_cnn", 2, "features"),
    ("small_cnn", 3, "features"),
    ("resnet18", 2, "off"),
]


def pictures(dimensions=2, channels=3, count=2):
    return torch.rand(count, channels, *SIZES[dimensions], generator=torch.Generator().manual_seed(1))


def brain(dimensions=2, count=2):
    inside = torch.zeros(count, 1, *SIZES[dimensions])
    inside[..., 8:24, 4:28] = 1
    return inside


def fused(architecture="small_cnn", dimensions=2, brain="off", **options):
    model = make_network(
        architecture, 3, weights="none", branches=SEQUENCES, dimensions=dimensions, brain=brain, **options
    )
    return model.eval()


def three_times(given, place):
    return given[:, [place] * 3]


@pytest.mark.parametrize(("architecture", "dimensions", "use"), CASES)
def test_logits_are_the_mean_of_those_of_the_branches_each_fed_its_sequence(architecture, dimensions, use):
    model = fused(architecture, dimensions, use)
    given = inputs_of(model, pictures(dimensions), brain(dimensions))
    expected = [
        getattr(model, name)(three_times(given[0], place), *given[1:]) for place, name in enumerate(SEQUENCES)
    ]
    torch.testing.assert_close(model(*given), sum(expected) / 3)


def test_a_branch_has_the_layers_of_the_network_under_its_name():
    own = match_layers(build("small_cnn", 3, weights="none"))
    assert match_layers(fused()) == tuple(f"{name}.{layer}" for name in SEQUENCES for layer in own)


def test_branches_start_from_weights_of_their_own_whichever_others_there_are():
    model = fused(seed=4)
    fewer = make_network("small_cnn", 3, weights="none", seed=4, branches=("FLAIR", "T1w"))
    assert torch.equal(model.FLAIR.block1_conv1.weight, fewer.FLAIR.block1_conv1.weight)
    assert not torch.equal(model.FLAIR.block1_conv1.weight, model.T1w.block1_conv1.weight)


@pytest.mark.parametrize(("architecture", "dimensions", "use"), CASES)
@pytest.mark.filterwarnings("error:the network mixes")
def test_maps_of_a_branch_do_not_change_by_a_bit_with_other_sequences(architecture, dimensions, use):
    """Activations, gradients and so maps of FLAIR's layers are the same whatever the T2w is."""
    model = fused(architecture, dimensions, use)
    first = pictures(dimensions)
    other = first.clone()
    other[:, 1] = torch.rand_like(other[:, 1])
    by_picture = [
        explain(
            model, inputs_of(model, one, brain(dimensions)), layers="all", method="hirescam", classes=1
        ) for one in (first, other)
    ]  # fmt: skip
    for before, after in zip(*by_picture, strict=True):
        same = torch.equal(before.raw, after.raw)
        assert same == (not before.name.startswith("T2w.")), before.name
    assert not torch.equal(by_picture[0].logits, by_picture[1].logits)


@pytest.mark.parametrize(("dimensions", "use"), [(2, "off"), (2, "features"), (3, "features")])
def test_maps_are_those_of_plain_autograd_and_a_share_of_the_branchs_own(dimensions, use):
    model = fused("small_cnn", dimensions, use)
    given = inputs_of(model, pictures(dimensions), brain(dimensions))
    found = {maps.name: maps.raw for maps in explain(model, given, layers="all", classes=1)}
    for place, name in enumerate(SEQUENCES):
        branch = getattr(model, name)
        alone = explain(branch, (three_times(given[0], place), *given[1:]), layers="all", classes=1)
        for maps in alone:
            torch.testing.assert_close(found[f"{name}.{maps.name}"], maps.raw / 3, atol=1e-7, rtol=1e-4)
    kept = []
    layer = model.get_submodule("FLAIR.block3_conv2")
    hook = layer.register_forward_hook(lambda _module, _given, output: kept.append(output))
    logits = model(*given)
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), kept[0])
    axes = tuple(range(2, gradient.ndim))
    by_hand = (gradient.mean(dim=axes, keepdim=True) * kept[0]).sum(dim=1).detach()
    torch.testing.assert_close(found["FLAIR.block3_conv2"][:, 0], by_hand, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("use", ["features", "pooling"])
def test_branches_that_see_the_brain_alone_are_blind_outside_it_to_the_bit(dimensions, use):
    model = fused("small_cnn", dimensions, use)
    inside = brain(dimensions)
    first = pictures(dimensions)
    other = torch.where(inside > 0, first, torch.rand_like(first))
    same = torch.equal(model(first, inside), model(other, inside))
    assert same == (use == "features")  # "pooling" keeps features near the edge, which read across it


def test_channels_beyond_the_sequences_are_not_read():
    """Two sequences fill three channels in turn: T1w, FLAIR, T1w."""
    model = make_network("small_cnn", 2, weights="none", branches=("T1w", "FLAIR")).eval()
    given = pictures()
    other = given.clone()
    other[:, 2] = 0
    assert torch.equal(model(given), model(other))


def test_every_branch_has_the_pretrained_weights_as_they_are():
    state = {
        name: torch.randn_like(value)
        for name, value in build("small_cnn", 2, weights="none").state_dict().items()
        if not name.startswith(("input", "predictions"))
    }
    model = make_network(
        "small_cnn",
        2,
        channels=4,
        weights=Pretrained(state, TORCHVISION, "a test"),
        branches=("A", "B", "C", "D"),
    )
    for name in "ABCD":
        branch = model.get_submodule(name).state_dict()
        assert all(torch.equal(branch[key], value) for key, value in state.items())


def test_a_card_holds_the_setting_and_one_without_it_is_of_early_fusion(tmp_path):
    model = fused(brain="features")
    card = ModelCard(
        architecture="small_cnn", classes=("a", "b", "c"), input={"sequences": list(SEQUENCES)}, training={},
        brain="features", fusion="late",
    )  # fmt: skip
    save_model(tmp_path, model, card)
    loaded, read = load_model(tmp_path)
    assert read.branches == SEQUENCES
    assert isinstance(loaded, LateFusion)
    given = pictures(), brain()
    assert torch.equal(loaded(*given), model(*given))
    save_model(
        tmp_path,
        build("small_cnn", 3, weights="none"),
        card.model_copy(update={"fusion": "early", "brain": "off"}),
    )
    text = (tmp_path / CARD).read_text()
    assert '"fusion": "early"' in text
    (tmp_path / CARD).write_text(text.replace(',\n  "fusion": "early"', ""))
    loaded, read = load_model(tmp_path)
    assert (read.fusion, read.branches, type(loaded)) == ("early", (), nn.Sequential)


def test_the_heads_of_all_branches_are_found_and_their_layers_frozen_by_patterns():
    model = fused()
    assert list(find_heads(model)) == [f"{name}.predictions" for name in SEQUENCES]
    freeze(model, ["*.block1_*", "T1w.*"])
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert not any(name.startswith("T1w.") or ".block1_" in name for name in trained)
    assert {"FLAIR.block2_conv1.weight", "T2w.predictions.bias"} <= trained
    assert (
        frozen_prefix(model, ["*.block1_*"])[1] is model
    )  # nothing is kept of it: all is run in every epoch


@pytest.mark.parametrize(
    ("branches", "why"),
    [(("T1w",), "two or more"), (("T1w", "half"), "named half"), (("T1w", "a.b"), r"named a\.b")],
)
def test_a_sequence_that_cannot_be_a_branch_is_refused(branches, why):
    with pytest.raises(InputError, match=why):
        make_network("small_cnn", 2, weights="none", branches=branches)


def test_what_a_network_is_made_of_names_its_branches():
    early, late, other = (
        made_of("small_cnn", 2, weights="none", seed=0, branches=branches)
        for branches in ((), ("T1w", "FLAIR"), ("FLAIR", "T1w"))
    )
    assert len({early, late, other}) == 3
    assert early in late


def test_networks_of_other_packages_are_branches_too(tmp_path):
    needed("timm")
    model = make_network("timm:test_resnet", 2, weights="none", branches=("T1w", "FLAIR"))
    given = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    expected = (model.T1w(three_times(given, 0)) + model.FLAIR(three_times(given, 1))) / 2
    torch.testing.assert_close(model(given), expected)
    found = explain(model, given, layers="all", classes=0)
    assert all(np.isfinite(maps.raw).all() for maps in found)
    assert {maps.name.partition(".")[0] for maps in found} == {"T1w", "FLAIR"}
    card = ModelCard(
        architecture="timm:test_resnet", classes=("a", "b"), input={"sequences": ["T1w", "FLAIR"]}, training={},
        fusion="late",
    )  # fmt: skip
    save_model(tmp_path, model, card)
    assert torch.equal(load_model(tmp_path)[0](given), model(given))


def test_a_network_of_the_users_own_is_a_branch_too(tmp_path):
    file = tmp_path / "own_branches.py"
    file.write_text(
        "from torch import nn\n"
        "def make(classes):\n"
        "    features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
        "    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))\n"
    )
    model = make_network(f"{file}:make", 2, channels=4, branches=("T1w", "T2w", "FLAIR", "PDw"))
    assert match_layers(model) == ("T1w.0.0", "T2w.0.0", "FLAIR.0.0", "PDw.0.0")
    assert not torch.equal(model.T1w[0][0].weight, model.PDw[0][0].weight)
