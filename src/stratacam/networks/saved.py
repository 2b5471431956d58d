"""Trained models on disk: `model.safetensors` and the JSON card that says what they are."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from stratacam.errors import InputError
from stratacam.files import whole_file, write_text
from stratacam.networks.cards import CARD, WEIGHTS, ModelCard, card_text, load_weights, read_card
from stratacam.networks.custom import same_reference
from stratacam.networks.given import read_given
from stratacam.networks.make import make_network
from stratacam.networks.registry import card_of, from_beside, is_given, is_reference


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
    write_text(folder / CARD, card_text(card))


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
    architecture = network or from_beside(card.architecture, folder)
    if is_given(architecture) and not card_of(architecture).is_file():
        raise InputError(
            f"{folder / CARD}: names the classifier of the card {card_of(card.architecture)}, which is not there; "
            "expected the whole folder of the audit, with its model/: copy that, or name the card yourself: --network "
            "given:CARD."
        )
    named_code = is_reference(architecture) or (
        is_given(architecture) and read_given(card_of(architecture)).network is not None
    )
    if network is None and named_code:
        raise InputError(
            f"{folder / CARD}: names the network {card.architecture!r}, which is code that a user wrote; it is not run "
            f"on the card's word. Name it yourself if you trust it: --network {architecture}, or "
            f"load_model(folder, network={architecture!r})."
        )
    model = make_network(
        architecture,
        len(card.classes),
        channels=card.channels,
        weights="none",
        brain=card.brain,
        config=card.config,
        dimensions=card.dimensions,
        branches=card.branches,
    )
    load_weights(folder, model, card)
    return model.eval(), card
