"""One pass over the training slices, and one over the validation slices."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from stratacam.errors import InputError
from stratacam.learning.dataset import SliceDataset, batches
from stratacam.learning.forward import compute_logits, forward
from stratacam.learning.inputs import Given, Inputs
from stratacam.learning.loading import read_ahead
from stratacam.learning.relevance import Relevance
from stratacam.learning.settings import TrainSettings
from stratacam.networks import train_mode


@dataclass(frozen=True)
class Trainee:
    """A network in training.

    Attributes:
        model: the whole network.
        fed: the part of it that takes the inputs: all of it, or what follows the cached activations.
        frozen: patterns of the layers that stay as they are.
        device: where it is.
        relevance: how it is guided; None where it is not.
    """

    model: nn.Module
    fed: nn.Module
    frozen: tuple[str, ...]
    device: str
    relevance: Relevance | None = None

    def run(
        self, given: Given, labels: torch.Tensor, *, differentiable: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits (B, K), and where it is guided the share of heat outside the mask, (B,)."""
        if self.relevance is None or given.mask is None:
            return forward(self.fed, given.batch, self.device), None
        return self.relevance.run(
            self.fed, given.batch, labels, given.mask, self.device, differentiable=differentiable
        )


@dataclass(frozen=True)
class Validation:
    """Means over slices, with equal weight for groups and for the subjects of a group.

    Attributes:
        loss: without label smoothing.
        accuracy: of slices.
        heat_outside: share of heat outside the mask, which the loss holds too; None where nothing guides.
    """

    loss: float
    accuracy: float
    heat_outside: float | None


def check_smallest_step(trainee: Trainee, inputs: Inputs, settings: TrainSettings) -> None:
    """Try a step of one slice or volume, where there is one: normalisation over a batch may have nothing to average.

    Tried on a copy in training mode, so that no running statistics change.

    Raises:
        InputError: the network cannot be trained on so few.
    """
    dataset = inputs.dataset
    size = settings.batch_of(dataset.dimensions)
    if min(map(len, batches(len(dataset), size))) > 1:
        return
    train_mode(trainee.model, trainee.frozen)
    fed = deepcopy(trainee.fed)
    cards = [trainee.device] if trainee.device.startswith("cuda") else []
    try:
        with torch.random.fork_rng(devices=cards), torch.no_grad():
            forward(fed, inputs.plain(np.array([0])), trainee.device)
    except ValueError as fault:
        what = "volume" if dataset.dimensions == 3 else "slice"
        raise InputError(
            f"training.batch_size: found {size}, by which {len(dataset)} {what}s come to a step of one, in which a "
            f"normalisation has a single value for each channel ({fault}); expected steps of two {what}s at least: "
            "raise training.batch_size, enlarge the pictures (pictures.size), or freeze those layers."
        ) from fault


