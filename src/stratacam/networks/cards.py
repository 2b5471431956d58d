"""The JSON card of a trained model: what it is."""

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from stratacam.errors import InputError
from stratacam.networks.brain import BrainUse
from stratacam.networks.elsewhere.source import Config
from stratacam.networks.fusion import Fusion
from stratacam.networks.layers import Dimensions

WEIGHTS = "model.safetensors"
CARD = "card.json"


class ModelCard(BaseModel):
    """What a trained model is.

    Attributes:
        architecture: its name in the registry, or the reference of a user's function, see `load_network`.
        classes: names of the outputs, in their order.
        input: what the pictures must be (sequences in channel order, size, width in mm, ...).
        training: where the weights come from: initial weights, subjects, settings, seed, versions.
        head: name of the classifier head; None is the default of `find_head`.
        channels: of a picture.
        brain: what the network does with the brain, see `build`.
        config: of a network of another package, where its name is not enough to build it, see `config_of`.
        dimensions: spatial axes of what it takes: 2 of pictures, 3 of volumes.
        fusion: "late" of a network with a branch for every sequence, see `LateFusion`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    classes: tuple[str, ...]
    input: dict[str, Any]
    training: dict[str, Any]
    head: str | None = None
    channels: int = 3
    brain: BrainUse = "off"
    config: Config | None = None
    dimensions: Dimensions = 2
    fusion: Fusion = "early"

    @property
    def branches(self) -> tuple[str, ...]:
        """The sequences that have a branch each, in order; none with early fusion."""
        return tuple(self.input.get("sequences", ())) if self.fusion == "late" else ()


def card_hash(card: ModelCard) -> str:
    """SHA-256 of the file of a card, as `save_model` writes it."""
    return hashlib.sha256(card_text(card).encode()).hexdigest()


def card_text(card: ModelCard) -> str:
    """The content of the file of a card."""
    return card.model_dump_json(indent=2) + "\n"


def read_card(folder: Path) -> ModelCard:
    """Read the card of a trained model.

    Raises:
        InputError: it is not there, or is none.
    """
    if not (folder / CARD).is_file():
        inside = sorted(
            str(card.parent) for end in ("*", "models/*") for card in folder.glob(f"{end}/{CARD}")
        )
        such = f", such as {inside[0]}" if inside else ""
        raise InputError(f"{folder}: holds no {CARD}; name the folder of a trained model{such}.")
    try:
        return ModelCard.model_validate_json((folder / CARD).read_text(encoding="utf-8"))
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{folder / CARD}: is not a model card ({key + ': ' if key else ''}{first['msg']}); expected that of a "
            "model that stratacam trained: copy it again, or train the model again."
        ) from fault


def load_weights(folder: Path, model: nn.Module, card: ModelCard) -> None:
    """Load the weights that lie beside a card into its network.

    Raises:
        InputError: they cannot be read, or do not fit.
    """
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as fault:
        raise InputError(
            f"{folder / WEIGHTS}: does not hold the weights of a {card.architecture} with "
            f"{len(card.classes)} classes ({fault}); {_remedy(card)}."
        ) from fault


def _remedy(card: ModelCard) -> str:
    """What to do if weights do not fit: layers of another package's networks may change names between versions."""
    package = card.architecture.partition(":")[0]
    made = card.training.get("versions", {}).get(package)
    return (f"install {package} {made}, or " if made else "") + "train the model again"
