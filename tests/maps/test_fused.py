"""Maps over layers: what they are the mean of, under which names, of one network and of several."""

import numpy as np
import pytest
import torch

from stratacam import cam
from stratacam.cam import view
from stratacam.maps import Consensus, LayerConsensus
from stratacam.maps.fused import candidate_fusions, fuse, fused_title, wanted
from stratacam.maps.heat import scale_of
from stratacam.maps.slice_maps import explain_slices
from stratacam.networks import build

BRAIN = np.zeros((3, 32, 32), dtype=bool)
BRAIN[:, 4:28, 6:26] = True
IMAGES = np.random.default_rng(0).random((3, 3, 32, 32), dtype=np.float32) * BRAIN[:, None]
FUSED = "block1_conv2+block2_conv2"


@pytest.fixture(scope="module")
def network():
    return build("small_cnn", 2, weights="none", seed=0).eval()


def explained(model, layers, method="layercam"):
    return explain_slices(model, IMAGES, BRAIN, 0, method, layers=layers)


@pytest.mark.parametrize("method", ["layercam", "gradcam"])
def test_a_fused_map_is_the_mean_of_its_parts_each_by_its_scale_at_the_finest_resolution(network, method):
    found = explained(network, ("all", FUSED), method)
    expected = np.zeros_like(found.raw["block1_conv2"])
    for part in FUSED.split("+"):
        scale = scale_of(np.abs(found.signed(part, (32, 32))), BRAIN)
        laid = view(torch.from_numpy(found.raw[part])[:, None], size=(32, 32), relu=False, normalise="none")
        expected += laid[:, 0].numpy() / scale / 2
    np.testing.assert_allclose(found.raw[FUSED], expected, atol=1e-6)
    assert found.layers[-1] == FUSED


def test_a_part_counts_the_same_however_large_its_maps_are():
    random = np.random.default_rng(0)
    raw = {"a": random.random((2, 8, 8), np.float32), "b": random.random((2, 4, 4), np.float32)}
    brain = np.ones((2, 8, 8), dtype=bool)
    many = raw | {"b": raw["b"] * 1000}
    np.testing.assert_allclose(fuse(raw, "a+b", brain), fuse(many, "a+b", brain), rtol=1e-5)


def test_a_part_without_heat_counts_as_nothing_and_a_fused_map_of_such_parts_is_blank_with_their_cause(
    network,
):
    dark = {"a": -np.ones((1, 4, 4), np.float32), "b": np.eye(4, dtype=np.float32)[None]}
    brain = np.ones((1, 4, 4), dtype=bool)
    np.testing.assert_allclose(fuse(dark, "a+b", brain), np.eye(4)[None] / 2)
    for parameter in network.parameters():
        parameter.data.zero_()
    found = explained(network, (FUSED,))
    assert not found.raw[FUSED].any()
    assert set(found.blank[FUSED]) == {"zero gradient"}


@pytest.fixture(autouse=True)
def weights_stay(network):
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    yield
    network.load_state_dict(kept)


@pytest.mark.parametrize("layers", [(FUSED,), ("block3*", FUSED), ("last", FUSED)])
def test_only_layers_that_were_asked_for_are_given(network, layers):
    plain = [one for one in layers if one != FUSED]
    expected = (*(cam.match_layers(network, plain) if plain else ()), FUSED)
    assert explained(network, layers).layers == expected


def test_parts_are_named_in_the_order_of_the_network(network):
    assert wanted(network, "block2_conv2+block1_conv2").fused == (FUSED,)


@pytest.mark.parametrize(
    "name", ["block1_conv2+block9", "block1_conv2+block1_conv2", "block1*+block2_conv2", "gap+block1_conv2"]
)
def test_a_part_that_is_no_single_layer_is_refused(network, name):
    with pytest.raises(ValueError, match=r"block"):
        wanted(network, name)


def test_candidates_are_the_last_layers_of_every_run_of_neighbouring_blocks():
    network = build("vgg16", 2, weights="none")
    last = tuple(f"block{number}_pool" for number in range(1, 6))
    assert {tuple(one.split("+")) for one in candidate_fusions(cam.match_layers(network))} == {
        last[start:stop] for start in range(4) for stop in range(start + 2, 6)
    }


def test_a_network_of_one_block_or_very_many_has_no_candidates():
    assert candidate_fusions(["block1_conv1", "block1_conv2"]) == ()
    assert candidate_fusions([f"part{number}" for number in range(7)]) == ()


def test_titles_say_what_the_mean_is_of():
    assert fused_title("a+b") == "mean of a and b"
    assert fused_title("a+b+c") == "mean of a to c"
    assert fused_title("a") == "a"


def test_of_a_consensus_every_member_has_its_fused_map():
    members = [build("small_cnn", 2, weights="none", seed=seed).eval() for seed in range(3)]
    of_each = np.stack([explained(one, (FUSED,)).raw[FUSED] for one in members])
    found = explained(Consensus(members), ("block3*", FUSED))
    np.testing.assert_allclose(found.raw[FUSED], LayerConsensus.of(of_each, BRAIN).mean, atol=1e-5)
    assert found.layers == (*cam.match_layers(members[0], "block3*"), FUSED)
