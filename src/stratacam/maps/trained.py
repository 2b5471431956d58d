"""What a model's card says of the scans and pictures that the model was trained on."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from stratacam.networks import ModelCard
from stratacam.networks.cards import card_hash
from stratacam.scans.prepare import completed
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.sequences import lesion_sequence

TOLERANCE = 0.1
"""By which share of its length a voxel's edge may differ from those that a model was trained on."""

Part = Literal["train", "validation", "test", "none", "unknown"]


def part_in_training(scan: PreparedScan, card: ModelCard) -> Part:
    """The part in which a scan's images were when a model was trained, known by their values, not by a name.

    "none" if they were in no part; "unknown" if the card, or the record of the scan, is of a version that did not
    keep the images' hashes.
    """
    known = card.training.get("images")
    hashes = scan.read_record().get("Voxels")
    if known is None or not hashes:
        return "unknown"
    found = {known[digest] for digest in hashes.values() if digest in known}
    order: tuple[Part, ...] = ("train", "validation", "test")
    return next((part for part in order if part in found), "none")


def part_in_training_of_any(scan: PreparedScan, cards: Sequence[ModelCard]) -> Part:
    """As `part_in_training`, of several models: the part nearest to training in which one of them had the scan."""
    found = {part_in_training(scan, card) for card in cards}
    order: tuple[Part, ...] = ("train", "validation", "unknown", "test", "none")
    return next(part for part in order if part in found)


def model_identity(card: ModelCard) -> dict[str, Any]:
    """Which model made a map, for the files of the map: what the card tells of its network and training, its hash."""
    training = card.training
    known = {
        key: training.get(key)
        for key in ("run", "cohort", "seed", "fold", "initial_weights", "temperature", "versions")
    }
    return {
        "architecture": card.architecture,
        "brain": card.brain,
        "card_sha256": card_hash(card),
        **{key: value for key, value in known.items() if value is not None},
    }


def prepared_sequences(card: ModelCard) -> list[str]:
    """The sequences that the model's scans were prepared with, whether or not the model sees them."""
    return list(card.input.get("prepared", card.input["sequences"]))


def differences_of(scan: PreparedScan, card: ModelCard) -> list[str]:
    """Say in what a prepared scan differs from the scans that a model was trained on; nothing if it does not.

    The grid is compared by its voxels, however it was asked for.
    """
    found = []
    other = [name for name in prepared_sequences(card) if name not in scan.sequences]
    if other:
        found.append(f"was prepared without {', '.join(other)}, by which the model's scans were prepared too")
    trained = card.input.get("voxels_mm")
    if trained and not within(scan.voxel_mm, trained):
        found.append(
            f"its voxels are {edges(scan.voxel_mm)} mm, the model's scans had {edges_between(trained)} mm"
        )
    sequences = sorted({*prepared_sequences(card)} & {*scan.sequences})
    own = completed(scan.read_record().get("Settings", {}), sequences)
    wanted = completed(card.input.get("normalisation", {}), sequences)
    found += [
        f"prepare.{key} is {own.get(key)!r}, the model's scans had {wanted.get(key)!r}"
        for key in sorted({*own, *wanted} - {"grid", "seed", "template"})
        if own.get(key) != wanted.get(key)
    ]
    return found


def within(lengths: Sequence[float], trained: Sequence[Sequence[float]]) -> bool:
    """Whether edges of voxels are between a model's smallest and largest, within `TOLERANCE`."""
    smallest, largest = np.asarray(trained)
    found = np.asarray(lengths)
    return bool(((1 - TOLERANCE) * smallest <= found).all() and (found <= (1 + TOLERANCE) * largest).all())


def edges(lengths: Sequence[float]) -> str:
    """Edges of a voxel as words."""
    return " x ".join(f"{length:.3g}" for length in lengths)


def edges_between(trained: Sequence[Sequence[float]]) -> str:
    """The smallest and the largest edges as words, once where they are the same."""
    return " to ".join(dict.fromkeys(edges(lengths) for lengths in trained))


def channels_of(card: ModelCard) -> str:
    """What the model's channels are; cards of earlier versions do not say, as there was one way."""
    return str(card.input.get("channels", "sequences"))


def trained_plane(card: ModelCard) -> str:
    """The plane of the slices that a model was trained on."""
    return str(card.input.get("normalisation", {}).get("plane", "axial"))


def delivered_sequences(card: ModelCard) -> tuple[str, ...]:
    """The sequences over whose scans as delivered maps can be laid: the T1w, which every scan has, and the model's."""
    return tuple(dict.fromkeys(("T1w", *card.input["sequences"])))


def explained_sequence(card: ModelCard, wanted: str | None = None) -> str:
    """The sequence whose pictures are shown: the one wanted, or the one on which lesions stand out."""
    sequences = tuple(card.input["sequences"])
    return wanted or lesion_sequence(sequences)
