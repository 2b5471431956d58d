"""Weights in the file formats that carry them: Keras, PyTorch, safetensors, ONNX, palette.

Every reader gives weights as a state dictionary of PyTorch: kernels (out, in, height, width) as `<layer>.weight`,
biases (out,) as `<layer>.bias`, layers in the natural order of their names.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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

    with h5py.File(path) as file:
        file.visititems(collect)
    state = {}
    for group in sorted((group for group in arrays if arrays[group].keys() == {1, 4}), key=_natural):
        state[f"{group}.weight"] = arrays[group][4].permute(3, 2, 0, 1).contiguous()
        state[f"{group}.bias"] = arrays[group][1]
    return state


def read_torch(path: Path) -> State:
    """Read a PyTorch state dictionary such as torchvision's `resnet50-11ad3fa6.pth`, or a checkpoint with one."""
    return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]


def read_safetensors(path: Path) -> State:
    """Read a safetensors file, with torchvision's names or this project's own."""
    from safetensors.torch import load_file  # noqa: PLC0415

    return load_file(path)


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


class Format(NamedTuple):
    """A format of weights files: its name for readers, and its reader."""

    title: str
    read: Callable[[Path], Mapping[str, Any]]


PYTORCH = Format("a PyTorch state dictionary", read_torch)
FORMATS = {
    ".h5": Format("HDF5 of Keras", read_keras),
    ".pth": PYTORCH,
    ".pt": PYTORCH,
    ".safetensors": Format("safetensors", read_safetensors),
}
"""By the ending of the file."""

CHECKPOINT = ("state_dict", "model_state_dict", "model")
"""Names under which checkpoints keep the state dictionary among other things."""

COUNTER = "num_batches_tracked"
"""A buffer of batch normalisation that files may lack."""

PARALLEL = "module."
"""What `torch.nn.DataParallel` puts before every name."""


def read_weights(path: Path) -> tuple[State, str]:
    """Read a weights file in the format of its ending.

    Returns:
        The tensors, and in words what of the file was used; empty if all of it.

    Raises:
        InputError: the file is damaged, or holds no tensors by name.
    """
    title, read = FORMATS[path.suffix]
    try:
        content: Any = read(path)
    except Exception as fault:  # whatever a reader makes of other bytes
        code = re.search(r"GLOBAL ([\w.]+)", str(fault))
        if code:
            raise InputError(
                f"network.weights: {path} holds Python objects ({code[1]}), which are not loaded as they can run code; "
                "expected tensors by name: save them alone, with torch.save(model.state_dict(), file)."
            ) from None
        raise InputError(
            f"network.weights: {path} cannot be read as {title}; expected tensors by name: the file is damaged or of "
            "another format, download or save it again."
        ) from fault
    notes = []
    for name in CHECKPOINT:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            notes.append(f"what it holds as {name!r}")
    named = {} if not isinstance(content, Mapping) else content
    state = {str(name): value for name, value in named.items() if isinstance(value, Tensor)}
    if not state:
        found = (
            f"names such as {', '.join(map(repr, list(named)[:3]))}"
            if named
            else f"a {type(content).__name__}"
        )
        raise InputError(
            f"network.weights: {path} holds {found}, but no tensors by name; expected a state dictionary, alone or as "
            f"{', '.join(map(repr, CHECKPOINT))}: save it with torch.save(model.state_dict(), file)."
        )
    if len(state) < len(named):
        notes.append(f"without {', '.join(str(name) for name in named if name not in state)}")
    if all(name.startswith(PARALLEL) for name in state):
        state = {name.removeprefix(PARALLEL): value for name, value in state.items()}
        notes.append(f"{PARALLEL!r} dropped from names")
    return _sorted(state), ", ".join(notes)


def convention_in(state: State) -> Convention | None:
    """The input convention that this project's own files hold beside the weights; None if there is none."""
    if "input.scale" not in state:
        return None
    return Convention(
        *(tuple(state[f"input.{key}"].flatten().tolist()) for key in ("order", "scale", "shift"))
    )


def as_number(found: Tensor, wanted: Tensor, where: str) -> Tensor:
    """A tensor of a file in the type of number that the network computes with."""
    if found.is_floating_point() != wanted.is_floating_point():
        raise InputError(
            f"{where} is of {found.dtype}, expected {wanted.dtype}; save the network's weights again."
        )
    number = found.to(wanted.dtype)
    if not number.isfinite().all():
        raise InputError(
            f"{where} holds NaN or infinite numbers, expected finite ones; train or download the weights again."
        )
    return number


def _sorted(state: State) -> State:
    return {name: state[name] for name in sorted(state, key=_natural)}


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts `conv2d_10` after `conv2d_9`, and `conv2d` before `conv2d_1`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]
