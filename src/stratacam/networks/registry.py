"""The registry of architectures: what a study can name, but for networks of other packages and of users."""

import os
import re
from pathlib import Path

from stratacam.errors import InputError
from stratacam.networks.architecture import Architecture
from stratacam.networks.densenet import DENSENET121
from stratacam.networks.elsewhere.sources import SOURCES, is_elsewhere, name_in_source, source_named
from stratacam.networks.layers import Dimensions
from stratacam.networks.resnet import RESNET18, RESNET50
from stratacam.networks.vgg import SMALL_CNN, VGG16, VGG19

ARCHITECTURES: dict[str, Architecture] = {
    entry.name: entry for entry in (VGG16, VGG19, RESNET18, RESNET50, DENSENET121, SMALL_CNN)
}

DEFAULT_ARCHITECTURE = VGG16.name
"""The network of a study that names none: that of the abstract from which this project began."""

GIVEN = "given:"
"""What stands before the card of a trained classifier that a study judges and does not train."""

IMAGENET = "imagenet"
RANDOM = "none"
WEIGHTS = ("default", IMAGENET, RANDOM)
"""What a study may say of first weights besides the path of a file."""


def is_reference(architecture: str) -> bool:
    """Whether `architecture` names a user's function, such as `my_networks:make`.

    Others are entries of the registry, or networks of other packages, such as `timm:resnet50`.
    """
    return ":" in architecture and not is_elsewhere(architecture) and not is_given(architecture)


def is_given(architecture: str) -> bool:
    """Whether an architecture is a trained classifier with its card, `given:path/to/card.toml`.

    Example:
        >>> is_given("given:model/card.toml"), is_given("my_networks:make"), is_given("vgg16")
        (True, False, False)
    """
    return architecture.startswith(GIVEN)


def card_of(architecture: str) -> Path:
    """The card of a given classifier."""
    return Path(architecture.removeprefix(GIVEN))


def beside(architecture: str, folder: Path, home: Path) -> str:
    """A given classifier as a model in `folder` names it: no folder of the machine is told, and `home` may be moved.

    Its card is named from `folder` if it lies in `home`, and else by its name; other networks are named as they are.

    Example:
        >>> beside("given:/data/audit/model/card.toml", Path("/data/audit/study/models/a"), Path("/data/audit"))
        'given:../../../model/card.toml'
        >>> beside("given:/elsewhere/card.toml", Path("/data/audit/study/models/a"), Path("/data/audit"))
        'given:card.toml'
    """
    if not is_given(architecture):
        return architecture
    card, home = card_of(architecture).resolve(), home.resolve()
    inside = card.is_relative_to(home)
    return GIVEN + (Path(os.path.relpath(card, folder.resolve())).as_posix() if inside else card.name)


def from_beside(architecture: str, folder: Path) -> str:
    """A network that a model in `folder` names, with the card of a given classifier from there; see `beside`."""
    return f"{GIVEN}{folder / card_of(architecture)}" if is_given(architecture) else architecture


def find_architecture(name: str) -> Architecture:
    """The entry of an architecture.

    Raises:
        InputError: there is none.
    """
    if name not in ARCHITECTURES:
        raise InputError(
            f"network: {name!r} is not known; choose one of {', '.join(ARCHITECTURES)}, a network of "
            f"another package such as timm:resnet50 ({', '.join(SOURCES)}), or a function of your own such as "
            "my_networks:make or path/to/networks.py:make."
        )
    return ARCHITECTURES[name]


def short_name(architecture: str) -> str:
    """The name of a network in names of files: of a custom network, such as "networks/mine.py:make", its function's.

    Example:
        >>> short_name("vgg16"), short_name("networks/mine.py:make"), short_name("timm:resnet50.a1_in1k")
        ('vgg16', 'make', 'timm-resnet50-a1_in1k')
    """
    if is_given(architecture):
        return "given"
    if is_elsewhere(architecture):
        name = name_in_source(architecture).rstrip("/").rpartition("/")[2]
        return re.sub(r"[^\w-]+", "-", f"{source_named(architecture).package}-{name}")
    return architecture.rpartition(":")[2]


def network_title(architecture: str) -> str:
    """The name of a network for readers: of a custom network that of its function.

    Example:
        >>> network_title("vgg16"), network_title("timm:resnet50"), network_title("networks.py:make")
        ('VGG16', 'resnet50 (timm)', 'make')
    """
    if is_given(architecture):
        return "the classifier given"
    if is_elsewhere(architecture):
        name = name_in_source(architecture).rstrip("/").rpartition("/")[2]
        return f"{name} ({source_named(architecture).title})"
    entry = ARCHITECTURES.get(architecture)
    return entry.title if entry else short_name(architecture)


def cited_as(architecture: str) -> str:
    """Key of the paper of a network, or of the package that it is from; empty if there is none."""
    if is_elsewhere(architecture):
        return source_named(architecture).cited_as
    entry = ARCHITECTURES.get(architecture)
    return entry.cited_as if entry else ""


def default_weights(architecture: str, dimensions: Dimensions = 2) -> str:
    """Where the weights of a network start if nobody says so: "imagenet" if they can be found, "none" otherwise.

    Networks of other packages start from random weights, but those that are named by a repository or folder from what
    lies there. Networks of volumes (3 dimensions) start from random weights.
    """
    if dimensions == 3:
        return RANDOM
    if is_elsewhere(architecture):
        return source_named(architecture).default(name_in_source(architecture))
    entry = ARCHITECTURES.get(architecture)
    return IMAGENET if entry and entry.imagenet else RANDOM


def default_frozen(architecture: str, *, pretrained: bool) -> tuple[str, ...]:
    """Patterns of the layers that are frozen by default: all blocks but the last of a pretrained network.

    Example:
        >>> default_frozen("vgg16", pretrained=True)
        ('block1_*', 'block2_*', 'block3_*', 'block4_*')
        >>> default_frozen("vgg16", pretrained=False)
        ()
    """
    return ARCHITECTURES[architecture].frozen if pretrained and architecture in ARCHITECTURES else ()


def last_block(architecture: str) -> str | None:
    """A pattern of the layers of the last block; None for a custom network, of which no blocks are known."""
    entry = ARCHITECTURES.get(architecture)
    return f"{entry.blocks[-1]}_*" if entry else None