def run_epoch(
    trainee: Trainee,
    inputs: Inputs,
    optimiser: torch.optim.Optimizer,
    number: int,
    *,
    settings: TrainSettings,
    generator: torch.Generator,
    report: Callable[[int], None],
) -> float:
    """Pass once over the slices in random order; return the mean loss.

    Args:
        trainee: the network.
        inputs: the training slices.
        optimiser: whose groups have their peak rate under "peak".
        number: of the epoch, from 0.
        settings: see `TrainSettings`.
        generator: of order, versions and augmentation.
        report: called with the number of slices done after every step.
    """
    dataset, device = inputs.dataset, trainee.device
    labels = torch.from_numpy(dataset.label).to(device)
    balanced = torch.from_numpy(slice_weights(dataset))
    weights = (
        balanced.to(device) if settings.balance == "weights" else torch.ones(len(dataset), device=device)
    )
    if settings.balance == "sampling":
        order = torch.multinomial(balanced, len(dataset), replacement=True, generator=generator)
    else:
        order = torch.randperm(len(dataset), generator=generator)
    versions = torch.randint(inputs.versions, (len(dataset),), generator=generator)
    steps = batches(len(dataset), settings.batch_of(dataset.dimensions))
    there = order.to(device)
    batch_losses = []
    train_mode(trainee.model, trainee.frozen)

    def read(positions: npt.NDArray[np.int64]) -> Given:
        return inputs.read(order[positions].numpy(), versions[positions], generator)

    for step, given in enumerate(read_ahead(read, steps, device)):
        share = rate_at((number + (step + 0.5) / len(steps)) / settings.epochs, settings)
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * share
        done = int(steps[step][-1]) + 1
        rows = there[int(steps[step][0]) : done]
        logits, outside = trainee.run(given, labels[rows])
        losses = functional.cross_entropy(
            logits, labels[rows], reduction="none", label_smoothing=settings.label_smoothing
        )
        if trainee.relevance is not None and outside is not None:
            losses = losses + trainee.relevance.weight * outside
        loss = (weights[rows] * losses).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(
                (p for p in trainee.fed.parameters() if p.requires_grad), settings.clip_norm
            )
        optimiser.step()
        batch_losses.append(loss.detach())
        report(done)
    found = torch.stack(batch_losses).tolist()  # not before: a card would be waited for in every step
    loss_sum: float = sum(one * len(positions) for one, positions in zip(found, steps, strict=True))
    return loss_sum / len(dataset)


def validate(trainee: Trainee, inputs: Inputs, settings: TrainSettings) -> Validation:
    """Return the loss on the plain slices, and what else is known of them."""
    dataset = inputs.dataset
    weights = slice_weights(dataset)
    outside = None
    if trainee.relevance is None:
        logits = compute_logits(
            trainee.fed,
            inputs.plain,
            len(dataset),
            batch_size=settings.batch_of(dataset.dimensions),
            device=trainee.device,
        )
    else:
        logits, outside = _guided(trainee, inputs, settings.batch_of(dataset.dimensions))
    losses = functional.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(dataset.label), reduction="none"
    ).numpy()
    if trainee.relevance is not None and outside is not None:
        losses = losses + trainee.relevance.weight * outside
    return Validation(
        float(np.mean(weights * losses)),
        float(np.mean(weights * (logits.argmax(1) == dataset.label))),
        None if outside is None else float(np.mean(weights * outside)),
    )


def _guided(
    trainee: Trainee, inputs: Inputs, batch_size: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Logits (n, K) and shares of heat outside (n,) of the plain slices."""
    trainee.fed.eval()
    labels = torch.from_numpy(inputs.dataset.label).to(trainee.device)
    logits, outside = [], []
    parts = batches(len(labels), batch_size)
    for rows, given in zip(parts, read_ahead(inputs.plain_with_mask, parts, trainee.device), strict=True):
        found, shares = trainee.run(given, labels[rows], differentiable=False)
        if shares is None:
            raise AssertionError("slices of a guided training come without a mask")
        logits.append(found.detach().double().cpu())
        outside.append(shares.detach().double().cpu())
    return torch.cat(logits).numpy(), torch.cat(outside).numpy()


def rate_at(done: float, settings: TrainSettings) -> float:
    """Return the learning rate as a share of its peak when the fraction `done` of all steps is done.

    Example:
        >>> [round(rate_at(done, TrainSettings(warm_up=0.5)), 3) for done in (0, 0.25, 0.5, 0.75, 1)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if done < settings.warm_up:
        return done / settings.warm_up
    return (1 + math.cos(math.pi * (done - settings.warm_up) / (1 - settings.warm_up))) / 2


def slice_weights(dataset: SliceDataset) -> npt.NDArray[np.float32]:
    """Return a weight for each slice, mean 1: equal for classes, and for the subjects of a class."""
    slices_of_subject = np.bincount(dataset.subject)
    subjects_of_class = np.bincount(dataset.subject_labels(), minlength=len(dataset.classes))
    weights = 1 / (slices_of_subject[dataset.subject] * subjects_of_class[dataset.label])
    return np.asarray(weights / weights.mean(), dtype=np.float32)
