from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_cases import BlobNetwork, blob_slices, explained
from torch import nn

from stratacam.evidence.draws import torch_seed
from stratacam.evidence.sanity import INSENSITIVE, randomised, sanity, weighted_layers
from stratacam.evidence.similarity import likeness
from stratacam.maps.slice_maps import explain_slices
from stratacam.networks import build, make_network


class EdgeLike(nn.Module):
    """A network whose first layer has one channel that shows the picture, so that its map there shows it too."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 1, 1)
        self.last = nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            self.first.weight.fill_(1.0)
            self.first.bias.zero_()

    def forward(self, images):
        return self.last(self.first(images)).mean(dim=(2, 3))


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_weights_are_drawn_anew_and_come_back_bit_for_bit():
    model = build("vgg16", classes=2, weights="none").eval()
    before = state(model)
    names = weighted_layers(model)
    with randomised(model, names[-3:]):
        now = state(model)
        changed = {name.rsplit(".", 1)[0] for name in now if not torch.equal(now[name], before[name])}
        assert changed == set(names[-3:])
    assert same(before, state(model))


def test_a_block_that_counts_as_one_layer_is_drawn_as_a_whole():
    model = build("resnet18", classes=2).eval()
    names = weighted_layers(model)
    assert len(names) == 10  # the stem, eight blocks, the head
    before = state(model)
    with randomised(model, ["layer4_block1"]):
        now = state(model)
        changed = {name for name in now if not torch.equal(now[name], before[name])}
        convolutions = [f"layer4_block1.{part}.weight" for part in ("conv1", "conv2", "downsample.0")]
        assert set(convolutions) <= changed
        assert all(name.startswith("layer4_block1.") for name in changed)
    assert same(before, state(model))


def test_weights_come_back_after_an_error_too():
    model = BlobNetwork()
    before = state(model)
    with pytest.raises(RuntimeError, match="no map"), randomised(model, weighted_layers(model)):
        raise RuntimeError("no map")
    assert same(before, state(model))


def test_modules_that_cannot_reset_themselves_draw_with_their_own_spread():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.randn(4000) * 7)

    model = nn.Sequential(Own())
    before = model[0].scale.detach().clone()
    with randomised(model, ["0"], seed=3):
        drawn = model[0].scale.detach().clone()
    assert not torch.equal(drawn, before)
    assert float(drawn.std()) == pytest.approx(7, rel=0.1)


def test_a_draw_depends_on_the_seed_and_the_layer_alone():
    model = build("vgg16", classes=2, weights="none")
    names = weighted_layers(model)
    with randomised(model, names[-1:], seed=1):
        alone = state(model)[f"{names[-1]}.weight"]
    with randomised(model, names[-4:], seed=1):
        together = state(model)[f"{names[-1]}.weight"]
    with randomised(model, names[-1:], seed=2):
        other = state(model)[f"{names[-1]}.weight"]
    assert torch.equal(alone, together)
    assert not torch.equal(alone, other)


def test_the_cascade_goes_from_the_output_down_and_each_layer_has_its_step():
    model = build("vgg16", classes=2, weights="none").eval()
    scan = blob_slices(count=1, size=64)
    maps = explain_slices(
        model, scan.images, scan.brain, 0, "gradcam", layers=("block4_conv3", "block4_pool", "block5_conv3")
    )
    rows = sanity([explained(maps, scan, model, sanity_draws=1)])
    steps = list(dict.fromkeys(value.against for value in rows if value.measure == "cascade_rank"))
    assert steps == list(reversed(weighted_layers(model)))
    above = {value.layer: value.value for value in rows if value.measure == "above_rank"}
    cascade = {(value.layer, value.against): value.value for value in rows if value.measure == "cascade_rank"}
    first_of_block_5 = next(name for name in steps if name.startswith("block5_conv1"))
    assert above["block4_conv3"] == cascade["block4_conv3", first_of_block_5]
    assert above["block4_pool"] == cascade["block4_pool", first_of_block_5]
    assert above["block5_conv3"] == cascade["block5_conv3", steps[0]]


def test_a_map_that_shows_the_picture_whatever_stands_above_is_found_out():
    torch.manual_seed(0)
    scan = blob_slices(count=3)
    model = EdgeLike().eval()
    with torch.no_grad():
        model.last.weight.fill_(0.5)
    insensitive = []
    for seed in range(8):
        maps = explain_slices(model, scan.images, scan.brain, 0, "gradcam", layers=("first",))
        rows = {
            value.measure: value.value
            for value in sanity([explained(maps, scan, model, seed=seed, sanity_draws=1)])
        }
        insensitive.append(rows["above_rank"])
    shown = [
        value for value in insensitive if value != 0
    ]  # the drawn weight of the class may be negative: blank
    assert min(shown) == pytest.approx(1)
    assert max(insensitive) >= INSENSITIVE


def test_a_map_of_many_channels_changes_with_what_stands_above():
    model = build("vgg16", classes=2, weights="none").eval()
    scan = blob_slices(count=1, size=64)
    maps = explain_slices(
        model, scan.images, scan.brain, 0, "gradcam", layers=("block3_conv3", "block5_conv1")
    )
    every = sanity([explained(maps, scan, model, cascade=False, independent=True)])
    rows = [value for value in every if value.measure == "above_rank"]
    assert len(rows) == 2
    assert np.mean([value.value for value in rows]) < INSENSITIVE
    independent = [value for value in every if value.measure == "independent_rank"]
    assert {value.against for value in independent} == set(weighted_layers(model))


def test_likeness_is_the_mean_over_draws_that_are_the_subjects_own():
    model = BlobNetwork().eval()
    scan = blob_slices(count=1, size=24)
    maps = explain_slices(model, scan.images, scan.brain, 0, "gradcam", layers=("match.0",))

    def above(name, draws):
        rows = sanity([explained(maps, replace(scan, name=name), model, cascade=False, sanity_draws=draws)])
        return next(row.value for row in rows if row.measure == "above_rank")

    values = {name: [above(name, draws) for draws in range(1, 9)] for name in ("sub-01", "sub-02")}
    single = {name: np.diff(np.arange(1, 9) * found, prepend=0) for name, found in values.items()}
    for found in single.values():  # one channel: a drawn weight decides between two maps, or shows nothing
        distinct = np.unique(found.round(6))
        assert 1 < len(distinct) <= 3
    assert not np.allclose(single["sub-01"], single["sub-02"])


def test_above_a_layer_of_a_branch_is_the_rest_of_that_branch_and_no_other():
    """ScoreCAM sees the logits of the whole network, so that it would notice another branch drawn anew."""
    model = make_network("small_cnn", 2, weights="none", branches=("T1w", "FLAIR")).eval()
    scan = blob_slices(count=1, size=32)
    layers = ("T1w.block2_conv2", "FLAIR.block2_conv2")
    maps = explain_slices(model, scan.images, scan.brain, 0, "scorecam", layers=layers)
    rows = sanity([explained(maps, scan, model, sanity_draws=1)])
    above = {value.layer: value.value for value in rows if value.measure == "above_rank"}
    assert {*above} == {*layers}
    for layer in layers:
        branch = [name for name in weighted_layers(model) if name.startswith(layer.partition(".")[0])]
        seed = torch_seed(0, "weights", scan.name, 0)
        with randomised(model, branch[branch.index(layer) + 1 :], seed=seed):
            drawn = explain_slices(model, scan.images, scan.brain, 0, "scorecam", layers=(layer,))
        alike = likeness(maps.heat(layer, scan.shape), drawn.heat(layer, scan.shape), scan.brain)
        assert above[layer] == pytest.approx(float(np.nan_to_num(alike)[0, 0]), abs=1e-6)
    steps = {(value.layer, value.against) for value in rows if value.measure == "cascade_rank"}
    assert {against for _, against in steps} == {*weighted_layers(model)}
    assert all(layer.partition(".")[0] == against.partition(".")[0] for layer, against in steps)
