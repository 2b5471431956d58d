"""A final softmax or sigmoid is left out where the network then gives the logits, whatever follows it."""

import numpy as np
import pytest
import torch
from torch import nn

from saved_networks import graph, images_for, runtime, save, save_exported, written
from stratacam.errors import InputError
from stratacam.networks import open_model

SIGMOID, SOFTMAX = torch.sigmoid, lambda logits: logits.softmax(1)
ENDS = {
    "sigmoid, clamped": (SIGMOID, lambda found: found.clamp(1e-6, 1 - 1e-6)),
    "sigmoid, another shape": (SIGMOID, lambda found: found.unsqueeze(1).flatten(1)),
    "sigmoid in place": (torch.sigmoid_, lambda found: found),
    "softmax, another shape": (SOFTMAX, lambda found: found.reshape(-1, 3)),
    "softmax of the last axis, another type": (
        lambda logits: logits.softmax(-1),
        lambda found: found.double().float(),
    ),
}


class Ending(nn.Module):
    """A classifier with a function of the logits at its end."""

    def __init__(self, *functions):
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
        )
        self.functions = functions

    def forward(self, images):
        found = self.body(images)
        for function in self.functions:
            found = function(found)
        return found


@pytest.mark.parametrize("kind", ["exported", "traced", "onnx"])
@pytest.mark.parametrize("end", ENDS)
def test_what_changes_shape_or_type_or_clamps_is_left_out_with_a_softmax(end, kind, tmp_path):
    network, images = Ending(*ENDS[end]).eval(), images_for(count=3)
    model = open_model(save(kind, network, images_for(), tmp_path))
    torch.testing.assert_close(model(images), network.body(images), rtol=1e-4, atol=1e-6)
    assert "is left out: the network gives logits." in model.opened_file.notes[0]


KEPT = {
    "softmax over the images": (lambda logits: logits.softmax(0),),
    "narrow clamp": (SIGMOID, lambda found: found.clamp(0.3, 0.6)),
    "sum": (SIGMOID, lambda found: found + 1),
    "written to": (SIGMOID, lambda found: found.index_fill_(1, torch.tensor([0]), 0.0)),
}


@pytest.mark.parametrize("kind", ["exported", "traced", "onnx"])
@pytest.mark.parametrize("end", KEPT)
def test_what_does_more_is_kept(end, kind, tmp_path):
    if kind == "onnx" and end == "written to":
        pytest.skip("ONNX has no writes in place")
    network, images = Ending(*KEPT[end]).eval(), images_for()
    model = open_model(save(kind, network, images, tmp_path))
    torch.testing.assert_close(model(images), network(images), rtol=1e-4, atol=1e-6)
    assert not any("left out" in note for note in model.opened_file.notes)


def test_a_softmax_over_some_of_the_classes_is_refused(tmp_path):
    network = Ending(lambda logits: logits.reshape(-1, 1, 3), lambda found: found.softmax(1).flatten(1))
    save_exported(network.eval(), images_for(), tmp_path / "model.pt2")
    with pytest.raises(
        InputError, match=r"final softmax over the axes \[1\] of \(1, 1, 3\); expected it over all"
    ):
        open_model(tmp_path / "model.pt2")


@pytest.mark.parametrize(("axis", "left_out"), [(0, False), (1, True), (-1, True), (None, True)])
def test_a_softmax_of_old_opsets_flattens_what_it_is_given(axis, left_out, tmp_path):
    nodes = [
        ("GlobalAveragePool", ["images"], ["a"], {}),
        ("Flatten", ["a"], ["b"], {}),
        ("Softmax", ["b"], ["scores"], {} if axis is None else {"axis": axis}),
    ]
    path, images = written(graph(nodes, {}, ["N", 3, 4, 4], opset=11), tmp_path), torch.rand(2, 3, 4, 4)
    model = open_model(path)
    found = model(images)
    torch.testing.assert_close(found.softmax(1) if left_out else found, runtime(path, images))
    assert bool(model.opened_file.notes) == left_out


def test_a_cast_after_a_sigmoid_of_onnx_is_no_probability(tmp_path):
    """Converters to half precision keep the output's type by a cast."""
    nodes = [
        ("GlobalAveragePool", ["images"], ["a"], {}),
        ("Flatten", ["a"], ["b"], {}),
        ("Sigmoid", ["b"], ["c"], {}),
        ("Clip", ["c", "low", "high"], ["d"], {}),
        ("Cast", ["d"], ["scores"], {"to": 1}),
    ]
    limits = {"low": np.float32(1e-6), "high": np.float32(1)}
    path, images = written(graph(nodes, limits, ["N", 1, 4, 4]), tmp_path), torch.rand(2, 1, 4, 4) - 0.5
    torch.testing.assert_close(open_model(path)(images).sigmoid(), runtime(path, images))
