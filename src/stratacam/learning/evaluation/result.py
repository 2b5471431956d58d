"""The result of an evaluation, and its files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stratacam.files import write_json, write_table
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.evaluation.calibration import BINS, SUBJECT_BINS, reliability
from stratacam.learning.evaluation.intervals import Floats, Integers
from stratacam.learning.evaluation.methods import METHODS
from stratacam.learning.evaluation.scores import DecisionScores, Scores


@dataclass(frozen=True)
class SlicePredictions:
    """Slices, the probabilities they were given, (n, classes), and these after temperature scaling or None."""

    dataset: SliceDataset
    probabilities: Floats
    calibrated: Floats | None


@dataclass(frozen=True)
class Evaluation:
    """Predictions and scores of subjects and, where there were any, of their slices.

    A subject's probabilities are the means over the slices of its first scan and of all others in the group of
    the first: someone whose group changes between sessions is scored once, by the group that came first. The
    same slices have a vote each in the majority.

    Attributes:
        classes: names of the groups.
        subject_names: of the subjects, (subjects,).
        subject_labels: (subjects,) positions in `classes`.
        subject_probabilities: (subjects, classes).
        subjects: scores by the highest mean probability.
        subject_calibrated: (subjects, classes) means of calibrated probabilities, or None.
        subject_majority: (subjects,) what most slices are given; of equals, the higher mean probability.
        subjects_majority: scores of the majority.
        slice_predictions: the slices, or None.
        slices: their scores, or None.
        folds: models whose predictions are pooled.
    """

    classes: tuple[str, ...]
    subject_names: tuple[str, ...]
    subject_labels: Integers
    subject_probabilities: Floats
    subjects: Scores
    subject_calibrated: Floats | None = None
    subject_majority: Integers | None = None
    subjects_majority: DecisionScores | None = None
    slice_predictions: SlicePredictions | None = None
    slices: Scores | None = None
    folds: int = 1


def write_evaluation(folder: Path, evaluation: Evaluation, *, part: str, warning: str = "") -> None:
    """Write tables of predictions, confusion and reliability and, last, `metrics.json` into `folder`.

    The files: `predictions_subjects.tsv`, `confusion_subjects.tsv`, `reliability.tsv`, `metrics.json`, and where
    slices were evaluated `predictions_slices.tsv` and `confusion_slices.tsv`.

    Args:
        folder: where to write.
        evaluation: what to write.
        part: what was evaluated, for example "test".
        warning: what readers must know before they believe the numbers; stands in `metrics.json` and in a column of
            every table.
    """
    names = evaluation.classes
    slices = evaluation.slice_predictions
    if slices is not None and evaluation.slices is not None:
        _write_slices(folder / "predictions_slices.tsv", slices, names, warning)
        _write_confusion(folder / "confusion_slices.tsv", evaluation.slices, names, warning)
    _write_subjects(folder / "predictions_subjects.tsv", evaluation, warning)
    _write_confusion(folder / "confusion_subjects.tsv", evaluation.subjects, names, warning)
    _write_table(
        folder / "reliability.tsv",
        ["unit", "calibrated", "bin_low", "bin_high", "count", "confidence", "accuracy"],
        _reliability_rows(evaluation),
        warning,
    )
    content: dict[str, Any] = {
        "part": part,
        "classes": list(names),
        "subjects_per_class": _count(evaluation.subject_labels, names),
        "slices_per_class": None if slices is None else _count(slices.dataset.label, names),
        "folds": evaluation.folds,
    }
    for unit in ("slices", "subjects", "subjects_majority"):
        scores = getattr(evaluation, unit)
        content[unit] = None if scores is None else asdict(scores)
    content["methods"] = METHODS
    if warning:
        content["warning"] = warning
    write_json(folder / "metrics.json", content)


def _write_slices(file: Path, slices: SlicePredictions, names: Sequence[str], warning: str) -> None:
    data = slices.dataset
    keys = [
        [data.scans[scan].subject, data.scans[scan].scan, str(index)]
        for scan, index in zip(data.scan, data.slice_index, strict=True)
    ]
    columns, rows = _predictions(keys, data.label, slices.probabilities, slices.calibrated, names)
    _write_table(file, ["subject", "scan", "slice", *columns], rows, warning)


def _write_subjects(file: Path, evaluation: Evaluation, warning: str) -> None:
    names, majority = evaluation.classes, evaluation.subject_majority
    columns, rows = _predictions(
        [[name] for name in evaluation.subject_names],
        evaluation.subject_labels,
        evaluation.subject_probabilities,
        evaluation.subject_calibrated,
        names,
        majority=majority,
    )
    _write_table(file, ["subject", *columns], rows, warning)


def _predictions(
    keys: Sequence[Sequence[str]],
    labels: Integers,
    probabilities: Floats,
    calibrated: Floats | None,
    names: Sequence[str],
    *,
    majority: Integers | None = None,
) -> tuple[list[str], list[list[str]]]:
    """Return the columns after the keys, and the rows with their keys."""
    columns = ["group", "predicted", *(f"p_{name}" for name in names)]
    rows = [
        [*key, names[label], names[int(given.argmax())], *_decimals(given)]
        for key, label, given in zip(keys, labels, probabilities, strict=True)
    ]
    if majority is not None:
        columns.append("predicted_majority")
        rows = [[*row, names[group]] for row, group in zip(rows, majority, strict=True)]
    if calibrated is not None:
        columns += [f"calibrated_p_{name}" for name in names]
        rows = [[*row, *_decimals(given)] for row, given in zip(rows, calibrated, strict=True)]
    return columns, rows


def _reliability_rows(evaluation: Evaluation) -> Iterator[list[str]]:
    slices = evaluation.slice_predictions
    of_subjects = evaluation.subject_labels, evaluation.subject_probabilities, evaluation.subject_calibrated
    units = [("subjects", SUBJECT_BINS, *of_subjects)]
    if slices is not None:
        units.insert(0, ("slices", BINS, slices.dataset.label, slices.probabilities, slices.calibrated))
    for unit, bins, labels, as_given, calibrated in units:
        for probabilities, whether in ((as_given, "no"), (calibrated, "yes")):
            if probabilities is None:
                continue
            found = reliability(probabilities, labels, bins=bins)
            for low, high, count, confidence, accuracy in zip(
                found.low, found.high, found.count, found.confidence, found.accuracy, strict=True
            ):
                means = _decimals([confidence, accuracy]) if count else ["n/a", "n/a"]
                yield [unit, whether, *_decimals([low, high]), str(count), *means]


def _write_confusion(file: Path, scores: Scores, names: Sequence[str], warning: str) -> None:
    rows = [[name, *map(str, counts)] for name, counts in zip(names, scores.confusion, strict=True)]
    _write_table(file, ["group", *(f"predicted_{name}" for name in names)], rows, warning)


def _count(labels: Integers, names: Sequence[str]) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True)}


def _decimals(values: Iterable[float]) -> list[str]:
    return [f"{value:.6f}" for value in values]


def _write_table(
    file: Path, columns: Sequence[str], rows: Iterable[Sequence[str]], warning: str = ""
) -> None:
    """Write a table; a warning stands in a last column of its own, in every row."""
    end = ["warning"] if warning else []
    cells = [[*columns, *end], *([*row, *([warning] if warning else [])] for row in rows)]
    write_table(file, cells)
