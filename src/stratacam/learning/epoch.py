"""One pass over the training slices, and one over the validation slices."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from stratacam.learning.dataset import SliceDataset
from stratacam.learning.features import batches
from stratacam.learning.inputs import Inputs
from stratacam.learning.settings import TrainSettings


def run_epoch(
    trained: nn.Sequential,
    inputs: Inputs,
    optimiser: torch.optim.Optimizer,
    number: int,
    *,
    settings: TrainSettings,
    generator: torch.Generator,
    device: str,
    report: Callable[[int], None],
) -> float:
    """Pass once over the slices in random order; return the mean loss."""
    dataset = inputs.dataset
    labels = torch.from_numpy(dataset.label).to(device)
    weights = torch.from_numpy(slice_weights(dataset)).to(device)
    order = torch.randperm(len(dataset), generator=generator)
    versions = torch.randint(inputs.versions, (len(dataset),), generator=generator)
    steps = batches(len(dataset), settings.batch_size)
    loss_sum = 0.0
    trained.train()
    for step, positions in enumerate(steps):
        share = rate_at((number + (step + 0.5) / len(steps)) / settings.epochs, settings)
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * share
        rows = order[positions]
        logits = forward(trained, inputs.read(rows.numpy(), versions[positions], generator), device)
        losses = functional.cross_entropy(
            logits, labels[rows], reduction="none", label_smoothing=settings.label_smoothing
        )
        loss = (weights[rows] * losses).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        loss_sum += float(loss.detach()) * len(rows)
        report(len(rows))
    return loss_sum / len(dataset)


def validate(
    trained: nn.Sequential, inputs: Inputs, settings: TrainSettings, device: str
) -> tuple[float, float]:
    """Return the weighted loss and the weighted share of slices classified right."""
    dataset = inputs.dataset
    weights = slice_weights(dataset)
    plain = torch.Generator()  # nothing is drawn from it: validation slices are never augmented
    trained.eval()
    loss = right = 0.0
    with torch.inference_mode():
        for rows in batches(len(dataset), settings.batch_size):
            logits = forward(
                trained, inputs.read(rows, torch.zeros(len(rows), dtype=torch.int64), plain), device
            )
            losses = functional.cross_entropy(
                logits.cpu(), torch.from_numpy(dataset.label[rows]), reduction="none"
            )
            loss += float(losses.double() @ torch.from_numpy(weights[rows]).double())
            right += float(
                weights[rows][logits.argmax(1).cpu().numpy() == dataset.label[rows]].sum(dtype=np.float64)
            )
    return loss / len(dataset), right / len(dataset)


def forward(layers: nn.Sequential, batch: torch.Tensor, device: str) -> torch.Tensor:
    """Return the layers' output as float32, computed in bfloat16 where that is fast: on CUDA only."""
    batch = batch.to(device, memory_format=torch.channels_last if batch.ndim == 4 else torch.preserve_format)
    with torch.autocast(batch.device.type, dtype=torch.bfloat16, enabled=batch.device.type == "cuda"):
        logits: torch.Tensor = layers(batch)
    return logits.float()


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
    """Return a weight for each slice, mean 1: classes weigh alike, subjects of a class too."""
    slices_of_subject = np.bincount(dataset.subject)
    subjects_of_class = np.bincount(dataset.subject_labels(), minlength=len(dataset.classes))
    weights = 1 / (slices_of_subject[dataset.subject] * subjects_of_class[dataset.label])
    return np.asarray(weights / weights.mean(), dtype=np.float32)
