"""Shapley values of the sequences of one scan, class by class and donor by donor."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.counterfactual.fall import margin
from stratacam.evidence.measures import SHARE, Kind, Measure, Need
from stratacam.evidence.sequences.exchange import Exchange
from stratacam.evidence.sequences.shapley import coalitions, shapley_values
from stratacam.learning.forward import compute_logits
from stratacam.maps.volumes import logits_of, sees_together
from stratacam.networks import inputs_of

Floats = NDArray[np.float64]

SEQUENCE_VALUE = Measure(
    "sequence_value",
    "Shapley value",
    "what a sequence adds to the logit of the class, less the mean of the other logits, when it takes the place of the "
    "same sequence of a person of another class: mean over all orders in which the sequences may do so (Shapley 1953)",
    unit="logits",
    held_against="people of other classes",
)
SEQUENCE_SHARE = Measure(
    "sequence_share",
    "share of a sequence",
    "size of a sequence's Shapley value, as a share of the sum of the sizes of all",
    held_against="people of other classes",
    limits=SHARE,
)
KIND = Kind(
    name="sequences",
    question="what each sequence contributes",
    needs=Need.NETWORK,
    measures=(SEQUENCE_VALUE, SEQUENCE_SHARE),
)


class SequenceValue(NamedTuple):
    """The Shapley value of a sequence of one scan, in its slices that one donor served.

    Attributes:
        of_class: whose logit it is a part of, less the mean of the other logits.
        sequence: its name.
        donor: the subject whose sequences took the place of absent ones.
        value: mean over slices, in logits.
        slices: how many.
    """

    of_class: str
    sequence: str
    donor: str
    value: float
    slices: int


def sequence_values(
    model: nn.Module, exchanges: Sequence[Exchange], classes: Sequence[str], batch_size: int = 32
) -> list[SequenceValue]:
    """The values of every class, sequence and donor.

    The network runs once for each slice and set of sequences. Where there are several exchanges its answer is the mean
    over them, and so the value of a sequence is that in its own pictures, divided by their number.

    Args:
        model: in evaluation mode, on its device.
        exchanges: see `read_exchanges`.
        classes: names of the model's.
        batch_size: pictures at once.
    """
    rows = []
    for exchange in exchanges:
        values = shapley_values(worth_of_coalitions(model, exchange, batch_size)) / len(exchanges)
        donors = np.array(exchange.donors)
        rows += [
            SequenceValue(name, sequence, donor, float(of_class[donors == donor].mean()), count)
            for sequence, of_sequence in zip(exchange.sequences, values, strict=True)
            for name, of_class in zip(classes, of_sequence.T, strict=True)
            for donor in dict.fromkeys(exchange.donors)
            if (count := exchange.donors.count(donor))
        ]
    return rows


def worth_of_coalitions(model: nn.Module, exchange: Exchange, batch_size: int = 32) -> Floats:
    """The margin of every class where only some sequences are the scan's own: (2 ** sequences, n, classes).

    In the order of `coalitions`; see `margin`.
    """
    found = []
    for places in coalitions(len(exchange.sequences)):
        present = [exchange.sequences[place] for place in places]
        logits = _logits(model, exchange, present, batch_size)
        found.append(np.stack([margin(logits, target) for target in range(logits.shape[1])], axis=1))
    return np.stack(found)


def _logits(model: nn.Module, exchange: Exchange, present: Sequence[str], batch_size: int) -> Floats:
    """Logits (n, classes) of the pictures in which only some sequences are the scan's own."""
    images = exchange.with_own(present)
    if sees_together(model):
        return logits_of(model, images, exchange.brain, batch_size).double().numpy()
    pictures, brain = torch.from_numpy(images), torch.from_numpy(exchange.brain)
    device = str(next(model.parameters()).device)
    return compute_logits(
        model,
        lambda rows: inputs_of(model, pictures[rows], brain[rows]),
        len(images),
        batch_size=batch_size,
        device=device,
    )
