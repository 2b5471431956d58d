"""Predictions of a trained classifier, per slice and per subject, scored and written to disk."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.files import write_json, write_text
from stratacam.learning.dataset import SliceDataset
from stratacam.learning.epoch import forward
from stratacam.learning.features import batches
from stratacam.learning.metrics import METHODS, Scores, confusion_by_subject, score_slices, score_subjects
from stratacam.learning.train import Progress


@dataclass(frozen=True)
class Evaluation:
    """Probabilities and scores of one part of a cohort.

    A subject's probabilities are the means over the slices of its first scan and of all others in the group of
    the first: someone whose group changes between sessions is judged once, by the group that came first.
    """

    dataset: SliceDataset
    slice_probabilities: npt.NDArray[np.float64]
    subject_probabilities: npt.NDArray[np.float64]
    slices: Scores
    subjects: Scores


def predict(
    model: nn.Sequential,
    dataset: SliceDataset,
    *,
    batch_size: int = 16,
    device: str = "cpu",
    progress: Progress = lambda *_: None,
) -> npt.NDArray[np.float64]:
    """Return the probability of each class for every slice, (n, classes); slices are not augmented."""
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.eval()
    probabilities = np.empty((len(dataset), len(dataset.classes)))
    with torch.inference_mode():
        for rows in batches(len(dataset), batch_size):
            logits = forward(model, dataset.read(rows), device)
            probabilities[rows] = logits.double().softmax(1).cpu().numpy()
            progress(int(rows[-1]) + 1, len(dataset), "predictions")
    return probabilities


def evaluate(dataset: SliceDataset, probabilities: npt.NDArray[np.float64], *, seed: int = 0) -> Evaluation:
    """Score the probabilities of slices, (n, classes), by slice and by subject."""
    classes = len(dataset.classes)
    of_subject = np.zeros((len(dataset.subjects), classes))
    labels = dataset.subject_labels()
    judged = dataset.label == labels[dataset.subject]
    np.add.at(of_subject, dataset.subject[judged], probabilities[judged])
    of_subject /= np.bincount(dataset.subject[judged])[:, None]
    counts = confusion_by_subject(dataset.label, probabilities.argmax(1), dataset.subject, classes)
    return Evaluation(
        dataset,
        probabilities,
        of_subject,
        score_slices(counts, seed=seed),
        score_subjects(labels, of_subject.argmax(1), classes, seed=seed),
    )


def write_evaluation(folder: Path, evaluation: Evaluation, *, part: str) -> None:
    """Write the tables of predictions, the confusion matrices and, last, `metrics.json` into `folder`.

    Example of the file names: `predictions_slices.tsv`, `predictions_subjects.tsv`, `confusion_slices.tsv`,
    `confusion_subjects.tsv`, `metrics.json`.
    """
    data = evaluation.dataset
    names = list(data.classes)
    columns = ["group", "predicted", *(f"p_{name}" for name in names)]

    def row(keys: Sequence[str], label: int, probabilities: npt.NDArray[np.float64]) -> list[str]:
        values = (f"{probability:.6f}" for probability in probabilities)
        return [*keys, names[label], names[int(probabilities.argmax())], *values]

    slices = [
        row([data.scans[scan].subject, data.scans[scan].scan, str(index)], label, probabilities)
        for scan, index, label, probabilities in zip(
            data.scan, data.slice_index, data.label, evaluation.slice_probabilities, strict=True
        )
    ]
    subjects = [
        row([subject], label, probabilities)
        for subject, label, probabilities in zip(
            data.subjects, data.subject_labels(), evaluation.subject_probabilities, strict=True
        )
    ]
    _write_table(folder / "predictions_slices.tsv", ["subject", "scan", "slice", *columns], slices)
    _write_table(folder / "predictions_subjects.tsv", ["subject", *columns], subjects)
    for unit, scores in (("slices", evaluation.slices), ("subjects", evaluation.subjects)):
        rows = [[name, *map(str, counts)] for name, counts in zip(names, scores.confusion, strict=True)]
        _write_table(
            folder / f"confusion_{unit}.tsv", ["group", *(f"predicted_{name}" for name in names)], rows
        )
    write_json(
        folder / "metrics.json",
        {
            "part": part,
            "classes": names,
            "subjects_per_class": dict(zip(names, _count(data.subject_labels(), names), strict=True)),
            "slices_per_class": dict(zip(names, _count(data.label, names), strict=True)),
            "slices": asdict(evaluation.slices),
            "subjects": asdict(evaluation.subjects),
            "methods": METHODS,
        },
    )


def _count(labels: npt.NDArray[np.int64], names: Sequence[str]) -> list[int]:
    return [int(count) for count in np.bincount(labels, minlength=len(names))]


def _write_table(file: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    write_text(file, "".join("\t".join(cells) + "\n" for cells in [columns, *rows]))
