"""A network before it is trained, and what its frozen layers give, as a task that any executor can run."""

from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from torch import nn

from stratacam.learning import ScanPictures, keep_activations, keep_head_inputs
from stratacam.learning.augment import AugmentSettings
from stratacam.networks import find_head, frozen_prefix, initial_weights, make_network
from stratacam.study.keys import NOT_IN_KEY


@dataclass(frozen=True)
class FirstNetwork:
    """A network as it is before training.

    Attributes:
        architecture: name, or reference of a user's function.
        weights: where its weights start, see `stratacam.networks.initial_weights`.
        head: name of its classifier head; found if absent.
        classes: number of outputs.
        channels: of the pictures.
        seed: of what is random in it.
        made_of: what its weights and its code are, wherever they lie; see `stratacam.networks.made_of`.
    """

    architecture: str = field(metadata=NOT_IN_KEY)
    weights: str = field(metadata=NOT_IN_KEY)
    head: str | None
    classes: int
    channels: int
    seed: int
    made_of: str

    def make(self) -> tuple[nn.Module, str]:
        """Make the network, and say where its weights come from."""
        model, source = _make(self)
        return deepcopy(model), source


@lru_cache(maxsize=1)
def _make(first: FirstNetwork) -> tuple[nn.Module, str]:
    """The network, made once in each worker."""
    pretrained = initial_weights(first.architecture, first.weights, first.channels)
    model = make_network(
        first.architecture,
        first.classes,
        channels=first.channels,
        weights=pretrained or "none",
        seed=first.seed,
    )
    return model, pretrained.source if pretrained else "random"


@dataclass(frozen=True)
class Frozen:
    """What is to be kept of every scan: outputs of frozen layers, and what the untrained head is fed.

    Attributes:
        first: the network.
        frozen: the layers.
        copies: augmented copies of each slice.
        augmentation: of these.
        seed: of the copies.
        folder: where it is kept.
        device: where to compute.
    """

    first: FirstNetwork
    frozen: tuple[str, ...]
    copies: int
    augmentation: AugmentSettings
    seed: int
    folder: Path
    device: str


def keep_scan(frozen: Frozen, scan: ScanPictures) -> None:
    """Keep the outputs of the frozen layers, and what the untrained head is fed, for one scan."""
    model, _ = _make(frozen.first)
    model.to(frozen.device)
    prefix, rest = frozen_prefix(model, frozen.frozen)
    keep_activations(
        prefix,
        scan,
        frozen.folder,
        copies=frozen.copies,
        augmentation=frozen.augmentation,
        seed=frozen.seed,
        device=frozen.device,
    )
    keep_head_inputs(rest, find_head(model, frozen.first.head)[1], scan, frozen.folder, device=frozen.device)
