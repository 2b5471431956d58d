"""The pictures of a prepared scan as a trained model sees them, and the class that it gives the scan."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam.errors import InputError
from stratacam.maps.trained import channels_of, explained_sequence, trained_plane
from stratacam.maps.volumes import logits_of
from stratacam.networks import ModelCard, inputs_of
from stratacam.scans.channels import fill_channels
from stratacam.scans.frame import Frame
from stratacam.scans.pictures import Pictures, PictureSettings, cut_scan
from stratacam.scans.prepared import PreparedScan


def predicted_class(model: nn.Module, card: ModelCard, scan: PreparedScan, batch_size: int = 8) -> int:
    """Position of the class that a model gives a scan: the one of the highest probability, see `classify_scan`."""
    probabilities = classify_scan(model, card, scan, batch_size)
    return card.classes.index(max(probabilities, key=probabilities.__getitem__))


def classify_scan(
    model: nn.Module, card: ModelCard, scan: PreparedScan, batch_size: int = 8
) -> dict[str, float]:
    """Class to its mean probability over the pictures of a scan.

    The pictures are those that evaluation and `stratacam predict` take, whichever slices are explained or measured.

    Args:
        model: in evaluation mode, on its device.
        card: the model's card.
        scan: prepared with the model's sequences.
        batch_size: pictures at once.

    Raises:
        InputError: the scan does not suit the model, or a file of it is missing or damaged.
    """
    pictures = cut_pictures_for(card, scan)
    logits = logits_of(model, network_images(pictures), pictures.brain, batch_size)
    return dict(zip(card.classes, logits.softmax(dim=1).mean(dim=0).tolist(), strict=True))


def network_images(pictures: Pictures) -> NDArray[np.float32]:
    """Images (m, channels, rows, columns) with the channels that networks take."""
    return np.asarray(fill_channels(pictures.images))


def network_inputs(model: nn.Module, pictures: Pictures) -> tuple[torch.Tensor, ...]:
    """What a model is called with: images (m, channels, rows, columns), and the brain in them if it takes it."""
    return inputs_of(model, torch.from_numpy(network_images(pictures)), torch.from_numpy(pictures.brain))


def cut_pictures_for(card: ModelCard, scan: PreparedScan) -> Pictures:
    """Cut all pictures of a scan that a model is for.

    Raises:
        InputError: the scan does not suit the model, or a file of it is missing or damaged.
    """
    return _cut(card, scan, picture_settings(card))


def explained_pictures(
    card: ModelCard, scan: PreparedScan, *, every: int = 1, sequence: str | None = None
) -> Pictures:
    """Cut the pictures of a scan that are explained: one for each slice, also where each sequence is a picture.

    Args:
        card: of the model.
        scan: prepared with the model's sequences.
        every: take every n-th slice of the part that the network is for; a network of volumes needs them all.
        sequence: the one whose pictures are taken, where each is a picture of its own; see `explained_sequence`.

    Raises:
        InputError: the scan does not suit the model, or a file of it is missing or damaged.
    """
    update: dict[str, object] = {"every": every} if card.dimensions == 2 else {}
    if channels_of(card) != "sequences":
        update["sequences"] = (explained_sequence(card, sequence),)
    return _cut(card, scan, picture_settings(card).model_copy(update=update))


def picture_settings(card: ModelCard) -> PictureSettings:
    """How the pictures that the model was trained on were cut."""
    trained = {key: card.input[key] for key in PictureSettings.model_fields if key in card.input}
    return PictureSettings(**{**trained, "sequences": tuple(card.input["sequences"])})


def frame_of(card: ModelCard) -> Frame:
    """Of the pictures that a model was trained on; cards of earlier versions give it by their width."""
    size = card.input["size"]
    rows, columns = card.input.get("shape", (size, size))
    pixel_mm = card.input.get("pixel_mm") or card.input["width_mm"] / size
    return Frame((int(rows), int(columns)), float(pixel_mm))


def larger_pictures(card: ModelCard, scan: PreparedScan) -> list[str]:
    """Say that the pictures of a scan are larger than the model's, where its brain is; nothing if they are not."""
    trained, frame = frame_of(card), _frame_for(card, scan)
    if frame == trained:
        return []
    (width, height), (rows, columns) = scan.brain_mm, frame.shape
    sentence = (
        f"its brain is {width:.0f} x {height:.0f} mm, larger than those that the model was trained on: its pictures "
        f"are {rows} x {columns} pixels of the same {frame.pixel_mm:.2f} mm, the model's were {trained.shape[0]} x "
        f"{trained.shape[1]}"
    )
    return [sentence]


def _frame_for(card: ModelCard, scan: PreparedScan) -> Frame:
    """That of the model's pictures, with more pixels of the same size where they were cut to smaller brains."""
    settings, frame = picture_settings(card), frame_of(card)
    return frame if settings.width_mm else frame.enlarged(scan.brain_mm, settings.margin_mm)


def _cut(card: ModelCard, scan: PreparedScan, settings: PictureSettings) -> Pictures:
    _check_scan(card, scan)
    return cut_scan(scan, settings, _frame_for(card, scan))


def _check_scan(card: ModelCard, scan: PreparedScan) -> None:
    """Raise InputError unless a scan was prepared with the model's sequences, in its plane, and its brain fits."""
    absent = [sequence for sequence in card.input["sequences"] if sequence not in scan.sequences]
    if absent:
        raise InputError(
            f"{scan.name}: was prepared with {', '.join(scan.sequences)}; the model was trained on "
            f"{', '.join(card.input['sequences'])}; prepare the scan with {', '.join(absent)} too."
        )
    found, expected = scan.read_slices().plane, trained_plane(card)
    if found != expected:
        raise InputError(
            f"{scan.name}: was prepared in {found} slices; the model was trained on {expected} ones; "
            f'prepare the scan with prepare.plane = "{expected}" (--plane {expected}).'
        )
    frame = _frame_for(card, scan)
    if not frame.holds(scan.brain_mm):
        (width, height), (high, wide) = scan.brain_mm, frame.size_mm
        raise InputError(
            f"{scan.name}: its brain is {width:.0f} x {height:.0f} mm, the model's pictures show {wide:.0f} x "
            f"{high:.0f} mm; expected a brain that fits: look at its mask on the quality page, or use another model."
        )
