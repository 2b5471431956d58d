"""A network that learns to tell the planted classes apart."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam.errors import InputError
from stratacam.evidence.planting.plant import CLASSES
from stratacam.files import write_text
from stratacam.learning import (
    SliceDataset,
    TrainSettings,
    compute_logits,
    keep_activations,
    kept_inputs,
    make_dataset,
    train,
)
from stratacam.networks import default_frozen, default_weights, frozen_prefix, made_of
from stratacam.source_code import code_of, digest_of
from stratacam.study.first_network import FirstNetwork
from stratacam.study.truth_benchmark.material import Material, person_of
from stratacam.study.truth_benchmark.settings import BenchmarkSettings

VALIDATION = 5
"""Every so many levels of a training scan decide when to stop."""

FEWEST_LEVELS = 3
"""The first of these; a scan with fewer has none."""


@dataclass(frozen=True)
class Fold:
    """Planted slices to train on, to decide when to stop, and held out."""

    train: SliceDataset
    stopping: SliceDataset
    test: SliceDataset


def make_fold(material: Material, held_out: Sequence[str], settings: BenchmarkSettings) -> Fold:
    """Hold the slices of some subjects out.

    Raises:
        InputError: none is left to decide when to stop training.
    """
    dataset = make_dataset(material.scans, CLASSES[settings.difference])
    whose = np.array([person_of(subject) for subject in dataset.subjects])
    tested = np.isin(whose[dataset.subject], held_out)
    stopping = _levels_to_stop_by(dataset)
    if not (stopping & ~tested).any():
        raise InputError(
            f"too few slices to decide when to stop training: {len(dataset)} planted ones in all, and beside "
            f"{', '.join(held_out)} no scan has them at {FEWEST_LEVELS} levels; lower --every."
        )
    return Fold(
        dataset.take(np.flatnonzero(~tested & ~stopping)),
        dataset.take(np.flatnonzero(~tested & stopping)),
        dataset.take(np.flatnonzero(tested)),
    )


def train_network(
    material: Material,
    fold: Fold,
    work: Path,
    settings: BenchmarkSettings,
    progress: Callable[[int, int, str], None],
) -> tuple[nn.Module, NDArray[np.float64]]:
    """Train a network on everybody but those held out.

    Args:
        material: of all scans.
        fold: of its slices.
        work: folder of the training's checkpoints; `activations` beside it holds what the frozen layers give, for all
            trainings on the same material.
        settings: of the benchmark.
        progress: told what is done, of how much, and what it is.

    Returns:
        The trained network, and its logits of the slices held out.
    """
    weights = default_weights(settings.architecture)
    channels = fold.train.read([0]).shape[1]
    made = made_of(settings.architecture, 2, channels=channels, weights=weights, seed=settings.seed)
    first = FirstNetwork(settings.architecture, weights, None, 2, channels, settings.seed, made)
    model, _ = first.make()
    pretrained = weights != "none"
    chosen = TrainSettings(epochs=settings.epochs, patience=settings.epochs).for_weights(
        pretrained=pretrained, frozen=default_frozen(settings.architecture, pretrained=pretrained)
    )
    prefix, rest = frozen_prefix(model, chosen.frozen or ())
    kept = None
    if len(prefix):
        folder = work.parent / "activations"
        kept = _keep(prefix, material, folder, chosen=chosen, seed=settings.seed, made=made)
    train(
        model,
        fold.train,
        fold.stopping,
        chosen,
        seed=settings.seed,
        work=work,
        kept=kept,
        by_slice=True,
        progress=progress,
    )
    read = kept_inputs(fold.test, kept, copies=0).plain if kept else fold.test.read
    logits = compute_logits(rest if kept else model, read, len(fold.test))
    return model.eval(), logits


def _levels_to_stop_by(dataset: SliceDataset) -> NDArray[np.bool_]:
    """(n,), whether a slice is at one of the levels of its scan that decide when to stop."""
    stopping = np.zeros(len(dataset), dtype=bool)
    for scan in range(len(dataset.scans)):
        rows = np.flatnonzero(dataset.scan == scan)
        levels = np.unique(dataset.slice_index[rows])
        stopping[rows] = np.isin(dataset.slice_index[rows], levels[FEWEST_LEVELS - 1 :: VALIDATION])
    return stopping


def _keep(
    frozen: nn.Module,
    material: Material,
    folder: Path,
    *,
    chosen: TrainSettings,
    seed: int,
    made: str,
) -> Path:
    """Return the folder with what the frozen layers give; emptied first of that of other slices or settings."""
    key = (
        f"{material.digest} {made} {digest_of(code_of(train_network))} seed {seed} {chosen.model_dump_json()}"
    )
    note = folder / "slices.txt"
    if not note.is_file() or note.read_text(encoding="utf-8") != key:
        shutil.rmtree(folder, ignore_errors=True)
        write_text(note, key)
    for scan in material.scans:
        if not (folder / f"{scan.scan}.npy").is_file():
            keep_activations(
                frozen,
                scan,
                folder,
                copies=chosen.copies,
                augmentation=chosen.augmentation,
                seed=seed,
            )
    return folder
