"""The model and the caller's tensors are afterwards what they were before, whatever happened."""

import gc
import weakref

import pytest
import torch
from example_networks import Careless, Plain, Residual, images_for, make
from torch import nn

import stratacam as sc
from stratacam.cam import methods


def snapshot(model):
    return {
        "training": [module.training for module in model.modules()],
        "trainable": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "values": [value.clone() for value in model.state_dict().values()],
        "storage": [value.data_ptr() for value in model.state_dict().values()],
        "strides": [value.stride() for value in model.state_dict().values()],
        "hooks": [
            (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))
            for module in model.modules()
        ],
    }


def assert_same(before, after):
    for key in ("training", "trainable", "storage", "strides", "hooks"):
        assert before[key] == after[key], key
    for key in ("gradients", "values"):
        for one, other in zip(before[key], after[key], strict=True):
            assert (one is None and other is None) or torch.equal(one, other), key


@pytest.fixture
def mixed():
    """A network in training mode, one part of it not, one parameter frozen, with gradients of its own."""
    model = make(Residual, in_place=True)
    model(images_for(Residual)).sum().backward()
    model.train()
    model.norm1.eval()
    model.stem.weight.requires_grad_(False)
    return model


@pytest.mark.parametrize("method", sc.METHODS)
def test_everything_is_put_back_after_every_method(mixed, method):
    before = snapshot(mixed)
    layers = {} if method in set(sc.METHODS) - set(methods.LAYER_METHODS) else {"layers": ["conv1", "conv2"]}
    sc.explain(mixed, images_for(Residual), method=method, smooth=1, **layers)
    assert_same(before, snapshot(mixed))
    assert torch.is_grad_enabled()


def test_everything_is_put_back_after_an_error(mixed):
    before = snapshot(mixed)
    images = images_for(Residual)
    with pytest.raises(ValueError, match=r"classes: found .*; expected 0 to 3"):
        sc.explain(mixed, images, classes=9)

    def broken(_activation, _gradient):
        raise ZeroDivisionError("in the middle of a backward")

    with pytest.raises(ZeroDivisionError):
        sc.explain(mixed, images, method=broken)
    with pytest.raises(RuntimeError):
        sc.explain(mixed, torch.rand(1, 5, 8, 8))  # not the channels of this network
    assert_same(before, snapshot(mixed))


def test_model_may_be_used_and_left_between_batches(mixed):
    before = snapshot(mixed)
    batches = sc.explain_batches(mixed, images_for(Residual), batch_size=1)
    next(batches)
    assert_same(before, snapshot(mixed))
    with torch.no_grad():
        next(batches)
        assert not torch.is_grad_enabled()
    del batches
    assert_same(before, snapshot(mixed))


def test_callers_tensors_are_never_changed():
    images = images_for(Careless).requires_grad_()
    kept, version = images.detach().clone(), images._version
    model = nn.Sequential(nn.Identity(), make(Careless, in_place=True))
    result = sc.explain(model, images, layers=["0", "1.conv1"])
    assert torch.equal(images, kept)
    assert images._version == version
    assert images.grad is None
    assert not result["0"].raw.requires_grad
    assert torch.equal(
        sc.explain(model, images.detach().mT.contiguous().mT, layers=["0"])["0"].raw, result["0"].raw
    )


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_taken_where_the_caller_has_switched_them_off(mode):
    model = make(Plain)
    expected = sc.explain(model, images_for(Plain))
    with mode():
        found = sc.explain(model, images_for(Plain))
    for name in expected.layers:
        assert torch.equal(found[name].raw, expected[name].raw)


def test_frozen_networks_are_explained():
    """Several libraries fail with 'element 0 of tensors does not require grad'."""
    model = make(Plain)
    expected = sc.explain(model, images_for(Plain))
    model.requires_grad_(requires_grad=False)
    assert torch.equal(sc.explain(model, images_for(Plain))["conv1"].raw, expected["conv1"].raw)


def test_training_mode_counts_for_nothing():
    class Random(Plain):
        def forward(self, x):
            return super().forward(nn.functional.dropout(x, 0.5, self.training))

    model, images = make(Random).train(), images_for(Random)
    assert torch.equal(sc.explain(model, images)["conv2"].raw, sc.explain(model, images)["conv2"].raw)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_networks_are_explained_like_plain_ones(backend):
    images = images_for(Plain)
    expected = sc.explain(make(Plain), images)
    whole = torch.compile(make(Plain), backend=backend)
    in_place = make(Plain)
    in_place.compile(backend=backend)
    inside = nn.Sequential(torch.compile(make(Plain), backend=backend))
    for model, prefix in ((whole, ""), (in_place, ""), (inside, "0._orig_mod.")):
        with torch.no_grad():
            model(images)
        found = sc.explain(model, images)
        for name in expected.layers:
            torch.testing.assert_close(found[prefix + name].raw, expected[name].raw, rtol=1e-4, atol=1e-7)
    torch._dynamo.reset()


def test_half_precision_and_double_are_explained_in_single():
    model, images = make(Plain), images_for(Plain)
    expected = sc.explain(model, images, classes=1)
    with torch.autocast("cpu", torch.bfloat16):
        automatic = sc.explain(model, images, classes=1)
    half = sc.explain(make(Plain).bfloat16(), images.bfloat16(), classes=1)
    double = sc.explain(make(Plain).double(), images.double(), classes=1)
    for name in expected.layers:
        largest = expected[name].raw.abs().max()
        for found, share in ((automatic, 0.05), (half, 0.05), (double, 1e-4)):
            assert found[name].raw.dtype == torch.float32
            assert (found[name].raw - expected[name].raw).abs().max() <= share * largest


def test_torchscript_and_inference_parameters_are_refused_in_words():
    traced = torch.jit.trace(make(Plain).eval(), images_for(Plain))
    with pytest.raises(ValueError, match="is TorchScript, whose layers cannot be observed"):
        sc.explain(traced, images_for(Plain))
    with torch.inference_mode():
        model = make(Plain)
    with pytest.raises(ValueError, match=r"made in torch\.inference_mode"):
        sc.explain(model, images_for(Plain))


def test_a_network_inside_no_grad_is_refused_with_the_layer_and_the_reason():
    class Closed(Plain):
        def forward(self, x):
            with torch.no_grad():
                return super().forward(x)

    with pytest.raises(ValueError, match=r"layer conv1 is run inside torch\.no_grad by the model itself"):
        sc.explain(make(Closed), images_for(Closed), layers="conv1")
    with pytest.raises(ValueError, match=r"none of the layers has a map: conv1 is run inside torch\.no_grad"):
        sc.explain(make(Closed), images_for(Closed))


def test_gradients_of_all_layers_are_never_held_at_once():
    alive, most = [], 0

    def counting(activation, gradient):
        nonlocal most
        alive.append(weakref.ref(gradient))
        most = max(most, sum(reference() is not None for reference in alive))
        return (activation * gradient).sum(dim=1)

    torch.manual_seed(0)
    layers = [layer for _ in range(10) for layer in (nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    sc.explain(model, torch.rand(1, 3, 8, 8), method=counting)
    assert len(alive) == 10
    assert most == 1


def test_nothing_is_left_behind():
    model, images = make(Residual, in_place=True), images_for(Residual)

    def count():
        return sum(type(thing) in {torch.Tensor, nn.Parameter} for thing in gc.get_objects())

    sc.explain(model, images, classes="all")
    gc.collect()
    before = count()
    gc.disable()
    try:
        for _ in range(5):
            sc.explain(model, images, classes="all")
        after = count()
    finally:
        gc.enable()
    assert after == before  # not even what the garbage collector would have found
