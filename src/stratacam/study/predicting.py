"""New scans classified by a trained model, if they are what the model was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from torch import nn

from stratacam.errors import InputError
from stratacam.files import write_text
from stratacam.learning import SLICES_OF_ONE_PERSON, apply_temperature, compute_logits, three_channels
from stratacam.maps import check_scan, picture_settings, trained_shape
from stratacam.networks import ModelCard, load_model
from stratacam.scans.cohort.sources import check_out
from stratacam.scans.pictures import cut_scan
from stratacam.scans.prepare import PrepareSettings
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.study.alone import prepare_folder
from stratacam.study.progress import step_progress
from stratacam.study.work import Absence

TOLERANCE = 0.1
"""By which share of its length a voxel's edge may differ from those that the model was trained on."""

NOT_FOR_DIAGNOSIS = "For research only, not for diagnosis."
PREPARED = "prepared"


@dataclass(frozen=True)
class ScanPrediction:
    """What a model says of one scan.

    Attributes:
        name: of the scan.
        probabilities: (K,) mean over its slices.
        calibrated: (K,) the same with the temperature that was fitted in training.
        slices: index and probabilities of each picture.
        known_as: the part in which a subject of this name was when the model was trained, or "none".
    """

    name: str
    probabilities: np.ndarray[Any, np.dtype[np.float64]]
    calibrated: np.ndarray[Any, np.dtype[np.float64]]
    slices: tuple[tuple[int, str, np.ndarray[Any, np.dtype[np.float64]]], ...]
    known_as: str


def predict_folder(
    model: Path,
    source: Path,
    out: Path,
    *,
    accept_differences: bool,
    network: str | None,
    workers: int,
    console: Console,
) -> tuple[list[ScanPrediction], list[Absence]]:
    """Classify every scan of a folder of prepared scans, or of a cohort as delivered, which is prepared first.

    Writes `predictions.tsv` (a row for each scan) and `predictions_slices.tsv` into `out`.

    Args:
        model: folder of the model.
        source: prepared scans, or a BIDS folder or table, which is prepared into `out`/prepared as the model's were.
        out: where the tables go.
        accept_differences: classify scans that were prepared otherwise than the model's.
        network: reference of the model's network, if a user wrote it.
        workers: processes for preparation; 0: one per core.
        console: where progress and the table are shown.

    Returns:
        The predictions, and what was left out.

    Raises:
        InputError: there is no model, or no scan that can be classified; or scans differ from the model's, and that
            is not accepted; or `out` touches `model` or `source` or cannot be written.
    """
    check_out(out, model, source)
    trained, card = load_model(model, network)
    absences: list[Absence] = []
    scans = _prepared(source)
    if not scans:
        settings = PrepareSettings.model_validate(card.input["normalisation"])
        absences = prepare_folder(
            source,
            out / PREPARED,
            settings,
            sequences=_prepared_sequences(card),
            workers=workers,
            console=console,
        )
        scans = find_prepared(out / PREPARED)
    differences = {scan.name: differences_of(scan, card) for scan in scans}
    unlike = {name: found for name, found in differences.items() if found}
    if unlike and not accept_differences:
        raise InputError(
            "\n".join(f"{name}: {'; '.join(found)}" for name, found in unlike.items())
            + f"\n{len(unlike)} of {len(scans)} scans are not what {model} was trained on. Remedy: give the scans as "
            "delivered, which are then prepared as the model's were; or accept the differences "
            "(--accept-differences), and doubt the result."
        )
    predictions = []
    with step_progress(console, "predict") as advance:
        for number, scan in enumerate(scans, start=1):
            predictions.append(_predict(trained, card, scan))
            advance(number, len(scans), scan.name)
    _write(out, card, predictions, unlike)
    _show(card, predictions, unlike, console)
    return predictions, absences


def differences_of(scan: PreparedScan, card: ModelCard) -> list[str]:
    """Say in what a prepared scan differs from the scans that a model was trained on; nothing if it does not."""
    found = []
    other = [name for name in _prepared_sequences(card) if name not in scan.sequences]
    if other:
        found.append(f"was prepared without {', '.join(other)}, by which the model's scans were prepared too")
    smallest, largest = card.input.get("voxels_mm") or ((0.0,) * 3, (np.inf,) * 3)
    if not all(
        (1 - TOLERANCE) * low <= edge <= (1 + TOLERANCE) * high
        for low, edge, high in zip(smallest, scan.voxel_mm, largest, strict=True)
    ):
        found.append(
            f"its voxels are {_edges(scan.voxel_mm)} mm, the model's scans had {_edges(smallest)}"
            + (f" to {_edges(largest)} mm" if smallest != largest else " mm")
        )
    own, wanted = scan.read_record().get("Settings", {}), card.input.get("normalisation", {})
    found += [
        f"prepare.{key} is {own.get(key)!r}, the model's scans had {wanted.get(key)!r}"
        for key in sorted({*own, *wanted} - {"seed", "template"})
        if own.get(key) != wanted.get(key)
    ]
    return found


