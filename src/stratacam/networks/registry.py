"""The registry of architectures: every network that a study can name, apart from a user's custom ones."""

from stratacam.errors import InputError
from stratacam.networks.architecture import Architecture
from stratacam.networks.densenet import DENSENET121
from stratacam.networks.resnet import RESNET18, RESNET50
from stratacam.networks.vgg import SMALL_CNN, VGG16, VGG19

ARCHITECTURES: dict[str, Architecture] = {
    entry.name: entry for entry in (VGG16, VGG19, RESNET18, RESNET50, DENSENET121, SMALL_CNN)
}

DEFAULT_ARCHITECTURE = VGG16.name
"""The network of a study that names none: that of the abstract from which this project began."""

IMAGENET = "imagenet"
RANDOM = "none"
WEIGHTS = ("default", IMAGENET, RANDOM)
"""What a study may say of first weights besides the path of a file."""


def is_reference(architecture: str) -> bool:
    """Whether `architecture` names a user's function, such as `my_networks:make`, and not an entry of the registry."""
    return ":" in architecture


def find_architecture(name: str) -> Architecture:
    """The entry of an architecture.

    Raises:
        InputError: there is none.
    """
    if name not in ARCHITECTURES:
        raise InputError(
            f"network: {name!r} is not known; choose one of {', '.join(ARCHITECTURES)}, or a function "
            "of your own such as my_networks:make or path/to/networks.py:make."
        )
    return ARCHITECTURES[name]


def short_name(architecture: str) -> str:
    """The name of a network in names of files: of a custom network, such as "networks/mine.py:make", its function's."""
    return architecture.rpartition(":")[2]


def network_title(architecture: str) -> str:
    """The name of a network for readers: of a custom network that of its function.

    Example:
        >>> network_title("vgg16"), network_title("resnet50"), network_title("networks.py:make")
        ('VGG16', 'ResNet-50', 'make')
    """
    entry = ARCHITECTURES.get(architecture)
    return entry.title if entry else short_name(architecture)


def default_weights(architecture: str) -> str:
    """Where the weights of a network start if nobody says so: "imagenet" if they can be found, "none" otherwise."""
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
