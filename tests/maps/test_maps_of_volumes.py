"""A network of volumes as one of slices: logits, and maps that are those of the volume."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import stratacam
from stratacam.maps import Consensus
from stratacam.maps.slice_maps import explain_slices, explain_slices_by
from stratacam.maps.volumes import StackNetwork, explain_methods, logits_of, sees_together
from stratacam.networks import build, inputs_of

RANDOM = np.random.default_rng(0)
COUNT, DEPTH = 20, 32
BRAIN = np.zeros((COUNT, 32, 32), dtype=bool)
BRAIN[2:18, 4:28, 6:26] = True
IMAGES = RANDOM.random((COUNT, 3, 32, 32), dtype=np.float32) * BRAIN[:, None]
BEFORE = (DEPTH - COUNT) // 2


def network(seed=0, brain="features"):
    return build("small_cnn", 2, weights="none", dimensions=3, brain=brain, seed=seed).eval()


def volume(values):
    """Slices (n, C, H, W) as a volume of `DEPTH`."""
    filled = torch.zeros(1, values.shape[1], DEPTH, *values.shape[2:])
    filled[0, :, BEFORE : BEFORE + COUNT] = torch.from_numpy(values.astype(np.float32)).movedim(0, 1)
    return filled


def volume_inputs(model):
    return inputs_of(model, volume(IMAGES), volume(BRAIN[:, None]))


@pytest.mark.parametrize("brain", ["features", "off"])
def test_logits_of_slices_are_those_of_the_volume(brain):
    model = network(brain=brain)
    with torch.no_grad():
        expected = model(*volume_inputs(model)).expand(COUNT, -1)
    stack = StackNetwork(model)
    assert sees_together(stack)
    torch.testing.assert_close(logits_of(stack, IMAGES, BRAIN, 4), expected)


@pytest.mark.parametrize("method", ["gradcam", "layercam", "multiscale_gradcam"])
def test_maps_of_slices_are_cut_from_those_of_the_volume(method):
    model = network()
    found = explain_slices(StackNetwork(model), IMAGES, BRAIN, 1, method)
    expected = stratacam.explain(model, volume_inputs(model), classes=1, method=method)
    assert found.layers == expected.layers
    for maps in expected:
        size = (DEPTH, *maps.raw.shape[3:])
        laid = functional.interpolate(maps.raw, size=size, mode="trilinear", align_corners=False)
        np.testing.assert_array_equal(found.raw[maps.name], laid[0, 0, BEFORE : BEFORE + COUNT].numpy())
    # where a layer keeps the volume's resolution its maps are the volume's own
    own = expected["block1_conv1"].raw[0, 0, BEFORE : BEFORE + COUNT].numpy()
    np.testing.assert_allclose(found.raw["block1_conv1"], own, atol=1e-6 * abs(own).max())


def test_blank_slices_say_why():
    model = network()
    found = explain_slices(StackNetwork(model), IMAGES, BRAIN, 1, "layercam")
    shown = found.raw["block1_conv1"].max(axis=(1, 2)) > 0
    assert [cause == "" for cause in found.blank["block1_conv1"]] == shown.tolist()
    assert not shown[:2].any()  # no brain there
    assert shown.any()


def test_the_predicted_class_is_the_volumes_and_all_classes_are_given():
    model = network()
    inputs = inputs_of(model, torch.from_numpy(IMAGES), torch.from_numpy(BRAIN))
    stack = StackNetwork(model)
    both = explain_methods(stack, inputs, ["gradcam"], classes="all")["gradcam"]
    one = explain_methods(stack, inputs, ["gradcam"], classes="predicted")["gradcam"]
    given = int(both.logits[0].argmax())
    assert one.classes.tolist() == [[given]] * COUNT
    torch.testing.assert_close(one["block4_conv2"].raw[:, 0], both["block4_conv2"].raw[:, given])
    listed = explain_methods(stack, inputs, ["gradcam"], classes=[[given]] * COUNT)["gradcam"]
    torch.testing.assert_close(listed["block4_conv2"].raw, one["block4_conv2"].raw)


def test_the_maps_of_a_consensus_are_those_of_its_members():
    members = [network(seed) for seed in range(3)]
    stacks = [StackNetwork(one) for one in members]
    together = Consensus(stacks)
    assert sees_together(together)
    logits = torch.stack([logits_of(one, IMAGES, BRAIN, 8) for one in stacks]).mean(dim=0)
    torch.testing.assert_close(logits_of(together, IMAGES, BRAIN, 8), logits)
    found = together.member_maps(IMAGES, BRAIN, 0, ["gradcam", "layercam"], layers="all")
    for number, one in enumerate(stacks):
        own = explain_slices_by(one, IMAGES, BRAIN, 0, ["gradcam", "layercam"])
        for method, maps in own.items():
            for layer, raw in maps.raw.items():
                scale = max(float(np.abs(raw).max()), 1e-12)
                np.testing.assert_allclose(
                    found[method].raw[layer][number, 0] / scale, raw / scale, atol=1e-4
                )
    predicted = together.own_maps(IMAGES, BRAIN, "predicted", ["gradcam"], layers="all", batch_size=4)
    given = int(logits[0].argmax())
    of_class = together.own_maps(IMAGES, BRAIN, given, ["gradcam"], layers="all", batch_size=4)
    for layer, raw in of_class["gradcam"].raw.items():
        np.testing.assert_allclose(predicted["gradcam"].raw[layer], raw, atol=1e-5)


def test_the_engine_refuses_slices_of_it_and_says_what_to_call():
    inputs = inputs_of(network(), torch.from_numpy(IMAGES), torch.from_numpy(BRAIN))
    with pytest.raises(ValueError, match="explain_slices"):
        stratacam.explain(StackNetwork(network()), inputs)
