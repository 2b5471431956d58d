"""Several networks as one: the maps of each as by itself, and their consensus."""

import numpy as np
import pytest
import torch
from torch import nn

from stratacam import cam
from stratacam.cam.methods import LAYER_METHODS
from stratacam.errors import InputError
from stratacam.evidence.sanity import randomised, weighted_layers
from stratacam.maps import Consensus, LayerConsensus
from stratacam.maps.slice_maps import MakesOwnMaps, explain_slices
from stratacam.networks import SideBySide, build, count_shared, inputs_of

MEMBERS, CLASSES = 3, 2
BY_FORWARDS = ("scorecam", "ablationcam")
BRAIN = np.zeros((3, 32, 32), dtype=bool)
BRAIN[:, 4:28, 6:26] = True
IMAGES = np.random.default_rng(0).random((3, 3, 32, 32), dtype=np.float32) * BRAIN[:, None]


def networks(architecture="small_cnn", frozen=4, brain="off", count=MEMBERS):
    """Networks that share their first layers, and no others."""
    first = build(architecture, CLASSES, weights="none", seed=0, brain=brain).eval()
    found = []
    for seed in range(count):
        network = build(architecture, CLASSES, weights="none", seed=seed, brain=brain).eval()
        shared = list(first.children())[:frozen]
        for layer, own in zip(shared, network.children(), strict=False):
            own.load_state_dict(layer.state_dict())
        found.append(network)
    return found


def by_itself(network, method, target, layers="all"):
    return explain_slices(network, IMAGES, BRAIN, target, method, layers=layers, batch_size=2)


def test_as_many_layers_are_shared_as_have_equal_tensors():
    members = networks(frozen=4)
    assert count_shared(members) == 4
    with torch.no_grad():
        members[2].get_submodule("block1_conv2").bias[0] += 1e-6
    assert count_shared(members) == 2
    assert count_shared(members[:2]) == 4


def test_the_head_is_never_shared_and_other_networks_than_plain_sequences_share_nothing():
    same = networks(frozen=100)
    assert count_shared(same) == len(same[0]) - 1

    class Own(nn.Sequential):
        pass

    assert count_shared([Own(*one.children()) for one in same]) == 0