def _prepared(source: Path) -> list[PreparedScan]:
    """The prepared scans in a folder; none if it is a cohort as delivered."""
    return find_prepared(source) if source.is_dir() else []


def part_in_training(scan: PreparedScan, card: ModelCard) -> str:
    """The part in which a subject of this name was when the model was trained; "none" if there was none."""
    for part, subjects in card.training.get("subjects", {}).items():
        if subjects == SLICES_OF_ONE_PERSON:
            return "unknown, as slices were split"
        if f"sub-{scan.subject}" in subjects:
            return str(part)
    return "none"


def _edges(lengths: Sequence[float]) -> str:
    return " x ".join(f"{length:.3g}" for length in lengths)


def _prepared_sequences(card: ModelCard) -> list[str]:
    """The sequences that the model's scans were prepared with, whether or not the model sees them."""
    return list(card.input.get("prepared", card.input["sequences"]))


def _predict(model: nn.Module, card: ModelCard, scan: PreparedScan) -> ScanPrediction:
    check_scan(card, scan)
    settings = picture_settings(card)
    pictures = cut_scan(scan, settings, trained_shape(card, scan, settings))
    images = pictures.images
    logits = compute_logits(model, lambda rows: three_channels(images[rows]), len(images))
    probabilities = apply_temperature(logits, 1.0)
    calibrated = apply_temperature(logits, float(card.training.get("temperature", 1.0)))
    slices = tuple(
        (int(index), sequence, given)
        for index, sequence, given in zip(pictures.slices, pictures.sequences, probabilities, strict=True)
    )
    return ScanPrediction(
        scan.name, probabilities.mean(0), calibrated.mean(0), slices, part_in_training(scan, card)
    )


def _write(
    out: Path, card: ModelCard, predictions: Sequence[ScanPrediction], unlike: Mapping[str, Sequence[str]]
) -> None:
    names = card.classes
    columns = ["scan", "predicted", *(f"p_{name}" for name in names)]
    columns += [*(f"calibrated_p_{name}" for name in names), "name_in_training", "differences", "note"]
    note = f"{NOT_FOR_DIAGNOSIS} {_warning(card)}".strip()
    rows = [
        [
            found.name,
            names[int(found.probabilities.argmax())],
            *_decimals(found.probabilities),
            *_decimals(found.calibrated),
            found.known_as,
            "; ".join(unlike.get(found.name, ())) or "none",
            note,
        ]
        for found in predictions
    ]
    _write_table(out / "predictions.tsv", columns, rows)
    slices = [
        [found.name, str(index), sequence, names[int(given.argmax())], *_decimals(given)]
        for found in predictions
        for index, sequence, given in found.slices
    ]
    _write_table(
        out / "predictions_slices.tsv",
        ["scan", "slice", "sequence", "predicted", *(f"p_{name}" for name in names), "note"],
        [[*row, note] for row in slices],
    )


def _show(
    card: ModelCard,
    predictions: Sequence[ScanPrediction],
    unlike: Mapping[str, Sequence[str]],
    console: Console,
) -> None:
    table = Table("scan", "predicted", *(f"p {name}" for name in card.classes), "name in training")
    for found in predictions:
        predicted = card.classes[int(found.probabilities.argmax())]
        table.add_row(
            found.name, predicted, *(f"{value:.2f}" for value in found.probabilities), found.known_as
        )
    console.print(table)
    if unlike:
        console.print(
            f"{len(unlike)} scans differ from what the model was trained on, see the table: doubt their result.",
            style="yellow",
            highlight=False,
        )
    learnt = [found.name for found in predictions if found.known_as in {"train", "validation"}]
    if learnt:
        console.print(
            f"{len(learnt)} scans are of subjects by whose names the model was trained: if they are the same people, "
            "this says nothing of how good it is.",
            style="yellow",
            highlight=False,
        )
    cohort = card.training.get("cohort", "unknown")
    console.print(
        f"Trained on: {cohort}. {NOT_FOR_DIAGNOSIS} {_warning(card)}".strip(), highlight=False, markup=False
    )


def _warning(card: ModelCard) -> str:
    """What a model trained on slices of everybody must carry along."""
    by_slice = SLICES_OF_ONE_PERSON in card.training.get("subjects", {}).values()
    return f"The model was trained by slice: {SLICES_OF_ONE_PERSON}." if by_slice else ""


def _decimals(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[str]:
    return [f"{value:.6f}" for value in values]


def _write_table(file: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    write_text(file, "".join("\t".join(cells) + "\n" for cells in [columns, *rows]))
