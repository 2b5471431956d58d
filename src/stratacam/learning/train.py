"""Fine-tuning above frozen layers, stopped by the validation subjects, resumed after a kill."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.files import whole_file, write_text
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.epoch import run_epoch, validate
from stratacam.learning.features import cut
from stratacam.learning.inputs import Inputs, fresh_inputs, kept_inputs
from stratacam.learning.randomness import torch_generator
from stratacam.learning.settings import TrainSettings

Progress = Callable[[int, int, str], None]
"""Told the number of slice passes done, the number in all, and what is being done."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training slices: losses are means over subjects, every class weighing alike."""

    train_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class History:
    """What happened in training; `best_epoch` counts from 1 and is the one whose weights were kept."""

    epochs: tuple[Epoch, ...]
    best_epoch: int

    def as_json(self) -> dict[str, object]:
        """Return plain values for a JSON file."""
        return asdict(self)


def train(
    model: nn.Sequential,
    train_set: SliceDataset,
    validation_set: SliceDataset,
    settings: TrainSettings,
    *,
    seed: int,
    work: Path,
    device: str = "cpu",
    progress: Progress = lambda *_: None,
) -> History:
    """Fine-tune `model`, leave the weights of its best epoch in it, and return what happened.

    The outputs of the frozen layers are computed once for the plain slices and for `copies` augmented ones,
    and kept in `work` while training lasts; every epoch takes one version of each slice at random. Without
    frozen layers every epoch augments anew. The last child of `model` is the head. The loss is the
    cross-entropy, weighted so that every class weighs alike and, within a class, every subject, however many
    slices it has. The weights kept are those with the lowest validation loss, weighted likewise. AdamW; the
    rates rise linearly, then fall by a half cosine to 0.

    The same model, data, settings, seed, machine and number of threads give the same weights, bit for bit,
    also when the run was killed on the way and is started again with the same `work`.

    Args:
        model: children in order, from (B, S, H, W) in [0, 1] to logits; see `stratacam.networks.build`.
        train_set: the slices to train on.
        validation_set: the slices of the subjects that decide when to stop.
        settings: see `TrainSettings`.
        seed: of shuffling and augmentation.
        work: a folder for what training needs on the way; its subfolder `training` is removed at the end.
        device: where to compute, as torch names it.
        progress: told how far training is.

    Raises:
        InputError: a setting does not suit the model, or the loss is not finite.
        AssertionError: a subject is on both sides.
    """
    if set(train_set.subjects) & set(validation_set.subjects):
        raise AssertionError("a subject is in training and in validation")
    frozen, trained = cut(model, settings.frozen_through)
    folder = _work_folder(work / "training", model, (train_set, validation_set), settings, seed)
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    cached_versions = 1 + settings.copies if len(frozen) else 0
    total = len(train_set) * (cached_versions + settings.epochs) + len(validation_set) * (cached_versions > 0)
    tell = _Teller(progress, total)

    def inputs(part: str, dataset: SliceDataset, copies: int) -> Inputs:
        if not len(frozen):
            return fresh_inputs(dataset, copies=copies, augmentation=settings.augmentation, device=device)
        return kept_inputs(
            frozen,
            dataset,
            folder / part,
            copies=copies,
            augmentation=settings.augmentation,
            seed=seed,
            device=device,
            report=tell.add,
        )

    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        train_inputs = inputs("training", train_set, settings.copies)
        validation_inputs = inputs("validation", validation_set, 0)
        history, best = _fit(
            trained,
            train_inputs,
            validation_inputs,
            settings=settings,
            seed=seed,
            checkpoint=folder / "checkpoint.pt",
            device=device,
            report=tell.add,
        )
    trained.load_state_dict(best)
    model.eval()
    shutil.rmtree(folder)
    progress(total, total, f"trained, best epoch {history.best_epoch}")
    return history


def _fit(
    trained: nn.Sequential,
    inputs: Inputs,
    validation_inputs: Inputs,
    *,
    settings: TrainSettings,
    seed: int,
    checkpoint: Path,
    device: str,
    report: Callable[[int, str], None],
) -> tuple[History, dict[str, torch.Tensor]]:
    """Train from the last checkpoint on; return the history and the weights of the best epoch."""
    slices = len(inputs.dataset)
    body, head = list(trained.children())[:-1], list(trained.children())[-1]
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for layer in body for p in layer.parameters()], "peak": settings.body_rate},
            {"params": list(head.parameters()), "peak": settings.head_rate},
        ],
        weight_decay=settings.weight_decay,
    )
    epochs: list[Epoch] = []
    best: dict[str, torch.Tensor] = {}
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        trained.load_state_dict(saved["weights"])
        optimiser.load_state_dict(saved["optimiser"])
        epochs, best = [Epoch(*values) for values in saved["epochs"]], saved["best"]
        report(slices * len(epochs), "resumed")

    while len(epochs) < settings.epochs and len(epochs) - _best(epochs) < settings.patience:
        number = len(epochs)
        loss = run_epoch(
            trained,
            inputs,
            optimiser,
            number,
            settings=settings,
            generator=torch_generator(seed, 0, number),
            device=device,
            report=lambda count, number=number: report(count, f"epoch {number + 1} of {settings.epochs}"),  # type: ignore[misc]
        )
        epochs.append(Epoch(loss, *validate(trained, validation_inputs, settings, device)))
        if not math.isfinite(loss) or not math.isfinite(epochs[-1].validation_loss):
            raise InputError(
                f"train.body_rate, train.head_rate: found {settings.body_rate:g} and {settings.head_rate:g}, "
                f"with which the loss of epoch {number + 1} is not finite. Remedy: lower rates"
            )
        if _best(epochs) == len(epochs):
            best = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
        content = {"weights": trained.state_dict(), "optimiser": optimiser.state_dict(), "best": best}
        with whole_file(checkpoint) as temporary:
            torch.save(content | {"epochs": [tuple(asdict(epoch).values()) for epoch in epochs]}, temporary)
    return History(tuple(epochs), _best(epochs)), best


def _work_folder(
    folder: Path, model: nn.Sequential, datasets: tuple[SliceDataset, ...], settings: TrainSettings, seed: int
) -> Path:
    """Return `folder`, emptied if it was left by a training with another model, data, settings or seed."""
    content = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        content.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    for dataset in datasets:
        for scan in dataset.scans:
            stat = scan.file.stat()
            content.update(json.dumps([scan.scan, scan.group, stat.st_size, stat.st_mtime_ns]).encode())
    key = f"{content.hexdigest()} seed {seed} {settings.model_dump_json()}"
    note = folder / "training.txt"
    if not note.exists() or note.read_text(encoding="utf-8") != key:
        shutil.rmtree(folder, ignore_errors=True)
        write_text(note, key)
    return folder


def _best(epochs: list[Epoch]) -> int:
    """Return the epoch, from 1, with the lowest validation loss; 0 before the first."""
    return min(range(len(epochs)), key=lambda number: epochs[number].validation_loss) + 1 if epochs else 0


@dataclass
class _Teller:
    """Adds up what is done and tells the caller's progress function."""

    progress: Progress
    total: int
    done: int = 0

    def add(self, count: int, message: str) -> None:
        self.done += count
        self.progress(self.done, self.total, message)
