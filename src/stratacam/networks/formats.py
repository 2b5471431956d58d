"""Weights in the file formats that carry them: Keras, PyTorch, safetensors, ONNX, palette.

Every reader gives weights as a state dictionary of PyTorch: kernels (out, in, height, width) as `<layer>.weight`,
biases (out,) as `<layer>.bias`, layers in the natural order of their names.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stratacam.errors import InputError
from stratacam.networks.convention import Convention

State = dict[str, Tensor]
"""Weights and buffers by name."""


def read_keras(path: Path) -> State:
    """Read the convolutions of a Keras `.h5` or `.weights.h5` file.

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
        raise InputError(
            f"weights: {path} cannot be read as HDF5 ({fault}); expected a Keras file: download it again."
        ) from fault
    state = {}
    for group in sorted((group for group in arrays if arrays[group].keys() == {1, 4}), key=_natural):
        state[f"{group}.weight"] = arrays[group][4].permute(3, 2, 0, 1).contiguous()
        state[f"{group}.bias"] = arrays[group][1]
    return state


def read_torch(path: Path) -> State:
    """Read a PyTorch state dictionary such as torchvision's `resnet50-11ad3fa6.pth`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return _sorted(state)
    except (RuntimeError, EOFError, pickle.UnpicklingError, AttributeError, TypeError) as fault:
        raise InputError(
            f"weights: {path} cannot be read as a PyTorch state dictionary ({fault}); expected tensors by name: "
            "download it again."
        ) from fault


def read_safetensors(path: Path) -> State:
    """Read a safetensors file, with torchvision's names or this project's own."""
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        return _sorted(load_file(path))
    except SafetensorError as fault:
        raise InputError(
            f"weights: {path} cannot be read as safetensors ({fault}); expected such a file: download it again."
        ) from fault


def read_onnx(path: Path) -> State:
    """Read the convolutions of an ONNX graph that was exported from Keras; kernels are (out, in, height, width)."""
    try:
        import onnx  # noqa: PLC0415 - only for these files
        from onnx import numpy_helper  # noqa: PLC0415
    except ImportError as fault:
        raise InputError(
            f"weights: reading {path.name} needs the package onnx; pip install 'stratacam[imagenet]'."
        ) from fault

    state = {}
    for item in onnx.load(path).graph.initializer:
        name = re.search(r"block\d_conv\d", item.name)
        if name:
            part = "weight" if len(item.dims) == 4 else "bias"
            state[f"{name[0]}.{part}"] = torch.from_numpy(numpy_helper.to_array(item).copy())
    return _sorted(state)


def read_palette(path: Path) -> State:
    """Read convolutions stored as 8-bit indices `<layer>_W_q` into a table `<layer>_W_table`."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    state = {}
    for key in stored:
        if key.endswith("_W_q"):
            name = key.removesuffix("_W_q")
            state[f"{name}.weight"] = stored[f"{name}_W_table"][stored[key].long()]
            state[f"{name}.bias"] = stored[f"{name}_b"]
    return _sorted(state)


READERS = {
    ".h5": read_keras,
    ".pth": read_torch,
    ".pt": read_torch,
    ".safetensors": read_safetensors,
}
"""By the ending of the file."""


def convention_in(state: State) -> Convention | None:
    """The input convention that this project's own files hold beside the weights; None if there is none."""
    if "input.scale" not in state:
        return None
    return Convention(
        *(tuple(state[f"input.{key}"].flatten().tolist()) for key in ("order", "scale", "shift"))
    )


def _sorted(state: State) -> State:
    return {name: state[name] for name in sorted(state, key=_natural)}


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts `conv2d_10` after `conv2d_9`, and `conv2d` before `conv2d_1`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]
