"""Maps of every layer of networks that were read from files, against the saved network and finite differences."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from plain_autograd import assert_same_map, gradcam

from saved_networks import LAYERS, SAVERS, images_for, keras_or_skip, save, small, without_softmax
from stratacam import cam
from stratacam.networks import open_model

STEP = 2e-3


def finite_differences(model, images, layer, call, scored):
    """Grad-CAM whose gradients are differences: of the score, for a step of a whole channel of one call of a layer."""
    module, calls, change, kept = model.get_submodule(layer), 0, None, None

    def hook(_module, _inputs, output):
        nonlocal calls, kept
        calls += 1
        if calls != call:
            return None
        kept = output.clone()
        return output if change is None else output + change.view(1, -1, *[1] * (output.ndim - 2))

    def scores(step):
        nonlocal calls, change
        calls, change = 0, step
        with torch.no_grad():
            return model(images)[:, scored]

    handle = module.register_forward_hook(hook)
    scores(None)
    activation = kept
    slopes = []
    for channel in range(activation.shape[1]):
        step = torch.zeros(activation.shape[1])
        step[channel] = STEP
        slopes.append((scores(step) - scores(-step)) / (2 * STEP))
    handle.remove()
    weights = torch.stack(slopes, dim=1) / activation[0, 0].numel()
    return torch.einsum("bk,bk...->b...", weights, activation)


def assert_finite_differences(model, images, maps, scored):
    layer, _, call = maps.name.partition("#")
    expected = finite_differences(model, images, layer, int(call or 1), scored)
    assert_same_map(maps.raw[:, 0], expected, share=0.02)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("kind", SAVERS)
def test_maps_of_every_layer_are_those_of_the_network_that_was_saved(kind, axes, tmp_path):
    network, images = small(axes), images_for(axes)
    model = open_model(save(kind, network, images, tmp_path))
    reference = without_softmax(network)
    found = cam.explain(model, images, classes=1)
    assert found.layers == LAYERS
    torch.testing.assert_close(found.logits, reference(images).detach(), rtol=1e-4, atol=1e-6)
    for maps in found:
        layer, _, call = maps.name.partition("#")
        expected = gradcam(reference, images, layer, lambda logits: logits[:, 1].sum(), call=int(call or 1))
        assert_same_map(maps.raw[:, 0], expected)
        assert_finite_differences(model, images, maps, 1)


@pytest.mark.parametrize("kind", SAVERS)
def test_a_block_and_an_activation_have_maps_under_their_names(kind, tmp_path):
    network, images = small(), images_for()
    model = open_model(save(kind, network, images, tmp_path))
    names = ["features", "features.2"]
    found = cam.explain(model, images, layers=names, classes=1)
    for name in names:
        expected = gradcam(without_softmax(network), images, name, lambda logits: logits[:, 1].sum())
        assert_same_map(found[name].raw[:, 0], expected)


def keras_network(keras, axes):
    """Functional, with a model inside another, a layer that is used twice and shortcuts: (B, *spatial, channels)."""
    layers = keras.layers
    convolution, pool, average = (
        getattr(layers, f"{name}{axes}D") for name in ("Conv", "MaxPooling", "GlobalAveragePooling")
    )
    inner = keras.Sequential(
        [
            keras.Input((*[None] * axes, 2)),
            convolution(4, 3, activation="relu", padding="same", name="block1_conv1"),
            layers.BatchNormalization(name="norm"),
            pool(2, name="block1_pool"),
        ],
        name="base",
    )
    inner.get_layer("norm").moving_mean.assign([0.1, 0.4, -0.2, 0.3])
    images = keras.Input((*[20] * axes, 2))
    shared = convolution(4, 3, padding="same", name="shared")
    found = inner(images)
    found = layers.Add()([layers.ReLU()(shared(found)), found])
    found = average(name="gap")(shared(found))
    return keras.Model(images, layers.Dense(3, activation="softmax", name="predictions")(found))


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_maps_of_every_layer_of_keras_are_finite_differences(axes, ending, tmp_path):
    keras = keras_or_skip()
    model = keras_network(keras, axes)
    model.save(tmp_path / f"model.{ending}")
    opened = open_model(tmp_path / f"model.{ending}")
    images = images_for(axes, size=20)
    found = cam.explain(opened, images, classes=1)
    assert found.layers == ("base.block1_conv1", "base.block1_pool", "shared#1", "shared#2")
    assert found["shared#1"].raw.shape == (2, 1, *[10] * axes)
    torch.testing.assert_close(found.logits.softmax(1), model(images.movedim(1, -1), training=False).detach())
    for maps in found:
        layer, _, call = maps.name.partition("#")
        expected = gradcam(opened, images, layer, lambda logits: logits[:, 1].sum(), call=int(call or 1))
        assert_same_map(maps.raw[:, 0], expected)
        assert_finite_differences(opened, images, maps, 1)


def test_maps_of_vgg16_of_keras_are_those_of_the_gradients_that_keras_gives(tmp_path):
    keras = keras_or_skip()
    model = keras.applications.VGG16(weights=None, input_shape=(48, 48, 3), classes=3)
    model.save(tmp_path / "vgg16.keras")
    opened = open_model(tmp_path / "vgg16.keras")
    images = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(2))
    found = cam.explain(opened, images, classes=1)
    assert len(found.layers) == 18
    assert cam.match_layers(opened, "last") == ("block5_conv3",)
    model.layers[-1].activation = keras.activations.linear
    for name in ("block5_pool", "block5_conv3", "block4_conv1", "block1_conv2", "block1_conv1"):
        values = keras.Model(model.inputs, model.get_layer(name).output)(images.movedim(1, -1)).detach()
        values.requires_grad_()
        later, after = values, False
        for layer in model.layers:
            later = layer(later) if after else later
            after = after or layer.name == name
        (gradient,) = torch.autograd.grad(later[:, 1].sum(), values)
        expected = torch.einsum("bk,byxk->byx", gradient.mean(dim=(1, 2)), values.detach())
        assert_same_map(found[name].raw[:, 0], expected)


def test_two_threads_explain_one_network_of_keras(tmp_path):
    keras = keras_or_skip()
    keras_network(keras, 2).save(tmp_path / "model.keras")
    opened = open_model(tmp_path / "model.keras")
    images = images_for(size=20)
    expected = cam.explain(opened, images, classes=1)
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda _: cam.explain(opened, images, classes=1), range(4)):
            assert all(torch.equal(found[name].raw, expected[name].raw) for name in expected.layers)
