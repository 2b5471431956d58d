"""Trained models on disk: `model.safetensors` and the JSON card that says what they are."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from stratacam.errors import InputError
from stratacam.files import whole_file, write_text
from stratacam.networks.brain import BrainUse
from stratacam.networks.custom import make_network, same_reference
from stratacam.networks.elsewhere.source import Config
from stratacam.networks.registry import is_reference

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


def save_model(folder: Path | str, model: nn.Module, card: ModelCard) -> None:
    """Write the weights and then the card into `folder`; a folder without a card holds no model."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)  # layers may share a tensor
        for name, tensor in model.state_dict().items()
    }
    with whole_file(folder / WEIGHTS) as temporary:
        save_file(state, temporary)
    write_text(folder / CARD, _card_text(card))


def card_hash(card: ModelCard) -> str:
    """SHA-256 of the file of a card, as `save_model` writes it."""
    return hashlib.sha256(_card_text(card).encode()).hexdigest()


def _card_text(card: ModelCard) -> str:
    return card.model_dump_json(indent=2) + "\n"


def load_model(folder: Path | str, network: str | None = None) -> tuple[nn.Module, ModelCard]:
    """Load the model of `folder` in evaluation mode, and its card.

    A network of this package, or of a package among `SOURCES`, is built by the card's word. A user's network is code,
    and code that only the card names is not run: the caller must name it too.

    Args:
        folder: what `save_model` wrote.
        network: the architecture that the caller expects, and for a user's network the reference of its function
            (the file may lie in another folder than the card says); None accepts every network of this package.

    Raises:
        InputError: if the folder holds no model, or a card or weights that cannot be read or do not fit, or a
            network other than `network`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> card = ModelCard(architecture="small_cnn", classes=("control", "MS"), input={}, training={})
        >>> save_model(folder, make_network("small_cnn", 2), card)
        >>> load_model(folder)[1].classes
        ('control', 'MS')
    """
    folder = Path(folder)
    card = read_card(folder)
    if network is not None and not same_reference(network, card.architecture):
        raise InputError(
            f"{folder / CARD}: is of the network {card.architecture!r}, and {network!r} was named; name the model's "
            "own: the same function in a file of the same name, in whatever folder, or none (--network) for networks "
            "of this package."
        )
    if network is None and is_reference(card.architecture):
        raise InputError(
            f"{folder / CARD}: names the network {card.architecture!r}, which is code that a user wrote; it is not run "
            f"on the card's word. Name it yourself if you trust it: --network {card.architecture}, or "
            f"load_model(folder, network={card.architecture!r})."
        )
    classes = len(card.classes)
    model = make_network(
        network or card.architecture,
        classes,
        channels=card.channels,
        weights="none",
        brain=card.brain,
        config=card.config,
    )
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as fault:
        raise InputError(
            f"{folder / WEIGHTS}: does not hold the weights of a {card.architecture} with "
            f"{classes} classes ({fault}); {_remedy(card)}."
        ) from fault
    return model.eval(), card


def _remedy(card: ModelCard) -> str:
    """What to do if weights do not fit: layers of another package's networks may change names between versions."""
    package = card.architecture.partition(":")[0]
    made = card.training.get("versions", {}).get(package)
    return (f"install {package} {made}, or " if made else "") + "train the model again"


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
        raise InputError(f"{folder / CARD}: is not a model card ({fault}).") from fault
