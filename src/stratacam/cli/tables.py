"""Tables on the console."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stratacam.cam import Layer
from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.networks import ModelCard
from stratacam.scans.cohort.check import CheckedCohort, CheckedImage
from stratacam.study.predict import NOT_FOR_DIAGNOSIS, ScanPrediction, warning_of
from stratacam.study.sample_size_words import sample_size_paragraph, sample_size_rows

WIDE = 120
"""Columns of a terminal from which on the table of images has a column for the file."""

TRAINED_ON_WORDS = {
    "train": "yes",
    "validation": "yes, for validation",
    "test": "no, held out",
    "none": "no",
    "unknown": "cannot be known",
}
"""Whether a model was trained on the images of a scan, by the part that they were in."""


def check_as_json(report: CheckedCohort, source: Path) -> dict[str, Any]:
    """The report as JSON can hold it, with paths relative to the cohort where they are inside it."""

    def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a report holds
        if isinstance(value, Path):
            return _shown(value, source)
        if isinstance(value, Mapping):
            return {key: plain(part) for key, part in value.items()}
        return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value

    return {"usable": report.usable, "complete": report.complete, **plain(asdict(report))}


def show_layers(layers: Sequence[Layer], console: Console) -> None:
    """Print a table of a network's layers."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("layer", no_wrap=True, overflow="ignore")  # names are given to --layer
    for title in ("kind", "channels", "size", "stride", "receptive field", "parameters"):
        table.add_column(title)
    for layer in layers:
        field = layer.receptive_field or ()
        table.add_row(
            layer.name,
            layer.kind,
            str(layer.shape[0]),
            " x ".join(map(str, layer.shape[1:])),
            str(layer.stride[0]),
            " x ".join(map(str, field)),
            f"{layer.parameters:,}",
        )
    console.print(table)


def show_check(report: CheckedCohort, source: Path, console: Console) -> None:
    """Print a table of the images, the count of each group, and everything that was found."""
    columns = ("scan", "group", "sequence", "file", "shape", "voxels (mm)", "axes", "forms", "")
    wide = console.width >= WIDE
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        if wide or column != "file":
            table.add_column(column, overflow="fold")
    for scan in report.scans:
        for place, image in enumerate(scan.images):
            first = (scan.name, scan.group or "-") if place == 0 else ("", "")
            cells = (*first, *_cells(image, source))
            if not wide:
                cells = (*cells[:3], *(cell.replace(" x ", "x") for cell in cells[4:]))
            table.add_row(*cells)
    console.print(table)
    counts = ", ".join(f"{group} {count}" for group, count in report.subjects.items()) or "none has a group"
    console.print(f"Subjects with a group that can be used: {counts}", highlight=False, markup=False)
    notes = [f"{scan.name}: {note}" for scan in report.scans for note in scan.notes]
    faults = [f"{scan.name}: {problem}" for scan in report.scans for problem in scan.problems]
    faults += [f"{absent.name}: {absent.reason}" for absent in report.left_out]
    for title, style, sentences in (
        ("Which file was taken", "none", notes),
        ("Warnings", "yellow", report.warnings),
        ("Images that are there twice", "yellow", report.duplicates),
        ("Scans that cannot be used", "yellow", faults),
        ("The cohort cannot be used", "red", report.problems),
    ):
        if sentences:
            console.print(f"{title} ({len(sentences)}):", style=style, highlight=False)
        for sentence in sentences:
            console.print(f"  {sentence}", style=style, highlight=False, markup=False, soft_wrap=True)


def show_sample_size(content: Mapping[str, Any], console: Console) -> None:
    """Print what the numbers of a study can show before anything is trained; nothing where nobody is held out."""
    if not content:
        return
    console.print("What a study of these subjects can show:", highlight=False)
    console.print(f"  {sample_size_paragraph(content)}", highlight=False, markup=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_header=False)
    for row in sample_size_rows(content):
        table.add_row(*row)
    console.print(table)


def show_predictions(card: ModelCard, predictions: Sequence[ScanPrediction], console: Console) -> None:
    """Print the class of every scan, and the limits of the model."""
    table = Table("scan", "predicted", *(f"p {name}" for name in card.classes), "trained on")
    for found in predictions:
        predicted = card.classes[int(found.probabilities.argmax())]
        trained_on = TRAINED_ON_WORDS[found.part]
        table.add_row(found.name, predicted, *(f"{value:.2f}" for value in found.probabilities), trained_on)
    console.print(table)
    cohort = card.training.get("cohort", "unknown")
    console.print(
        f"Trained on: {cohort}. {NOT_FOR_DIAGNOSIS} {warning_of(card)}".strip(), highlight=False, markup=False
    )


def show_leakage(content: Mapping[str, Any], console: Console) -> None:
    """Print the table of results."""
    table = Table("split by", "groups", "balanced accuracy of slices", "of subjects", "chance of subjects")
    for row in content["conditions"]:
        slices, subjects = row["slices"], row["subjects"]
        table.add_row(
            row["unit"],
            row["labels"],
            _words(slices["value"], slices["low"], slices["high"]),
            _words(subjects["value"], subjects["low"], subjects["high"]),
            _words(subjects["chance"], subjects["chance_low"], subjects["chance_high"]),
        )
    console.print(table)
    console.print(f"By slice: {SLICES_OF_ONE_PERSON}.", highlight=False)


def _cells(image: CheckedImage, source: Path) -> tuple[str, ...]:
    forms = "-" if image.sform_code is None else f"{image.sform_code}/{image.qform_code}"
    if image.forms_disagree_mm is not None:
        forms += f", {image.forms_disagree_mm:.1f} mm"
    state = "unusable" if image.problem else "see below" if image.notices else ""
    return (
        image.sequence,
        _shown(image.path, source),
        " x ".join(map(str, image.shape or ("-",))),
        " x ".join(f"{edge:.3g}" for edge in image.voxel_mm) if image.voxel_mm else "-",
        image.orientation or "-",
        forms,
        state,
    )


def _shown(path: Path, source: Path) -> str:
    folder = source if source.is_dir() else source.parent
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _words(value: float, low: float, high: float) -> str:
    return f"{value:.2f} ({low:.2f} to {high:.2f})"
