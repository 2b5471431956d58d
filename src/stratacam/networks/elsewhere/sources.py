"""The registry of sources: packages whose networks a study can name, as in `timm:resnet50`."""

from stratacam.errors import InputError, did_you_mean
from stratacam.networks.elsewhere.of_monai import MONAI
from stratacam.networks.elsewhere.of_timm import TIMM
from stratacam.networks.elsewhere.of_torchvision import TORCHVISION_MODELS
from stratacam.networks.elsewhere.of_transformers import TRANSFORMERS
from stratacam.networks.elsewhere.source import Source

SOURCES: dict[str, Source] = {
    source.package: source for source in (TIMM, TORCHVISION_MODELS, TRANSFORMERS, MONAI)
}


def is_elsewhere(architecture: str) -> bool:
    """Whether an architecture is a network of another package.

    Example:
        >>> is_elsewhere("timm:resnet50"), is_elsewhere("my_networks:make"), is_elsewhere("vgg16")
        (True, False, False)
    """
    package, colon, _ = architecture.partition(":")
    return bool(colon) and package in SOURCES


def name_in_source(architecture: str) -> str:
    """The name that a network has in its package: "resnet50" of "timm:resnet50"."""
    return architecture.partition(":")[2]


def source_named(architecture: str) -> Source:
    """The source of a network."""
    return SOURCES[architecture.partition(":")[0]]


def find_source(architecture: str) -> Source:
    """The source of a network that its package has.

    Raises:
        InputError: the package is not installed, or has no network of this name.
    """
    source, name = source_named(architecture), name_in_source(architecture)
    source.check_installed(architecture)
    if not source.has(name):
        names = source.names()
        shown = f"such as {', '.join(names[:: max(1, len(names) // 5)][:5])}"
        raise InputError(
            f"network: {architecture!r} is not a classifier of {source.version()}; "
            f"{did_you_mean(name, names)}It has {len(names)}, {shown}: choose one of these."
        )
    return source
