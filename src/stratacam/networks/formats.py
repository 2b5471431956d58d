"""Convolution weights in the file formats that carry VGG: Keras, torchvision, safetensors, ONNX, palette."""

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stratacam.errors import InputError
from stratacam.networks.convention import Convention


@dataclass(frozen=True)
class Convolution:
    """A kernel (out, in, height, width), its bias (out,), and the name it goes by in its file."""

    name: str
    kernel: Tensor
    bias: Tensor


def read_keras(path: Path) -> list[Convolution]:
    """Read the convolutions of a Keras `.h5` or `.weights.h5` file, in the order of their names.

    Keras stores kernels as (height, width, in, out). Layers are found by their groups, so files with a
    classifier on top, and both of Keras's file layouts, are read alike.
    """
    import h5py  # noqa: PLC0415 - only for these files

    arrays: dict[str, dict[int, Tensor]] = {}

    def collect(name: str, item: Any) -> None:  # noqa: ANN401 - h5py groups and data sets
        if isinstance(item, h5py.Dataset) and item.ndim in {1, 4}:
            group = name.rsplit("/", 1)[0]
            arrays.setdefault(group, {})[item.ndim] = torch.from_numpy(item[()]).float()

    try:
        with h5py.File(path) as file:
            file.visititems(collect)
    except OSError as fault:
        raise InputError(f"weights: {path} cannot be read as HDF5 ({fault}); download it again.") from fault
    groups = sorted((group for group in arrays if arrays[group].keys() == {1, 4}), key=_natural)
    return [
        Convolution(group, arrays[group][4].permute(3, 2, 0, 1).contiguous(), arrays[group][1])
        for group in groups
    ]


def read_state(path: Path) -> list[Convolution]:
    """Read the convolutions of a PyTorch state dictionary such as torchvision's `vgg16-397923af.pth`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as fault:
        raise InputError(
            f"weights: {path} cannot be read as a PyTorch state dictionary ({fault}); download it again."
        ) from fault
    return _from_state(state)


def read_safetensors(path: Path) -> list[Convolution]:
    """Read the convolutions of a safetensors file, with torchvision's names or this project's own."""
    return _from_state(_load_safetensors(path))


def read_convention(path: Path) -> Convention | None:
    """The input convention stored in a safetensors file of this project; None if it stores none."""
    state = _load_safetensors(path)
    if "input.scale" not in state:
        return None
    numbers = [tuple(state[f"input.{key}"].flatten().tolist()) for key in ("order", "scale", "shift")]
    return Convention(*numbers)


def read_onnx(path: Path) -> list[Convolution]:
    """Read the convolutions of an ONNX graph exported from Keras; kernels are (out, in, height, width)."""
    try:
        import onnx  # noqa: PLC0415 - only for these files
        from onnx import numpy_helper  # noqa: PLC0415
    except ImportError as fault:
        raise InputError(
            f"weights: reading {path.name} needs the package onnx; pip install 'stratacam[imagenet]'."
        ) from fault

    kernels: dict[str, Tensor] = {}
    biases: dict[str, Tensor] = {}
    for item in onnx.load(path).graph.initializer:
        name = re.search(r"block\d_conv\d", item.name)
        if name:
            kept = kernels if len(item.dims) == 4 else biases
            kept[name[0]] = torch.from_numpy(numpy_helper.to_array(item).copy())
    return [Convolution(name, kernels[name], biases[name]) for name in sorted(kernels)]


def read_palette(path: Path) -> list[Convolution]:
    """Read convolutions stored as 8-bit indices `<layer>_W_q` into a table `<layer>_W_table`."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    names = sorted(key.removesuffix("_W_q") for key in state if key.endswith("_W_q"))
    return [
        Convolution(name, state[f"{name}_W_table"][state[f"{name}_W_q"].long()], state[f"{name}_b"])
        for name in names
    ]


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        return load_file(path)
    except SafetensorError as fault:
        raise InputError(f"weights: {path} cannot be read as safetensors ({fault}).") from fault


def _from_state(state: dict[str, Tensor]) -> list[Convolution]:
    names = [key.removesuffix(".weight") for key, value in state.items() if value.ndim == 4]
    return [
        Convolution(name, state[f"{name}.weight"], state[f"{name}.bias"])
        for name in sorted(names, key=_natural)
        if f"{name}.bias" in state
    ]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts `conv2d_10` after `conv2d_9`, and `conv2d` before `conv2d_1`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]
