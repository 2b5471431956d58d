"""What the registry of sources says of a package."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.networks.convention import Convention
from stratacam.networks.elsewhere.tokens import Blocks
from stratacam.networks.layers import Dimensions

Config = dict[str, Any]
"""What a network is built from beside its name, as JSON has it."""


@dataclass(frozen=True)
class Source:
    """A package whose networks can be named, as in `timm:resnet50`.

    Functions are called only where the package is installed. Names that they are given are those of `names`, or suit
    `has`.

    Attributes:
        package: what stands before the colon, and what Python imports.
        title: for readers.
        install: how the package is installed.
        names: of its classifiers of pictures, for close names in errors.
        has: whether there is a network of a name.
        build: makes a network from its name, the number of classes and of channels and its config (None where it has
            none), with random weights, from pictures (B, channels, H, W) to logits (B, classes).
        build_3d: the same from volumes (B, channels, D, H, W); None: it has no such networks.
        pretrained: makes a network from its name with the package's pretrained weights, for three channels.
        convention: the input convention of these weights.
        config: what is needed beside the name to build a network where its folder or repository is out of reach; None
            where the name is enough.
        default: where weights start if nobody says so: "imagenet" or "none".
        cited_as: key of its paper in the report's references.
        blocks: finds the blocks of a network whose output is tokens or has its features last.
    """

    package: str
    title: str
    install: str
    names: Callable[[], Sequence[str]]
    has: Callable[[str], bool]
    build: Callable[[str, int, int, Config | None], nn.Module]
    pretrained: Callable[[str], nn.Module]
    convention: Callable[[str], Convention]
    cited_as: str
    config: Callable[[str], Config | None] = lambda _: None
    default: Callable[[str], str] = lambda _: "none"
    build_3d: Callable[[str, int, int, Config | None], nn.Module] | None = None
    blocks: Callable[[nn.Module], Blocks] = lambda _: {}

    def make(
        self, architecture: str, classes: int, channels: int, config: Config | None, dimensions: Dimensions
    ) -> nn.Module:
        """Call `build`, or for volumes `build_3d`.

        Raises:
            InputError: it has none for volumes.
        """
        name = architecture.partition(":")[2]
        if dimensions == 2:
            return self.build(name, classes, channels, config)
        if self.build_3d is None:
            raise InputError(
                f"network: {architecture!r} takes pictures only; expected, with pictures.dimensions = 3, a network for "
                "volumes: choose one of MONAI's, one of this package, or pictures.dimensions = 2."
            )
        return self.build_3d(name, classes, channels, config)

    def version(self) -> str:
        """Name and version of the installed package, such as "timm 1.0.31"."""
        return f"{self.package} {version(self.package)}"

    def check_installed(self, architecture: str) -> None:
        """Import the package.

        Raises:
            InputError: it is not installed, or cannot be imported.
        """
        try:
            importlib.import_module(self.package)
        except ModuleNotFoundError as fault:
            if fault.name != self.package:
                raise self._broken(architecture, fault) from fault
            raise InputError(
                f"network: {architecture!r} is a network of the package {self.package}, which is not installed; "
                f"install it: {self.install}."
            ) from fault
        except Exception as fault:
            raise self._broken(architecture, fault) from fault

    def _broken(self, architecture: str, fault: Exception) -> InputError:
        return InputError(
            f"network: {architecture!r} needs the package {self.package}, whose import failed with "
            f"{type(fault).__name__} ({fault}); expected a version that suits torch {torch.__version__}: install it "
            f"again, with a torchvision of that torch if it needs one ({self.install})."
        )


def module_of(name: str) -> Any:  # noqa: ANN401 - of a package without types
    """A module of a package that may be absent; imported when it is needed."""
    return importlib.import_module(name)


def normalising(mean: Sequence[float], deviation: Sequence[float]) -> Convention:
    """The convention of weights that were trained on `(x - mean) / deviation`, x in [0, 1]."""
    return Convention(
        tuple(range(len(mean))),
        tuple(1 / value for value in deviation),
        tuple(-centre / value for centre, value in zip(mean, deviation, strict=True)),
    )
