"""Networks of others, trained by loops of others: MobileNet by Keras, RegNet and RepVGG of timm by plain PyTorch."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from stratacam.networks.files.of_keras import import_keras

EPOCHS, BATCH, RATE = 20, 16, 1e-3

Pictures = NDArray[np.float32]
Labels = NDArray[np.int64]


def keras_mobilenet(pictures: Pictures, labels: Labels, file: Path) -> None:
    """A quarter of MobileNet's channels, with the softmax that Keras puts last."""
    keras = import_keras()
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(
        weights=None, input_shape=(*pictures.shape[2:], 3), alpha=0.25, classes=int(labels.max()) + 1
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # Keras's 0.99 has not met the pictures after so few steps
    network.compile(keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy")
    network.fit(pictures.transpose(0, 2, 3, 1), labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    network.save(file)


def onnx_regnet(pictures: Pictures, labels: Labels, file: Path) -> None:
    """RegNet X 002, exported for any number of pictures."""
    network = _train("regnetx_002", pictures, labels)
    torch.onnx.export(
        network,
        (torch.from_numpy(pictures[:1]),),
        str(file),
        dynamo=False,
        input_names=["pictures"],
        dynamic_axes={"pictures": {0: "count"}},
    )


def exported_repvgg(pictures: Pictures, labels: Labels, file: Path) -> None:
    """RepVGG A0, exported by `torch.export` for any number of pictures."""
    network = _train("repvgg_a0", pictures, labels)
    shapes = ({0: torch.export.Dim("count")},)
    torch.export.save(
        torch.export.export(network, (torch.from_numpy(pictures[:2]),), dynamic_shapes=shapes), file
    )


def _train(name: str, pictures: Pictures, labels: Labels) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = import_module("timm").create_model(name, num_classes=int(labels.max()) + 1)
    images, classes = torch.from_numpy(pictures), torch.from_numpy(labels)
    steps = EPOCHS * -(-len(images) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), RATE)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images)).split(BATCH):
            batch = images[rows]
            mirrored = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, batch.flip(3), batch)
            functional.cross_entropy(network(mirrored), classes[rows]).backward()
            optimiser.step()
            optimiser.zero_grad()
            rates.step()
    return network.eval()


MAKERS: dict[str, Callable[[Pictures, Labels, Path], None]] = {
    "mobilenet.keras": keras_mobilenet,
    "regnet.onnx": onnx_regnet,
    "repvgg.pt2": exported_repvgg,
}
"""For each name of a file, what trains its network and writes it."""