@pytest.mark.parametrize("brain", ["off", "features"])
@pytest.mark.parametrize("method", [name for name in LAYER_METHODS if name not in BY_FORWARDS])
def test_members_have_the_maps_that_they_have_by_themselves(method, brain):
    members = networks(brain=brain)
    joined = Consensus(members)
    inputs = inputs_of(joined, torch.from_numpy(IMAGES), torch.from_numpy(BRAIN))
    batches = [
        batch[method] for batch in joined.explain_batches(inputs, classes=1, methods=[method], batch_size=2)
    ]
    for number, member in enumerate(members):
        alone = by_itself(member, method, 1)
        assert alone.layers == tuple(batches[0].raw)
        for layer, raw in alone.raw.items():
            found = np.concatenate([batch.raw[layer][number, 0] for batch in batches])
            np.testing.assert_allclose(found, raw, rtol=1e-4, atol=2e-6 * np.abs(raw).max() + 1e-12)
        logits = np.concatenate([batch.logits[number] for batch in batches])
        np.testing.assert_allclose(logits, alone.logits, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("architecture", ["resnet18", "densenet121"])
def test_other_architectures_have_the_same_maps_too(architecture):
    members = networks(architecture, frozen=3, count=2)
    joined = Consensus(members)
    assert joined.shared >= 3
    (found,) = joined.explain_batches([torch.from_numpy(IMAGES)], classes="all", methods=["gradcam"])
    batch = found["gradcam"]
    for number, member in enumerate(members):
        alone = cam.explain(member, torch.from_numpy(IMAGES), classes="all")
        assert alone.layers == tuple(batch.raw)
        for maps in alone:
            found, raw = batch.raw[maps.name][number], maps.raw.movedim(1, 0).numpy()
            np.testing.assert_allclose(found, raw, rtol=1e-3, atol=1e-5 * np.abs(raw).max() + 1e-12)


@pytest.mark.parametrize("method", BY_FORWARDS)
def test_methods_by_forwards_work_for_members_too(method):
    members = networks(count=2)
    layers = ("block2_conv1", "block4_pool")
    (found,) = Consensus(members).explain_batches(
        [torch.from_numpy(IMAGES[:1])], classes=0, methods=[method], layers=layers
    )
    batch = found[method]
    for number, member in enumerate(members):
        raw = cam.explain(member, torch.from_numpy(IMAGES[:1]), classes=0, method=method, layers=layers)
        for layer in layers:
            expected = raw[layer].raw[:, 0].numpy()
            np.testing.assert_allclose(
                batch.raw[layer][number, 0], expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max()
            )


def test_shared_layers_are_run_once_and_the_backward_enters_its_own_network_alone():
    members = networks()
    joined = SideBySide(members, count_shared(members))
    ran = []
    for name in ("shared.block1_conv1", "rests.0.block3_conv1", "rests.1.block3_conv1"):
        joined.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    logits = joined(torch.from_numpy(IMAGES))
    assert ran == ["shared.block1_conv1", "rests.0.block3_conv1", "rests.1.block3_conv1"]
    weights = [joined.get_submodule(f"rests.{number}.predictions").weight for number in range(MEMBERS)]
    gradients = torch.autograd.grad(logits[:, CLASSES].sum(), weights, allow_unused=True)
    assert [one is not None for one in gradients] == [False, True, False]


def test_a_member_that_changes_its_input_in_place_spoils_no_other():
    class Negating(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(factor), requires_grad=False)

        def forward(self, features):
            return features.mul_(self.factor)

    first = nn.Conv2d(3, 2, 1)
    members = [
        nn.Sequential(first, Negating(factor), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        for factor in (2.0, -1.0)
    ]
    images = torch.from_numpy(IMAGES)
    with torch.no_grad():
        alone = torch.cat([member(images) for member in members], dim=1)
        torch.testing.assert_close(SideBySide(members, count_shared(members))(images), alone)


def test_the_consensus_is_the_mean_of_maps_in_units_of_their_scales_with_spread_and_agreement():
    brain = np.ones((1, 1, 4), dtype=bool)
    brain[..., 3] = False
    raw = np.array([[[[4.0, 1.0, -2.0, 9.0]]], [[[1.0, 3.0, 0.0, 0.0]]]], dtype=np.float32)
    found = LayerConsensus.of(raw, brain)
    # By hand: of three absolute values a < b < c the 0.99 quantile is b + 0.98 (c - b).
    scales = (2 + 0.98 * 2, 1 + 0.98 * 2)
    scaled = raw / np.reshape(scales, (2, 1, 1, 1))
    assert found.scales == pytest.approx(scales)
    np.testing.assert_allclose(found.mean, scaled.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.spread, abs(scaled[0] - scaled[1]) / np.sqrt(2), rtol=1e-5)
    np.testing.assert_array_equal(found.agreement, [[[0.5, 0.5, 0.0, 0.5]]])


def test_a_member_that_speaks_against_the_class_nearly_everywhere_does_not_outweigh_the_others():
    good = np.random.default_rng(0).random((1, 8, 8), np.float32)
    against = -np.ones((1, 8, 8), np.float32)
    brain = np.ones((1, 8, 8), dtype=bool)
    for heat in (-0.9, 0.0, 1e-3):
        against[0, 0, 0] = heat
        mean = LayerConsensus.of(np.stack([good, good, against]), brain).mean
        np.testing.assert_allclose(
            mean[0, 1:], (2 * good[0, 1:] / np.quantile(good, 0.99) - 1) / 3, rtol=1e-3, atol=1e-3
        )


def test_a_member_that_is_the_same_everywhere_counts_as_zero():
    brain = np.ones((1, 2, 2), dtype=bool)
    raw = np.array([[[[-5.0, -5.0], [-5.0, -5.0]]], [[[1.0, 3.0], [3.0, 3.0]]]], dtype=np.float32)
    found = LayerConsensus.of(raw, brain)
    assert found.scales == (0.0, 3.0)
    np.testing.assert_allclose(found.mean, raw[1] / 6, rtol=1e-6)
    np.testing.assert_array_equal(found.agreement, [[[0.0, 0.5], [0.5, 0.5]]])


def test_its_own_maps_are_the_consensus_and_its_logits_the_mean():
    members = networks()
    joined = Consensus(members)
    assert isinstance(joined, MakesOwnMaps)
    alone = [by_itself(member, "layercam", 1) for member in members]
    maps = by_itself(joined, "layercam", 1)
    assert maps.layers == alone[0].layers
    for layer in maps.layers:
        expected = LayerConsensus.of(np.stack([one.raw[layer] for one in alone]), BRAIN).mean
        np.testing.assert_allclose(maps.raw[layer], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    mean = np.mean([one.logits for one in alone], axis=0)
    np.testing.assert_allclose(maps.logits, mean, rtol=1e-5, atol=1e-6)
    with torch.inference_mode():
        np.testing.assert_allclose(joined(torch.from_numpy(IMAGES)).numpy(), mean, rtol=1e-5, atol=1e-6)


def test_the_predicted_class_of_a_slice_is_that_of_the_mean_logits():
    joined = Consensus(networks())
    (maps,) = joined.own_maps(
        IMAGES, BRAIN, "predicted", ["layercam"], layers=("block2_pool",), batch_size=2
    ).values()
    for index, target in enumerate(maps.logits.argmax(axis=1).tolist()):
        (batch,) = joined.explain_batches(
            [torch.from_numpy(IMAGES)], classes=target, methods=["layercam"], layers="block2_pool"
        )
        scaled = batch["layercam"].raw["block2_pool"][:, 0, index]
        shown = maps.raw["block2_pool"][index] > 0
        assert shown.any()
        assert (scaled.max(axis=0)[shown] > 0).all()


@pytest.mark.parametrize("architecture", ["small_cnn", "resnet18"])
def test_it_is_read_by_the_names_of_a_member_and_drawn_anew_in_all_members(architecture):
    members = networks(architecture, count=2)
    joined = Consensus(members)
    assert cam.match_layers(joined) == cam.match_layers(members[0])
    names = weighted_layers(joined)
    layers = [name for name in weighted_layers(members[0]) if name in names]
    before = [{name: value.clone() for name, value in one.state_dict().items()} for one in members]
    with randomised(joined, [layers[-1]]):
        for member, state in zip(members, before, strict=True):
            changed = [name for name, value in member.state_dict().items() if not value.equal(state[name])]
            assert changed
            assert all(name.startswith(f"{layers[-1]}.") for name in changed)
    for member, state in zip(members, before, strict=True):
        assert all(value.equal(state[name]) for name, value in member.state_dict().items())


def test_networks_of_different_architectures_are_refused():
    with pytest.raises(
        InputError, match=r"found 2 network\(s\) of different layers; expected two or more of one"
    ):
        Consensus([*networks(count=1), *networks("resnet18", count=1)])
    with pytest.raises(InputError, match="found 1 network"):
        Consensus(networks(count=1))


def test_explain_refuses_it_and_says_what_gives_its_maps():
    together = Consensus(
        [build("small_cnn", 2, weights="none", seed=seed, brain="off").eval() for seed in range(2)]
    )
    with pytest.raises(ValueError, match=r"Consensus.*slice_maps\.explain_slices"):
        cam.explain(together, torch.rand(1, 3, 32, 32))
