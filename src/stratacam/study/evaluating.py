"""Predictions of subjects held out, scored: of networks, of simple baselines, and all in one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stratacam.files import read_json, write_json
from stratacam.learning import (
    Baseline,
    ScanPictures,
    Split,
    apply_temperature,
    evaluate,
    evaluate_subjects,
    frozen_features,
    make_dataset,
    read_head_inputs,
    scan_baselines,
    write_comparison,
    write_evaluation,
)
from stratacam.study.predictions import read_predictions

PREFIX = "baseline_"


@dataclass(frozen=True)
class Scoring:
    """A network and seed, to be scored on the subjects that its runs held out.

    Attributes:
        predictions: of every fold.
        pictures: of every scan.
        classes: in order.
        seed: of resamples.
        warning: that goes with every number.
        out: where it is written.
    """

    predictions: tuple[Path, ...]
    pictures: tuple[ScanPictures, ...]
    classes: tuple[str, ...]
    seed: int
    warning: str
    out: Path


def evaluate_runs(task: Scoring) -> None:
    """Score the predictions of all folds."""
    rows, logits, calibrated = [], [], []
    for found in map(read_predictions, task.predictions):
        rows.append(found.row)
        logits.append(found.logits)
        calibrated.append(found.logits / found.temperature)
    order = np.argsort(np.concatenate(rows))
    evaluation = evaluate(
        make_dataset(task.pictures, task.classes).take(np.concatenate(rows)[order]),
        apply_temperature(np.concatenate(logits)[order], 1.0),
        calibrated=apply_temperature(np.concatenate(calibrated)[order], 1.0),
        seed=task.seed,
    )
    write_evaluation(task.out, evaluation, part="test", warning=task.warning)


@dataclass(frozen=True)
class Baselines:
    """Simple baselines, to be scored on the subjects that splits hold out.

    Attributes:
        pictures: of every scan.
        classes: in order.
        labels: subject to class.
        splits: of the first network and seed; where there are none, slices were split.
        people: what the cohort's tables say of every scan.
        measures: by scan, the file of its simple measures.
        features: folder of what the head of the first network is fed; None where that is no baseline.
        seed: of resamples.
        out: of all evaluations.
    """

    pictures: tuple[ScanPictures, ...]
    classes: tuple[str, ...]
    labels: Mapping[str, str]
    splits: tuple[Split, ...]
    people: Mapping[str, Mapping[str, str]]
    measures: Mapping[str, Path]
    features: Path | None
    seed: int
    out: Path


def evaluate_baselines(task: Baselines) -> None:
    """Score the baselines, each into a folder of its own, and write `baselines.json`."""
    pictures, classes, splits, seed = task.pictures, task.classes, task.splits, task.seed
    found: list[Baseline]
    left_out: dict[str, str]
    found, left_out = [], {"all": "slices were split, so that every subject is on both sides"}
    subjects = sorted(subject for split in splits for subject in split.test)
    # baselines have nothing to stop early, so they learn from the validation subjects too
    folds = [([*split.train, *split.validation], list(split.test)) for split in splits]
    if splits:
        of_scan: dict[str, Any] = {scan: read_json(file) for scan, file in task.measures.items()}
        found, left_out = scan_baselines(
            [scan for scan in pictures if scan.scan in task.measures],
            classes=classes,
            subjects=subjects,
            folds=folds,
            people=task.people,
            measures=of_scan,
            seed=seed,
        )
    if splits and task.features:
        dataset = make_dataset(pictures, classes)
        inputs = read_head_inputs(dataset, task.features)
        found.append(frozen_features(dataset, inputs, subjects=subjects, folds=folds, seed=seed))
    for baseline in found:
        truth = [classes.index(task.labels[subject]) for subject in subjects]
        evaluation = evaluate_subjects(subjects, truth, baseline.probabilities, classes, seed=seed)
        write_evaluation(task.out / f"{PREFIX}{baseline.name}", evaluation, part="test")
    titles = {baseline.name: baseline.title for baseline in found}
    write_json(task.out / "baselines.json", {"titles": titles, "left_out": left_out})


def compare_evaluations(
    evaluations: Mapping[str, Path], titles: Mapping[str, str], seed: int, out: Path
) -> None:
    """Put all evaluations, named as their folders are, into one table, each against the first."""
    write_comparison(out, titles, first=next(iter(evaluations)), seed=seed)
