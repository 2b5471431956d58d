"""One way into networks that people bring as a file."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from stratacam.errors import InputError
from stratacam.networks.files.of_export import open_exported
from stratacam.networks.files.of_keras import open_keras
from stratacam.networks.files.of_onnx import open_onnx
from stratacam.networks.files.of_script import open_script
from stratacam.networks.files.of_weights import Network, open_weights

HDF5 = b"\x89HDF\r\n\x1a\n"
KERAS_ENDINGS = (".keras", ".h5", ".hdf5")
WEIGHTS_ENDINGS = (".ckpt", ".pth", ".pt", ".safetensors", ".bin")
KNOWN = (
    ".keras and .h5 (Keras 3), .onnx, .pt2 (torch.export), .pt (TorchScript), .ckpt (Lightning) and other weights "
    "of a network that you name"
)


def open_model(
    path: Path | str, network: Network | None = None, arguments: Mapping[str, Any] | None = None
) -> nn.Module:
    """Read a classifier from a file of Keras, ONNX, torch.export, TorchScript or Lightning.

    Nothing in the file is run but operations on tensors, and the file is never written to. `explain` makes maps of its
    layers under the names that they have in the file. Images are given channels first, whatever the framework, and
    scaled as the network was trained on them. A final softmax or sigmoid is left out.

    Args:
        path: of the file.
        network: for files that hold weights alone (Lightning, state dictionaries): "my_package:MyNet",
            "path/to/file.py:MyNet", the class, or a network.
        arguments: for that class, beside the checkpoint's `hyper_parameters`.

    Returns:
        A network in evaluation mode from (B, channels, *spatial) to logits (B, classes). Its attribute `opened_file`
        says what is known: the format, the shape of an image, how many images run at once, and notes.

    Raises:
        InputError: the file is not there, damaged or of another kind, its package is absent, or it cannot be run.

    Example:
        >>> import tempfile
        >>> import torch
        >>> file = Path(tempfile.mkdtemp()) / "model.pt2"
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
        >>> torch.export.save(torch.export.export(model.eval(), (torch.rand(2, 1, 8, 8),)), file)
        >>> open_model(file).opened_file.shape
        (1, 8, 8)
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: {what_is_there(path)}; expected the file of a classifier: {KNOWN}.")
    reader = _reader_of(path)
    if reader is None:
        if network is None:
            raise InputError(
                f"{path}: found weights without the network that they belong to; expected its class too: give "
                "network='my_package:MyNet', or save the whole network with torch.export.save."
            )
        return open_weights(path, network, arguments)
    if network is not None or arguments:
        raise InputError(
            f"{path}: found a whole network, and a network or arguments named beside it; expected the file alone: "
            "leave these out."
        )
    return reader(path)


def what_is_there(path: Path) -> str:
    """What lies at a path that is no file, and what to do with it."""
    if (path / "saved_model.pb").is_file():
        return (
            "is a SavedModel of TensorFlow, which only TensorFlow reads: load it there, and save it with "
            "model.save('model.keras') or tf2onnx"
        )
    if (path / "card.json").is_file():
        return "is a model that stratacam trained, which load_model reads"
    return "is a folder" if path.is_dir() else "no such file"


def _reader_of(path: Path) -> Callable[[Path], nn.Module] | None:
    """What reads a file, by its content where that shows it; None for weights alone."""
    with path.open("rb") as file:
        start = file.read(len(HDF5))
    if not start:
        raise InputError(f"{path}: is empty; expected the file of a classifier: {KNOWN}.")
    if start == HDF5:
        return _ending_like(path, KERAS_ENDINGS[1:], open_keras)
    if start.startswith(b"PK"):
        return _reader_of_archive(path)
    if path.suffix == ".onnx":
        return open_onnx
    if path.suffix in KERAS_ENDINGS:
        raise InputError(
            f"{path}: is damaged or no model of Keras; expected what model.save writes: save it again."
        )
    if path.suffix in WEIGHTS_ENDINGS:
        return None
    if path.suffix == ".pt2":
        return open_exported
    raise InputError(f"{path}: is of no kind that is known here; expected {KNOWN}: rename or save it so.")


def _reader_of_archive(path: Path) -> Callable[[Path], nn.Module] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name if "/" not in name else name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError) as fault:
        raise InputError(
            f"{path}: is damaged ({fault}), as a file is whose download was cut off; expected a whole file: copy or "
            "save it again."
        ) from fault
    if {"config.json", "metadata.json"} <= names:
        return _ending_like(path, KERAS_ENDINGS[:1], open_keras)
    if "archive_format" in names or "models/model.json" in names:
        return open_exported
    if "serialized_exported_program.json" in names:
        raise InputError(
            f"{path}: is an exported program of torch before 2.8, whose weights are pickled; expected that of a "
            "newer torch: load it there, and save it again with torch.export.save."
        )
    if "constants.pkl" in names:
        return open_script
    if "data.pkl" in names:
        return None
    raise InputError(f"{path}: is an archive of no kind that is known here; expected {KNOWN}: save it so.")


def _ending_like(
    path: Path, endings: tuple[str, ...], reader: Callable[[Path], nn.Module]
) -> Callable[[Path], nn.Module]:
    """The reader, which goes by the ending of the name."""
    if path.suffix not in endings:
        raise InputError(
            f"{path}: is a model of Keras, whose name ends in {path.suffix!r}; expected {' or '.join(endings)}: "
            "rename it."
        )
    return reader
