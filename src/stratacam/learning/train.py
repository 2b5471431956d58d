"""Fine-tuning above frozen layers, stopped by the validation slices, resumed after a kill."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.files import whole_file
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.epoch import Trainee, check_smallest_step, run_epoch, validate
from stratacam.learning.inputs import Inputs, augmented_inputs, cached_inputs
from stratacam.learning.randomness import torch_generator
from stratacam.learning.relevance import find_relevance
from stratacam.learning.settings import TrainSettings
from stratacam.networks import find_heads, freeze, frozen_prefix

Progress = Callable[[int, int, str], None]
"""Called with the number of slice passes done, the number in all, and what is being done."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training slices: losses are means over subjects, with equal weight for every class.

    `heat_outside` is the share of heat outside the mask on validation slices; None where nothing guides the training.
    """

    train_loss: float
    validation_loss: float
    validation_accuracy: float
    heat_outside: float | None = None


@dataclass(frozen=True)
class History:
    """What happened in training; `best_epoch` counts from 1 and is the one whose weights the model has."""

    epochs: tuple[Epoch, ...]
    best_epoch: int

    def as_json(self) -> dict[str, object]:
        """Return plain values for a JSON file."""
        return asdict(self)


class Checkpoint(NamedTuple):
    """Where a training is saved after every epoch, and the key of everything that decides its result."""

    file: Path
    key: str


def train(
    model: nn.Module,
    train_set: SliceDataset,
    validation_set: SliceDataset,
    settings: TrainSettings,
    *,
    seed: int,
    checkpoint: Checkpoint | None = None,
    cached: Path | None = None,
    head: str | None = None,
    by_slice: bool = False,
    device: str = "cpu",
    progress: Progress = lambda *_: None,
) -> History:
    """Fine-tune `model`, leave the weights of its best epoch in it, and return what happened.

    The loss is the cross-entropy, to which relevance-guided training adds the share of heat outside a mask. By default
    classes have equal weight and, within a class, subjects too, however many slices they have. The best epoch has the
    lowest validation loss, with the same weights. AdamW; the rates rise
    linearly, then fall by a half cosine to 0. Every epoch takes each slice once, plain or as one of its augmented
    copies, at random; validation slices are never augmented.

    The same model, data, settings, seed, machine and number of threads give the same weights, bit for bit,
    also when the run was killed on the way and is started again with the same checkpoint.

    Args:
        model: from (B, C, H, W) in [0, 1], and the brain in them if it takes it, to logits; see `stratacam.networks`.
        train_set: the slices to train on.
        validation_set: the slices that decide when to stop.
        settings: see `TrainSettings`; what depends on the first weights is taken as for random ones if absent.
        seed: of shuffling and augmentation.
        checkpoint: from which it goes on if it was broken off, unless that was left under another key; removed at the
            end. If absent nothing is saved.
        cached: the folder into which `cache_activations` put the outputs of the frozen layers for both sets, with as
            many copies as `settings` has and the mask that guides; if absent the whole network is run on slices that
            are augmented anew.
        head: name of the classifier's last module; found by `stratacam.networks.find_heads` if absent.
        by_slice: subjects may be on both sides, as in a split by slice.
        device: where to compute, as torch names it.
        progress: called with how far training is.

    Raises:
        InputError: a setting does not suit the model, or the loss is not finite.
        AssertionError: a subject is on both sides.
    """
    if not by_slice and set(train_set.subjects) & set(validation_set.subjects):
        raise AssertionError("a subject is in training and in validation")
    settings = settings.for_weights(pretrained=False)
    patterns = settings.frozen or ()
    free = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    model.to(device)
    if train_set.dimensions == 2:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    freeze(model, patterns)
    fed = frozen_prefix(model, patterns)[1] if cached else model
    trainee = Trainee(model, fed, patterns, device, find_relevance(model, settings, fed))

    def inputs(dataset: SliceDataset, copies: int) -> Inputs:
        if cached:
            return cached_inputs(trainee.fed, dataset, cached, copies=copies, guide=settings.guide)
        return augmented_inputs(
            model,
            dataset,
            copies=copies,
            augmentation=settings.augmentation,
            device=device,
            guide=settings.guide,
        )

    try:
        with _deterministic():
            history, best = _fit(
                trainee,
                inputs(train_set, settings.copies),
                inputs(validation_set, 0),
                _optimiser(trainee.fed, find_heads(model, head), settings),
                settings=settings,
                seed=seed,
                checkpoint=checkpoint,
                progress=progress,
            )
    finally:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(free[name])
    trainee.fed.load_state_dict(best)
    model.eval()
    if checkpoint:
        checkpoint.file.unlink(missing_ok=True)
    return history


def _deterministic() -> AbstractContextManager[None]:
    """Algorithms that give the same each time, in the precision in effect."""
    cudnn = torch.backends.cudnn
    return cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=cudnn.allow_tf32)


def _optimiser(
    fed: nn.Module, heads: Mapping[str, nn.Module], settings: TrainSettings
) -> torch.optim.Optimizer:
    """AdamW with a rate for the head, or the heads of all branches, and one for everything else that is trained."""
    of_head = {id(parameter) for head in heads.values() for parameter in head.parameters()}
    trained = [parameter for parameter in fed.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if (id(p) in of_head) == is_head], "peak": rate}
        for is_head, rate in ((False, settings.body_rate), (True, settings.head_rate))
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], weight_decay=settings.weight_decay
    )


def _fit(
    trainee: Trainee,
    inputs: Inputs,
    validation_inputs: Inputs,
    optimiser: torch.optim.Optimizer,
    *,
    settings: TrainSettings,
    seed: int,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> tuple[History, dict[str, torch.Tensor]]:
    """Train from the last checkpoint on; return the history and the weights of the best epoch."""
    fed = trainee.fed
    epochs: list[Epoch] = []
    best: dict[str, torch.Tensor] = {}
    slices, total = len(inputs.dataset), len(inputs.dataset) * settings.epochs
    saved = _load(checkpoint, trainee.device)
    if saved:
        fed.load_state_dict(saved["weights"])
        optimiser.load_state_dict(saved["optimiser"])
        epochs, best = [Epoch(*values) for values in saved["epochs"]], saved["best"]
        progress(slices * len(epochs), total, "resumed")

    check_smallest_step(trainee, inputs, settings)
    while len(epochs) < settings.epochs and len(epochs) - _best(epochs) < settings.patience:
        number = len(epochs)
        generator = torch_generator(seed, number)
        with torch.random.fork_rng(devices=[trainee.device] if trainee.device.startswith("cuda") else []):
            torch.manual_seed(generator.initial_seed())  # of dropout and the like
            loss = run_epoch(
                trainee,
                inputs,
                optimiser,
                number,
                settings=settings,
                generator=generator,
                report=lambda done, number=number: progress(  # type: ignore[misc]
                    slices * number + done, total, f"epoch {number + 1} of {settings.epochs}"
                ),
            )
        found = validate(trainee, validation_inputs, settings)
        epochs.append(Epoch(loss, found.loss, found.accuracy, found.heat_outside))
        if not math.isfinite(loss) or not math.isfinite(epochs[-1].validation_loss):
            raise InputError(
                f"training.body_rate, training.head_rate: found {settings.body_rate:g} and {settings.head_rate:g}, "
                f"with which the loss of epoch {number + 1} is not finite; expected a finite loss: lower the rates."
            )
        if _best(epochs) == len(epochs):
            best = {name: tensor.clone() for name, tensor in fed.state_dict().items()}
        if checkpoint:
            content: dict[str, Any] = {
                "weights": fed.state_dict(),
                "optimiser": optimiser.state_dict(),
                "best": best,
            }
            content |= {"key": checkpoint.key, "epochs": [tuple(asdict(epoch).values()) for epoch in epochs]}
            with whole_file(checkpoint.file) as temporary:
                torch.save(content, temporary)
    progress(total, total, f"trained, best epoch {_best(epochs)}")
    return History(tuple(epochs), _best(epochs)), best


def _load(checkpoint: Checkpoint | None, device: str) -> dict[str, Any]:
    """What a training left under the same key; empty if there is nothing."""
    if checkpoint is None or not checkpoint.file.exists():
        return {}
    saved: dict[str, Any] = torch.load(checkpoint.file, map_location=device, weights_only=True)
    return saved if saved.get("key") == checkpoint.key else {}


def _best(epochs: list[Epoch]) -> int:
    """Return the epoch, from 1, with the lowest validation loss; 0 before the first."""
    return min(range(len(epochs)), key=lambda number: epochs[number].validation_loss) + 1 if epochs else 0
