"""Models of Keras: how they are run and named, and what is refused."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from saved_networks import images_for, keras_or_skip
from stratacam import cam
from stratacam.errors import InputError
from stratacam.networks import open_model

ROOT = Path(__file__).parents[2]


def simple(keras, **options):
    """From (B, rows, columns, 2) to three classes; options are of the last layer."""
    layers = keras.layers
    images = keras.Input((None, None, 2))
    found = layers.Conv2D(4, 3, name="first", activation="relu")(images)
    found = layers.GlobalAveragePooling2D(name="gap")(layers.MaxPooling2D(2, name="pool")(found))
    return keras.Model(images, layers.Dense(3, name="predictions", **options)(found))


def opened(model, folder, ending="keras"):
    path = folder / f"model.{ending}"
    model.save(path)
    return open_model(path)


def test_layers_have_the_names_of_keras_and_hold_its_weights(tmp_path):
    model = simple(keras_or_skip())
    found = opened(model, tmp_path)
    assert cam.match_layers(found) == ("first", "pool")
    assert {name for name, _ in found.named_modules()} >= {"gap", "predictions"}
    assert found.get_parameter("first.kernel").shape == (3, 3, 2, 4)
    assert [layer.parameters for layer in cam.list_layers(found, images_for())] == [76, 0]
    assert found.opened_file.shape == (2, None, None)
    assert found.opened_file.format.startswith("Keras 3")


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("end", ["softmax", "sigmoid", "layer", "activation", "function", "inner", None])
def test_a_final_softmax_is_left_out_and_said(end, ending, tmp_path):
    keras = keras_or_skip()
    model = simple(keras, activation=end if end in {"softmax", "sigmoid"} else None)
    last = {
        "layer": keras.layers.Softmax(name="end"),
        "activation": keras.layers.Activation("softmax", name="end"),
    }
    if end in last:
        model = keras.Model(model.inputs, last[end](model.output))
    if end == "function":
        model = keras.Model(model.inputs, keras.ops.softmax(model.output))
    if end == "inner":
        model = keras.Sequential([keras.Input((24, 24, 2)), simple(keras, activation="softmax")])
    found, images = opened(model, tmp_path, ending), images_for()
    probabilities = {"sigmoid": torch.sigmoid, None: lambda logits: logits}.get(
        end, lambda logits: logits.softmax(1)
    )
    expected = model(images.movedim(1, -1), training=False).detach()
    torch.testing.assert_close(probabilities(found(images)), expected)
    notes = found.opened_file.notes
    assert notes == () if end is None else "is left out: the network gives logits." in notes[0]


def clipped(keras, found):
    return keras.ops.clip(found, 1e-6, 1 - 1e-6)


@pytest.mark.parametrize(
    "behind",
    [
        lambda keras, found: keras.layers.Reshape((3,))(found),
        lambda keras, found: keras.layers.Flatten()(keras.layers.Dropout(0.5)(found)),
        lambda keras, found: keras.layers.Activation("linear", dtype="float32")(found),
        clipped,
    ],
    ids=["reshape", "flatten", "type", "clip"],
)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_what_follows_a_final_softmax_and_keeps_its_values_is_seen_through(activation, behind, tmp_path):
    keras = keras_or_skip()
    model = simple(keras, activation=activation)
    found = opened(keras.Model(model.inputs, behind(keras, model.output)), tmp_path)
    images = images_for()
    given, expected = found(images), model(images.movedim(1, -1), training=False).detach()
    torch.testing.assert_close(given.softmax(1) if activation == "softmax" else given.sigmoid(), expected)
    assert f"The {activation} of the last layer, predictions, is left out" in found.opened_file.notes[0]


@pytest.mark.parametrize("kind", ["Softmax", "Activation"])
def test_only_the_last_call_of_a_shared_softmax_is_left_out(kind, tmp_path):
    """The first call, which is a gate, was left out with it."""
    keras = keras_or_skip()
    layers, images = keras.layers, keras.Input((24, 24, 2))
    shared = layers.Softmax() if kind == "Softmax" else layers.Activation("sigmoid")
    found = layers.Conv2D(4, 3)(images)
    found = layers.GlobalAveragePooling2D()(layers.Multiply()([found, shared(found)]))
    model = keras.Model(images, layers.Reshape((3,))(shared(layers.Dense(3)(found))))
    network, pictures = opened(model, tmp_path), images_for()
    given, expected = network(pictures), model(pictures.movedim(1, -1), training=False).detach()
    torch.testing.assert_close(given.softmax(1) if kind == "Softmax" else given.sigmoid(), expected)


@pytest.mark.parametrize("inside", [False, True])
def test_a_softmax_of_a_layer_that_runs_in_several_places_is_refused(inside, tmp_path):
    keras = keras_or_skip()
    layers, images = keras.layers, keras.Input((24, 24, 2))
    found = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3)(images))
    shared = layers.Dense(3, activation="softmax", name="shared")
    if inside:
        given = keras.Input((3,))
        shared = keras.Model(given, shared(given))
    keras.Model(images, shared(shared(found))).save(tmp_path / "model.keras")
    refused(
        tmp_path / "model.keras", "final softmax in shared, which the model runs in several places; expected"
    )


def layer(kind, name, after, **config):
    """A layer as Keras 2 writes it."""
    return {
        "class_name": kind,
        "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        "name": name,
        "inbound_nodes": [[[after, 0, 0, {}]]],
    }


def test_hdf5_as_keras_2_wrote_it_is_read(tmp_path):
    model = simple(keras_or_skip())
    path = tmp_path / "old.h5"
    model.save(path)
    images = {"batch_input_shape": [None, 24, 24, 2], "dtype": "float32", "sparse": False, "name": "images"}
    layers = [
        {"class_name": "InputLayer", "config": images, "name": "images", "inbound_nodes": []},
        layer(
            "Conv2D",
            "first",
            "images",
            filters=4,
            kernel_size=[3, 3],
            data_format="channels_last",
            activation="relu",
        ),
        layer("MaxPooling2D", "pool", "first", pool_size=[2, 2], strides=[2, 2], data_format="channels_last"),
        layer("GlobalAveragePooling2D", "gap", "pool", data_format="channels_last"),
        layer("Dense", "predictions", "gap", units=3, activation="softmax"),
    ]
    ends = {"input_layers": [["images", 0, 0]], "output_layers": [["predictions", 0, 0]]}
    with importlib.import_module("h5py").File(path, "a") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.4.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Functional", "config": {"name": "old", "layers": layers, **ends}}
        ).encode()
    found, pictures = open_model(path), images_for()
    torch.testing.assert_close(found(pictures), model(pictures.movedim(1, -1), training=False).detach())
    assert cam.explain(found, pictures).layers == ("first", "pool")


def test_channels_first_are_taken_as_they_are(tmp_path):
    keras = keras_or_skip()
    layers, images = keras.layers, keras.Input((2, 24, 24))
    found = layers.Conv2D(4, 3, name="first", data_format="channels_first")(images)
    found = layers.GlobalAveragePooling2D(data_format="channels_first")(
        layers.BatchNormalization(axis=1)(found)
    )
    model = keras.Model(images, layers.Dense(3)(found))
    network, pictures = opened(model, tmp_path), images_for()
    torch.testing.assert_close(network(pictures), model(pictures, training=False))
    assert cam.explain(network, pictures)["first"].raw.shape == (2, 1, 22, 22)


def test_pictures_without_an_axis_of_channels_are_not_turned(tmp_path):
    """They were transposed."""
    keras = keras_or_skip()
    layers, images = keras.layers, keras.Input((20, 20))
    found = layers.Conv2D(4, 3, strides=(1, 2), name="first")(layers.Reshape((20, 20, 1))(images))
    model = keras.Model(images, layers.Dense(3)(layers.Flatten()(found)))
    network, pictures = opened(model, tmp_path), torch.rand(2, 1, 20, 20)
    assert network.opened_file.shape == (1, 20, 20)
    torch.testing.assert_close(network(pictures), model(pictures[:, 0], training=False))
    assert cam.explain(network, pictures)["first"].raw.shape == (2, 1, 18, 9)


def test_dropout_and_augmentation_are_off(tmp_path):
    keras = keras_or_skip()
    layers, images = keras.layers, keras.Input((24, 24, 2))
    found = layers.Conv2D(4, 3, name="first")(layers.RandomFlip()(images))
    found = layers.GlobalAveragePooling2D()(layers.SpatialDropout2D(0.5)(found))
    network, pictures = opened(keras.Model(images, layers.Dense(3)(found)), tmp_path), images_for()
    assert torch.equal(network(pictures), network(pictures))


def test_weights_that_are_changed_in_the_network_are_used(tmp_path):
    network, images = opened(simple(keras_or_skip()), tmp_path), images_for()
    with torch.no_grad():
        network.get_parameter("predictions.kernel").zero_()
        network.get_parameter("predictions.bias").copy_(torch.tensor([1.0, 2.0, 3.0]))
    assert torch.equal(network(images), torch.tensor([[1.0, 2.0, 3.0]] * 2))


def refused(path, words):
    with pytest.raises(InputError, match=words) as caught:
        open_model(path)
    assert str(path) in str(caught.value)


def test_several_inputs_or_outputs_are_refused(tmp_path):
    keras = keras_or_skip()
    model = simple(keras)
    ages = keras.Input((3,), name="ages")
    keras.Model([model.input, ages], keras.layers.Add()([model.output, ages])).save(tmp_path / "two.keras")
    refused(tmp_path / "two.keras", r"found 2 inputs \(.*ages\); expected one")
    keras.Model(model.inputs, [model.output, model.get_layer("gap").output]).save(tmp_path / "outputs.keras")
    refused(tmp_path / "outputs.keras", "found 2 outputs")


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_code_in_a_file_is_refused_and_not_run(ending, tmp_path):
    keras = keras_or_skip()
    marker = tmp_path / "marker"
    images = keras.Input((24, 24, 2))

    def leave_a_mark(values):
        marker.touch()
        return values

    found = keras.layers.Lambda(leave_a_mark, output_shape=(24, 24, 2))(images)
    model = keras.Model(images, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(found)))
    path = tmp_path / f"model.{ending}"
    model.save(path)
    marker.unlink(missing_ok=True)
    refused(path, "does not read this file")
    assert not marker.exists()


def test_weights_alone_a_damaged_file_and_another_ending_are_refused(tmp_path):
    model = simple(keras_or_skip())
    model.save_weights(tmp_path / "model.weights.h5")
    refused(tmp_path / "model.weights.h5", "expected a whole model")
    for ending in ("keras", "h5"):
        path = tmp_path / f"model.{ending}"
        model.save(path)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        refused(path, "damaged|does not read this file")
    path = tmp_path / "model.zip"
    model.save(tmp_path / "whole.keras")
    (tmp_path / "whole.keras").rename(path)
    refused(path, r"is a model of Keras.*expected \.keras: rename it")


@pytest.mark.parametrize(
    ("version", "backend", "found"),
    [("3.15.1", "jax", "Keras 3.15.1 with the backend jax"), ("2.15.0", "tensorflow", "Keras 2.15.0")],
)
def test_another_keras_that_was_imported_before_is_refused(version, backend, found, tmp_path, monkeypatch):
    simple(keras_or_skip()).save(tmp_path / "model.keras")
    other = SimpleNamespace(__version__=version, config=SimpleNamespace(backend=lambda: backend))
    monkeypatch.setitem(sys.modules, "keras", other)
    with pytest.raises(
        InputError, match=f"found {found}, already imported; expected Keras 3 with the backend torch"
    ):
        open_model(tmp_path / "model.keras")


def test_absent_keras_is_named(tmp_path, monkeypatch):
    simple(keras_or_skip()).save(tmp_path / "model.keras")
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(InputError, match=r"keras is not installed.*pip install 'stratacam\[keras\]'"):
        open_model(tmp_path / "model.keras")


def test_the_backend_that_is_set_for_others_is_not_used_and_stays_set(tmp_path):
    simple(keras_or_skip()).save(tmp_path / "model.keras")
    code = (
        "import os, stratacam, sys; stratacam.open_model(sys.argv[1]); import keras\n"
        "print(keras.config.backend(), os.environ['KERAS_BACKEND'])"
    )
    done = run(code, tmp_path / "model.keras", KERAS_BACKEND="tensorflow")
    assert done.stdout.split() == ["torch", "tensorflow"], done.stderr


def run(code, *arguments, **variables):
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
