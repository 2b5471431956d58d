"""Trained models on disk: `model.safetensors` and the JSON card that says what they are."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from stratacam.errors import InputError
from stratacam.files import whole_file, write_text
from stratacam.networks.vgg import build

WEIGHTS = "model.safetensors"
CARD = "card.json"


class ModelCard(BaseModel):
    """What a trained model is.

    Attributes:
        architecture: "vgg16" or "vgg19".
        classes: names of the outputs, in their order.
        input: what the pictures must be (sequences in channel order, size, width in mm, ...).
        training: where the weights come from: initial weights, subjects, settings, seed, versions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    classes: tuple[str, ...]
    input: dict[str, Any]
    training: dict[str, Any]


def save_model(folder: Path, model: nn.Sequential, card: ModelCard) -> None:
    """Write the weights and then the card into `folder`; a folder without a card holds no model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with whole_file(folder / WEIGHTS) as temporary:
        save_file(state, temporary)
    write_text(folder / CARD, card.model_dump_json(indent=2) + "\n")


def load_model(folder: Path) -> tuple[nn.Sequential, ModelCard]:
    """Load the model of `folder` in evaluation mode, and its card.

    Raises:
        InputError: if the folder holds no model, or a card or weights that cannot be read or do not fit.
    """
    if not (folder / CARD).is_file():
        raise InputError(f"{folder}: holds no {CARD}; name the folder of a trained model.")
    try:
        card = ModelCard.model_validate_json((folder / CARD).read_text(encoding="utf-8"))
    except ValidationError as fault:
        raise InputError(f"{folder / CARD}: is not a model card ({fault}).") from fault
    model = build(card.architecture, len(card.classes), weights="none")
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as fault:
        raise InputError(
            f"{folder / WEIGHTS}: does not hold the weights of a {card.architecture} with "
            f"{len(card.classes)} classes ({fault}); train the model again."
        ) from fault
    return model.eval(), card
