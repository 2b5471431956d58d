"""The whole benchmark: plant, train, explain, score."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from stratacam.errors import InputError
from stratacam.evidence.planting import phantom_shapes, read_shapes, two_kinds
from stratacam.evidence.planting.score import PlantedSlice, ScoredSlice, score_maps, verdict
from stratacam.evidence.rows import write_rows
from stratacam.evidence.values import Summary, Value, by_subject, summarise
from stratacam.files import write_json
from stratacam.learning import SliceDataset
from stratacam.scans.cohort.sources import check_out
from stratacam.scans.prepared import find_prepared
from stratacam.study.progress import step_progress
from stratacam.study.truth_benchmark.material import person_of, plant_scans, slice_of
from stratacam.study.truth_benchmark.settings import BenchmarkSettings
from stratacam.study.truth_benchmark.training import make_fold, train_network

FEWEST_SUBJECTS = 3

Example = tuple[PlantedSlice, ScoredSlice]

Draw = Callable[[Path, Sequence[Summary], Sequence[Example]], object]
"""Draws the pictures of a benchmark: folder, scores, examples; handed in, as the report stands below the study."""


def run_benchmark(
    prepared: Path,
    out: Path,
    settings: BenchmarkSettings,
    *,
    lesions: Path | None,
    console: Console,
    draw: Draw,
) -> dict[str, Any]:
    """Plant, train, explain and score; write `benchmark.json`, `table.tsv` and pictures to `out`.

    Every subject is held out once where there are up to five, or else in one of five folds. Truth is what was planted.

    Args:
        prepared: folder of prepared scans.
        out: folder of the benchmark.
        settings: of the benchmark.
        lesions: folder of lesion masks; None: the phantom's.
        console: where progress is shown.
        draw: makes the pictures.

    Returns:
        The content of `benchmark.json`.

    Raises:
        InputError: there are no two subjects, too few shapes or slices, or a scan cannot be used; or `out` touches
            `prepared` or `lesions` or cannot be written.
    """
    check_out(out, prepared, *([lesions] if lesions else []))
    work = out / "work"
    scans = find_prepared(prepared)
    subjects = sorted({f"sub-{scan.subject}" for scan in scans})
    if len(subjects) < 2:
        raise InputError(
            f"{prepared}: holds {len(subjects)} prepared subject(s); expected at least two, one to train on and one "
            "to test on."
        )
    shapes = phantom_shapes(settings.seed) if lesions is None else read_shapes(lesions)
    kinds = two_kinds(shapes, settings.area)
    with step_progress(console, "plant") as advance:
        material = plant_scans(
            scans, work, settings, kinds, lambda done: advance(done, len(scans), "planted")
        )
    number_of_folds = min(5, len(subjects))
    folds = [
        make_fold(material, subjects[start::number_of_folds], settings) for start in range(number_of_folds)
    ]
    by_subjects = len(subjects) >= FEWEST_SUBJECTS
    right, count = 0, 0
    values: dict[str, list[Value]] = {}
    subject_of: dict[str, str] = {}
    examples: list[Example] = []
    layers: tuple[str, ...] = ()
    for number, fold in enumerate(folds, start=1):
        with step_progress(console, f"train {number} of {len(folds)}") as advance:
            model, logits = train_network(material, fold, work / f"fold-{number}", settings, advance)
        dataset = fold.test
        right += int((logits.argmax(axis=1) == dataset.label).sum())
        count += len(dataset)
        with step_progress(console, f"score {number} of {len(folds)}") as advance:
            chosen = _chosen(dataset, logits, settings)
            for done, row in enumerate(chosen, start=1):
                name, one = slice_of(material, dataset, row)
                found = score_maps(
                    model, one, int(dataset.label[row]), settings.methods, seed=settings.seed + done
                )
                values[name], layers = found.values, found.layers
                subject = person_of(dataset.subjects[dataset.subject[row]])
                subject_of[name] = subject if by_subjects else f"{subject} {dataset.slice_index[row]}"
                if done in {1, len(chosen)}:
                    examples.append((one, found))
                advance(done, len(chosen), name)
    if not values:
        raise InputError(
            f"{out}: no held-out slice was classified right; maps cannot be scored: train for longer."
        )
    table = summarise(by_subject(values, subject_of), seed=settings.seed)
    accuracy = right / count
    content = {
        "settings": asdict(settings),
        "shapes": len(shapes),
        "subjects": subjects,
        "layers": layers,
        "accuracy": accuracy,
        "held_out_slices": count,
        "judged_slices": len(values),
        "intervals_over": "subjects" if by_subjects else "levels of the slices, as there are two subjects",
        "verdict": verdict(table, accuracy, count),
    }
    write_rows(out / "table.tsv", table, Summary)
    draw(out, table, examples)
    write_json(out / "benchmark.json", content)
    shutil.rmtree(work)
    return json.loads(json.dumps(content))  # type: ignore[no-any-return]


def _chosen(dataset: SliceDataset, logits: NDArray[np.float64], settings: BenchmarkSettings) -> list[int]:
    """Held-out slices that are classified right, evenly spaced, at most so many of each scan and class."""
    right = logits.argmax(axis=1) == dataset.label
    chosen: list[int] = []
    for scan in range(len(dataset.scans)):
        rows = np.flatnonzero(right & (dataset.scan == scan))
        step = max(1, -(-len(rows) // settings.judged))
        chosen += rows[::step].tolist()
    return chosen
