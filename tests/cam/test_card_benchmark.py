"""The benchmark of graphics cards: what it compares, what it reads from warnings, and the tables that it prints."""

import subprocess
import sys
import warnings

import pytest
import torch
from benchmarks import gpu
from benchmarks.card import networks
from benchmarks.card.agreement import Difference, groups_of, relative
from benchmarks.card.precision import computing_in
from benchmarks.card.speed import Cost, capture, explained, floor
from benchmarks.card.waiting import Waits, places_of

from stratacam import cam
from stratacam.cam.methods.gradient import gradcam, multiscale_gradcam, xgradcam
from stratacam.cam.passes import sum_of_channels


def test_without_a_card_one_sentence_says_so_and_the_exit_is_not_zero():
    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"], capture_output=True, text=True, check=False
    )
    assert found.returncode != 0
    assert found.stderr.startswith("There is no CUDA card")
    assert found.stderr.count("\n") == 1
    assert "Traceback" not in found.stderr


def test_the_floors_gradients_are_those_that_the_maps_are_made_of():
    model = networks.make("small_cnn").requires_grad_(False)
    images = networks.inputs("small_cnn", 2, 32)
    layers = [layer.name for layer in cam.list_layers(model, images)]
    gradients = floor(model, images, layers, "")
    maps = capture(model, images, layers, "gradcam")
    host = explained(model, images, layers, "gradcam")
    activations = {}
    for name in layers:
        hook = model.get_submodule(name).register_forward_hook(
            lambda _, __, output, name=name: activations.update({name: output})
        )
        model(*images)
        hook.remove()
    for name, gradient in zip(layers, gradients, strict=True):
        expected = sum_of_channels(gradcam(gradient)[:, None], activations[name])
        torch.testing.assert_close(maps[name], expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
        assert torch.equal(maps[name], host[name].raw)


@pytest.mark.parametrize("name", ["small_cnn", "small_cnn, brain-only", "recurrent"])
def test_networks_have_maps_that_are_not_blank(name):
    found = cam.explain(networks.make(name), networks.inputs(name, 1, 64), method="hirescam")
    assert all(maps.blank in {(("",),), (("all negative",),)} for maps in found)


def test_a_consensus_is_of_networks_that_differ_and_its_layers_are_in_their_blocks():
    model = networks.make("small_cnn, consensus")
    found = cam.explain(model, networks.inputs("small_cnn", 1, 32), classes=[[0, 3, 6]])
    assert set(groups_of(found.layers)) == {"block1", "block2", "block3", "block4"}
    assert len(groups_of(found.layers)["block4"]) == 9
    maps = [found[f"rests.{member}.block4_conv1"].raw[0, member] for member in range(3)]
    assert not torch.allclose(maps[0], maps[1])


def test_a_difference_is_of_the_largest_value_of_its_own_map():
    maps, reference = torch.tensor([[[1.0, 2.0], [0.0, 0.5]]]), torch.tensor([[[1.0, -4.0], [0.0, 0.0]]])
    assert relative(maps, reference).tolist() == [1.5, 0.5]


def test_waits_are_counted_by_place():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            warnings.warn_explicit(
                "called a synchronizing CUDA operation", UserWarning, "/a/cam/passes.py", 154
            )
        warnings.warn_explicit("something else", UserWarning, "/a/cam/passes.py", 1)
    assert places_of(caught) == {"passes.py:154": 2}


def test_tables_say_which_bars_were_missed():
    kept, missed = (
        gpu.cost_table([Cost("TF32", "contiguous", 64, "gradcam", 10.0, captured, 20.0, 2**20, 2**21)])
        for captured in (10.9, 11.1)
    )
    assert "| 10.0 ms, 1 MiB | 1.09, host 2.00, 3200/s, 2 MiB |" in kept
    assert "| 1.11 **NO**, host 2.00," in missed
    waits = gpu.wait_table([Waits("gradcam", "capture", 4, 3, 19, 18, {"passes.py:154": 18})])
    assert "| 1.00 " in waits
    assert "**NO**" in waits
    found = [
        Difference("vgg16", "gradcam", group, precision, largest, largest / 2)
        for precision, size in (("rounding", 1e-6), ("float32", 1e-5), ("TF32", 1e-3), ("bf16", 1e-2))
        for group, largest in (("block1", 2 * size), ("block2", size))
    ]
    table = gpu.agreement_table(found)
    assert "2.0e-05 block1" in table
    assert "| yes" in table
    assert "5.0e-03 (1.0e-02)" in gpu.group_table(found)


def test_parts_that_were_not_measured_leave_their_cells_empty():
    assert len(gpu.agreement_table([]).splitlines()) == 2
    assert "| yes" in gpu.agreement_table([Difference("vgg16", "gradcam", "block1", "float32", 0.0, 0.0)])


@pytest.mark.parametrize(
    "method", [xgradcam, multiscale_gradcam, lambda a, g: sum_of_channels(g.mean((2, 3))[:, None], a)]
)
def test_autocast_around_a_method_leaves_its_products_in_single_precision(method):
    """Under the caller's autocast they were in half precision, which has three digits."""
    values = torch.rand(2, 1, 8, 6, 5, generator=torch.Generator().manual_seed(0))
    with computing_in("bf16", torch.device("cpu")):
        found = method(*values)
    assert found.dtype == torch.float32
    assert torch.equal(found, method(*values))
