"""New scans classified by a trained model, if they are what the model was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from torch import nn

from stratacam.errors import InputError
from stratacam.files import write_table
from stratacam.learning import SLICES_OF_ONE_PERSON, apply_temperature
from stratacam.maps import cut_pictures_for, edges, network_images, part_in_training, prepared_sequences
from stratacam.maps.volumes import for_slices, logits_of
from stratacam.networks import ModelCard, load_model
from stratacam.scans.cohort.sources import check_out, find_cohort_scans
from stratacam.scans.prepared import PreparedScan, prepared_in
from stratacam.study.progress import say, step_progress
from stratacam.study.standalone import prepare_folder
from stratacam.study.suitability import (
    refuse_differences,
    resolution_of,
    say_differences,
    say_larger,
    say_parts,
    settings_for,
)
from stratacam.study.work import Absence

NOT_FOR_DIAGNOSIS = "For research only, not for diagnosis."
PREPARED = "prepared"

SLICES_AT_ONCE = 16
"""That go through a network that sees each by itself."""


@dataclass(frozen=True)
class ScanPrediction:
    """What a model says of one scan.

    Attributes:
        name: of the scan.
        probabilities: (K,) mean over its slices.
        calibrated: (K,) the same with the temperature that was fitted in training.
        slices: index and probabilities of each picture.
        part: in which its images were when the model was trained, see `part_in_training`.
    """

    name: str
    probabilities: np.ndarray[Any, np.dtype[np.float64]]
    calibrated: np.ndarray[Any, np.dtype[np.float64]]
    slices: tuple[tuple[int, str, np.ndarray[Any, np.dtype[np.float64]]], ...]
    part: str


@dataclass(frozen=True)
class Predictions:
    """What a model says of scans, its card, and what was left out."""

    card: ModelCard
    scans: tuple[ScanPrediction, ...]
    left_out: tuple[Absence, ...]


def predict_folder(
    model: Path,
    source: Path,
    out: Path,
    *,
    accept_differences: bool,
    network: str | None,
    workers: int,
    console: Console,
) -> Predictions:
    """Classify every scan of a folder of prepared scans, or of a cohort as delivered, which is prepared first.

    Writes `predictions.tsv` (a row for each scan) and `predictions_slices.tsv` into `out`.

    What is prepared is as the model's scans were, in `out`/prepared. `network` is the reference of a custom network.

    Raises:
        InputError: there is no model, or no scan that can be classified; or scans differ from the model's, and that
            is not accepted; or `out` touches `model` or `source` or cannot be written.
    """
    check_out(out, model, source)
    trained, card = load_model(model, network)
    absences: list[Absence] = []
    scans = prepared_in(source)  # none if it is a cohort as delivered
    if not scans:
        scans, absences = _prepare_as_trained(card, source, out / PREPARED, workers, console)
    unlike = refuse_differences(scans, card, model, accept=accept_differences)
    larger = say_larger(scans, card, console)
    coarse = {scan.name: resolution_of(_delivered(scan), card) for scan in scans}
    predictions = []
    with step_progress(console, "predict") as advance:
        for number, scan in enumerate(scans, start=1):
            try:
                predictions.append(_predict(for_slices(trained, card), card, scan))
            except InputError as fault:
                absences.append(Absence(scan.name, "predict", str(fault)))
                say(console, f"left out: {scan.name}, at predict: {fault}", "yellow")
            advance(number, len(scans), scan.name)
    if not predictions:
        raise InputError(f"{source}: no scan could be classified; see the reasons above.")
    differences = {name: [*unlike.get(name, ()), *larger[name], *found] for name, found in coarse.items()}
    _write(out, card, predictions, differences)
    say_differences(unlike, console)
    say_parts(dict.fromkeys(scans, (card,)), console)
    return Predictions(card, tuple(predictions), tuple(absences))


def _prepare_as_trained(
    card: ModelCard, source: Path, out: Path, workers: int, console: Console
) -> tuple[list[PreparedScan], list[Absence]]:
    """Prepare scans as delivered as the model's were; say first what their headers tell."""
    sequences = prepared_sequences(card)
    delivered, _ = find_cohort_scans(source, sequences)
    settings = {scan.name: settings_for(scan, card) for scan in delivered}
    found = {scan.name: resolution_of(scan.images, card) for scan in delivered}
    for scan in delivered:
        if isinstance(grid := settings[scan.name].grid, tuple):
            found[scan.name].append(f"prepared with the model's voxels, {edges(grid)} mm")
    say_differences(found, console)
    return prepare_folder(
        source, out, lambda scan: settings[scan.name], sequences=sequences, workers=workers, console=console
    )


def _delivered(scan: PreparedScan) -> dict[str, Path]:
    """The files that a scan was prepared from, as far as its record names them."""
    return {name: Path(path) for name, path in scan.read_record().get("Delivered", {}).items()}


def _predict(model: nn.Module, card: ModelCard, scan: PreparedScan) -> ScanPrediction:
    pictures = cut_pictures_for(card, scan)
    logits = logits_of(model, network_images(pictures), pictures.brain, SLICES_AT_ONCE).double().numpy()
    probabilities = apply_temperature(logits, 1.0)
    calibrated = apply_temperature(logits, float(card.training.get("temperature") or 1.0))
    slices = tuple(
        (int(index), sequence, given)
        for index, sequence, given in zip(pictures.slices, pictures.sequences, probabilities, strict=True)
    )
    return ScanPrediction(
        scan.name, probabilities.mean(0), calibrated.mean(0), slices, part_in_training(scan, card)
    )


def _write(
    out: Path,
    card: ModelCard,
    predictions: Sequence[ScanPrediction],
    differences: Mapping[str, Sequence[str]],
) -> None:
    names = card.classes
    columns = ["scan", "predicted", *(f"p_{name}" for name in names)]
    columns += [*(f"calibrated_p_{name}" for name in names), "images_in_training", "differences", "note"]
    note = f"{NOT_FOR_DIAGNOSIS} {warning_of(card)}".strip()
    rows = [
        [
            found.name,
            names[int(found.probabilities.argmax())],
            *_decimals(found.probabilities),
            *_decimals(found.calibrated),
            found.part,
            "; ".join(differences[found.name]) or "none",
            note,
        ]
        for found in predictions
    ]
    write_table(out / "predictions.tsv", [columns, *rows])
    slices = [
        [found.name, str(index), sequence, names[int(given.argmax())], *_decimals(given)]
        for found in predictions
        for index, sequence, given in found.slices
    ]
    columns = ["scan", "slice", "sequence", "predicted", *(f"p_{name}" for name in names), "note"]
    write_table(out / "predictions_slices.tsv", [columns, *([*row, note] for row in slices)])


def warning_of(card: ModelCard) -> str:
    """What a model trained on slices of everybody must carry along."""
    by_slice = SLICES_OF_ONE_PERSON in card.training.get("subjects", {}).values()
    return f"The model was trained by slice: {SLICES_OF_ONE_PERSON}." if by_slice else ""


def _decimals(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[str]:
    return [f"{value:.6f}" for value in values]
