"""A network that learns to tell the planted classes apart."""

import shutil
from collections.abc import Callable, Sequence
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
from stratacam.networks import default_weights, frozen_prefix
from stratacam.study.training import FirstNetwork
from stratacam.study.truth_benchmark.material import Material, person_of
from stratacam.study.truth_benchmark.settings import BenchmarkSettings

VALIDATION = 5
"""Every so many levels of a training scan decide when to stop."""

FEWEST_LEVELS = 3
"""The first of these; a scan with fewer has none."""


def train_network(
    material: Material,
    held_out: Sequence[str],
    work: Path,
    settings: BenchmarkSettings,
    progress: Callable[[int, int, str], None],
) -> tuple[nn.Module, SliceDataset, NDArray[np.float64]]:
    """Train a network on everybody but some.

    Args:
        material: of all scans.
        held_out: subjects.
        work: folder of the training's checkpoints; `activations` beside it holds what the frozen layers give, for all
            trainings on the same material.
        settings: of the benchmark.
        progress: told what is done, of how much, and what it is.

    Returns:
        The trained network, the slices held out, and their logits.

    Raises:
        InputError: there are too few slices.
    """
    weights = default_weights(settings.architecture)
    first = FirstNetwork(settings.architecture, weights, None, 2, settings.seed)
    model, _ = first.make()
    chosen = TrainSettings(epochs=settings.epochs, patience=settings.epochs).for_weights(
        pretrained=weights != "none"
    )
    dataset = make_dataset(material.scans, CLASSES[settings.difference])
    whose = np.array([person_of(subject) for subject in dataset.subjects])
    tested = np.isin(whose[dataset.subject], held_out)
    stopping = _levels_to_stop_by(dataset)
    if not (stopping & ~tested).any():
        raise InputError(
            f"too few slices to decide when to stop training: {len(dataset)} planted ones in all, and no scan has "
            f"them at {FEWEST_LEVELS} levels; lower --every or raise --copies."
        )
    parts = {
        "train": dataset.take(np.flatnonzero(~tested & ~stopping)),
        "validation": dataset.take(np.flatnonzero(~tested & stopping)),
        "test": dataset.take(np.flatnonzero(tested)),
    }
    prefix, rest = frozen_prefix(model, chosen.frozen or ())
    kept = _keep(prefix, material, work.parent / "activations", chosen, settings) if len(prefix) else None
    train(
        model,
        parts["train"],
        parts["validation"],
        chosen,
        seed=settings.seed,
        work=work,
        kept=kept,
        by_slice=True,
        progress=progress,
    )
    test = parts["test"]
    read = kept_inputs(test, kept, copies=0).plain if kept else test.read
    logits = compute_logits(rest if kept else model, read, len(test))
    return model.eval(), test, logits


def _levels_to_stop_by(dataset: SliceDataset) -> NDArray[np.bool_]:
    """(n,), whether a slice is at one of the levels of its scan that decide when to stop."""
    stopping = np.zeros(len(dataset), dtype=bool)
    for scan in range(len(dataset.scans)):
        rows = np.flatnonzero(dataset.scan == scan)
        levels = np.unique(dataset.slice_index[rows])
        stopping[rows] = np.isin(dataset.slice_index[rows], levels[FEWEST_LEVELS - 1 :: VALIDATION])
    return stopping


def _keep(
    frozen: nn.Module, material: Material, folder: Path, chosen: TrainSettings, settings: BenchmarkSettings
) -> Path:
    """Return the folder with what the frozen layers give; emptied first of that of other slices or settings."""
    key = f"{material.digest} {settings.architecture} seed {settings.seed} {chosen.model_dump_json()}"
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
                seed=settings.seed,
            )
    return folder
