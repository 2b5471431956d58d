"""First weights of networks of other packages: the package's pretrained ones, or those of a file."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError
from stratacam.networks import formats
from stratacam.networks.convention import Convention
from stratacam.networks.elsewhere.source import Source
from stratacam.networks.elsewhere.sources import find_source, name_in_source
from stratacam.networks.formats import COUNTER, State
from stratacam.networks.seeded import seeded

ENDINGS = (".pth", ".pt", ".safetensors")
"""Of files of weights."""

RGB = 3
"""Channels of pretrained weights."""


@dataclass(frozen=True)
class FoundWeights:
    """Weights of a network of another package, without its head, for three channels.

    Attributes:
        state: weights and buffers by the network's own names.
        convention: of the input with which they were trained.
        source: where they were found, for the record.
        first: names of the kernels that read the picture.
    """

    state: State
    convention: Convention
    source: str
    first: tuple[str, ...] = ()


def find_weights(architecture: str, file: Path | None = None, channels: int = 3) -> FoundWeights:
    """Read the weights that the package has for a network, which it may download, or those of a file.

    The head is left out: whatever has another shape for another number of classes.

    Args:
        architecture: such as "timm:resnet50".
        file: a state dictionary with the network's names; None: the package's weights.
        channels: of the pictures.

    Raises:
        InputError: the package is absent or has no such network or weights, or the file is missing, damaged or of
            another network.
    """
    source, name = find_source(architecture), name_in_source(architecture)
    where = str(file) if file else f"the pretrained weights of {architecture}"
    state, used = _read_file(architecture, file) if file else (_read_package(architecture, source, name), "")
    two, three = (_reference(source, name, classes) for classes in (2, 3))
    wanted = {key: value for key, value in two.items() if value.shape == three[key].shape}
    first: tuple[str, ...] = ()
    if channels != RGB:
        other = _reference(source, name, 2, channels)
        first = tuple(key for key in wanted if wanted[key].shape != other[key].shape)
    convention = formats.convention_in(state) or source.convention(name)
    _check(where, state, wanted, two, first)
    described = (
        f"file {file.name}, sha256 {_hash_of_file(file)}"
        if file
        else f"{source.version()}, pretrained weights of {name}, sha256 of tensors {_hash_of(state)}"
    )
    return FoundWeights(
        state={
            key: formats.as_number(state[key], value, f"{where}: {key}")
            for key, value in wanted.items()
            if key in state
        },
        convention=convention,
        source=described + (f", {used}" if used else ""),
        first=first,
    )


def _read_file(architecture: str, file: Path) -> tuple[State, str]:
    if not file.is_file() or file.suffix not in ENDINGS:
        found = f"{file} ends in {file.suffix!r}" if file.is_file() else f"{file} is not a file"
        raise InputError(
            f"network.weights: {found}; expected, for {architecture}, the path of a weights file "
            f"({', '.join(ENDINGS)}), 'imagenet' or 'none'."
        )
    return formats.read_weights(file)


def _read_package(architecture: str, source: Source, name: str) -> State:
    try:
        with seeded(0):
            return dict(source.pretrained(name).state_dict())
    except InputError:
        raise
    except Exception as fault:
        raise InputError(
            f"network.weights: {source.version()} gives no pretrained weights of {architecture}: "
            f"{type(fault).__name__} ({str(fault).partition(chr(10))[0]}); connect to the internet once, if they "
            'have to be downloaded, or name a file of such weights, or choose weights = "none".'
        ) from fault


def _reference(source: Source, name: str, classes: int, channels: int = RGB) -> State:
    """Names and shapes of a network's weights."""
    with seeded(0):
        return dict(source.build(name, classes, channels, None).state_dict())


def _check(where: str, state: State, wanted: State, known: State, first: Sequence[str]) -> None:
    """Refuse weights that are not all there, or of another network; `known` are all that it has, head and all."""
    remedy = "give weights of this network."
    missing = [key for key in wanted if key not in state and not key.endswith(COUNTER)]
    if missing:
        raise InputError(
            f"network.weights: {where} lacks {missing[0]} and {len(missing) - 1} more of {len(wanted)} tensors; "
            f"{remedy}"
        )
    parts = {key.partition(".")[0] for key in known}
    others = [key for key in state if key not in known and key.partition(".")[0] in parts]
    if others:
        raise InputError(
            f"network.weights: {where} holds {others[0]} and {len(others) - 1} more tensors that the network has not; "
            f"{remedy}"
        )
    for key, value in wanted.items():
        found, expected = (tuple(one.shape) for one in (state.get(key, value), value))
        if found != expected and not (key in first and found[:1] + found[2:] == expected[:1] + expected[2:]):
            raise InputError(
                f"network.weights: {where}: {key} has shape {found}, expected {expected}; {remedy}"
            )


def _hash_of(state: State) -> str:
    content = hashlib.sha256()
    for key, value in state.items():
        content.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()


def _hash_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
