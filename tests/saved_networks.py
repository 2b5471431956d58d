"""Small networks, and files of them in the formats that frameworks write."""

import importlib.util
import warnings

import pytest
import torch
from torch import nn

from other_packages import needed
from stratacam.networks.files.of_keras import import_keras


class Small(nn.Module):
    """A classifier of images of two or three axes, with a batch norm as after training and a convolution used twice."""

    def __init__(self, axes=2, classes=3):
        super().__init__()
        convolution, norm, pool, average = (
            getattr(nn, f"{name}{axes}d") for name in ("Conv", "BatchNorm", "MaxPool", "AvgPool")
        )
        self.features = nn.Sequential(
            convolution(2, 4, 3, stride=2, padding=1), norm(4), nn.ReLU(inplace=True), pool(2)
        )
        self.shared = convolution(4, 4, 3, padding=1)
        self.average = average(3, 1, 1)
        self.head = nn.Linear(4, classes)
        self.softmax = nn.Softmax(dim=1)
        for value in (self.features[1].running_mean, self.features[1].weight, self.features[1].bias):
            nn.init.normal_(value, 0.5, 0.3)

    def forward(self, images):
        found = self.features(images)
        found = self.average(self.shared(self.shared(found).relu()))
        return self.softmax(self.head(found.flatten(2).mean(dim=2)))


LAYERS = ("features.0", "features.3", "shared#1", "shared#2", "average")


def small(axes=2):
    torch.manual_seed(1)
    return Small(axes).eval()


def images_for(axes=2, count=2, size=24):
    return torch.rand(count, 2, *[size] * axes, generator=torch.Generator().manual_seed(2))


def without_softmax(network):
    """The same network, with logits: what a file is held against."""
    network.softmax = nn.Identity()
    return network


def save_exported(network, images, path, *, fixed=False):
    shapes = None if fixed else ({0: torch.export.Dim("batch")},)
    torch.export.save(
        torch.export.export(network, (images[:1] if fixed else images,), dynamic_shapes=shapes), path
    )


def save_traced(network, images, path):
    _quietly(lambda: torch.jit.trace(network, images).save(str(path)))


def save_scripted(network, _images, path):
    _quietly(lambda: torch.jit.script(network).save(str(path)))


def save_onnx(network, images, path, *, fixed=False, opset=17, training=None):
    """With torch's older exporter, which needs no further package; batch norms stay by themselves."""
    onnx = needed("onnx")
    training = training or torch.onnx.TrainingMode.PRESERVE
    axes = None if fixed else {"images": {0: "batch"}}
    _quietly(
        lambda: torch.onnx.export(
            network,
            (images[:1] if fixed else images,),
            str(path),
            dynamo=False,
            opset_version=opset,
            input_names=["images"],
            dynamic_axes=axes,
            training=training,
        )
    )
    return onnx.load(path)


SAVERS = {
    "exported": (save_exported, "pt2", {}),
    "exported for one image": (save_exported, "pt2", {"fixed": True}),
    "traced": (save_traced, "pt", {}),
    "scripted": (save_scripted, "pt", {}),
    "onnx": (save_onnx, "onnx", {}),
    "onnx for one image": (save_onnx, "onnx", {"fixed": True}),
}
"""Of networks of torch: what writes a file, and its ending."""


def save(kind, network, images, folder):
    """Write a network; the file's path."""
    write, ending, options = SAVERS[kind]
    path = folder / f"model.{ending}"
    write(network, images, path, **options)
    return path


def graph(nodes, constants, shape, *, outputs=("scores",), opset=21, inputs=("images",)):
    """A model in ONNX of nodes (operator, inputs, outputs, attributes)."""
    onnx = needed("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = helper.make_graph(
        [helper.make_node(name, given, found, **attributes) for name, given, found, attributes in nodes],
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name in inputs],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def written(model, folder):
    """The path of a model in ONNX."""
    path = folder / "model.onnx"
    needed("onnx").save(model, path)
    return path


def runtime(path, images):
    """The scores that ONNX Runtime gives."""
    session = needed("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return torch.from_numpy(session.run(None, {given.name: images.numpy()})[0])


def keras_or_skip():
    """Keras on torch, as the package imports it; skip the test, with the reason, where it is absent."""
    if not importlib.util.find_spec("keras"):
        pytest.skip("keras is not installed; pip install it")
    keras = import_keras()
    keras.utils.set_random_seed(0)
    return keras


def _quietly(function):
    """TorchScript is deprecated, which is why people have files of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()
