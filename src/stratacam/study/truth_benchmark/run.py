"""The whole benchmark: plant, train, score the maps."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from stratacam.errors import InputError
from stratacam.evidence.planting import kinds_of_folds, phantom_shapes, read_shapes
from stratacam.evidence.planting.pick import Pick
from stratacam.evidence.planting.plant import CLASSES, WITH_TARGETS
from stratacam.evidence.planting.shapes import Kinds
from stratacam.evidence.rows import write_rows
from stratacam.files import write_json
from stratacam.learning import TrainSettings, make_dataset
from stratacam.networks.settings import NetworkSettings
from stratacam.scans.cohort.sources import check_out
from stratacam.scans.pictures import PictureSettings
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.study.cohort import Cohort
from stratacam.study.configuration import CohortSettings, StudyConfiguration
from stratacam.study.execution import RunSettings, Workers
from stratacam.study.keys import short_hash
from stratacam.study.planning import Planned, plan_network
from stratacam.study.runs import Run
from stratacam.study.steps.prepare import take_prepared
from stratacam.study.steps.train import do_trainings, training_of
from stratacam.study.study import Study, open_study
from stratacam.study.trained import TrainedModel
from stratacam.study.training import PREDICTIONS
from stratacam.study.truth_benchmark.fold import PeopleHeldOut, make_folds
from stratacam.study.truth_benchmark.planting import Plant, truth_file
from stratacam.study.truth_benchmark.scoring import Example, ScoreFold, read_scores
from stratacam.study.truth_benchmark.settings import BenchmarkSettings
from stratacam.study.truth_benchmark.summary import ScoreRow, Tables, summarise_folds

FOLDS_SHOWN = 2
"""Folds of which slices are shown."""


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark found: the content of `benchmark.json`, the scores, the map picked, and slices to show."""

    content: dict[str, Any]
    tables: Tables
    picked: Pick | None
    examples: Sequence[Example]


def run_benchmark(
    prepared: Path,
    out: Path,
    settings: BenchmarkSettings,
    *,
    lesions: Path | None,
    console: Console,
    workers: Workers | None = None,
) -> Benchmark:
    """Plant, train and score; write `benchmark.json` and `table.tsv` to `out`.

    A run that was broken off goes on. Every subject is held out once, and each fold has shapes of its own: those of the
    lesion masks in the folder `lesions`, or the phantom's.

    Raises:
        InputError: there are no two subjects, too few shapes or slices, or a scan cannot be used; or `out` touches
            `prepared` or `lesions` or cannot be written; or more blocks are to be trained than there are.
    """
    check_out(out, prepared, *([lesions] if lesions else []))
    scans = find_prepared(prepared)
    subjects = sorted({f"sub-{scan.subject}" for scan in scans})
    if len(subjects) < 2:
        raise InputError(
            f"{prepared}: holds {len(subjects)} prepared subject(s); expected at least two, one to train on and one "
            "to test on."
        )
    folds = make_folds(subjects, min(settings.folds, len(subjects)))
    cut = phantom_shapes(settings.seed) if lesions is None else read_shapes(lesions)
    kinds = {
        subject: shapes
        for fold, shapes in zip(folds, kinds_of_folds(cut, settings.area, len(folds)), strict=True)
        for subject in fold.people
    }
    configuration = StudyConfiguration(
        name="benchmark with truth",
        out=out / "work",
        seed=settings.seed,
        cohort=CohortSettings(input=prepared, sequences=scans[0].sequences),
        network=NetworkSettings(architecture=settings.architecture, brain=settings.brain),
        training=TrainSettings(
            epochs=settings.epochs,
            patience=settings.epochs,
            relevance=settings.relevance,
            frozen=settings.frozen,
        ),
        run=RunSettings(),
    )
    with open_study(configuration, console, workers=workers) as study:
        cohort = _plant(study, scans, settings, kinds)
        tasks = _train_and_score(study, cohort, settings, folds)
    scored = [read_scores(task.file) for task in tasks]
    if not any(fold.slices for fold in scored):
        raise InputError(
            f"{out}: no held-out slice was classified right, so that no map can be scored; train for longer (--epochs)."
        )
    targeted = WITH_TARGETS[settings.difference]
    found = summarise_folds(scored, targeted, subjects, networks=settings.networks)
    with_maps = next(fold for fold in scored if fold.slices)
    content = {
        "settings": asdict(settings),
        "subjects": subjects,
        "lesions": len(cut),
        "layers": with_maps.layers,
        "fused": with_maps.fused,
        "accuracy": found.accuracy,
        "learnt": found.learnt,
        "held_out_slices": found.held_out,
        "scored_slices": found.scored,
        "intervals_over": found.units,
        "picked": found.picked.as_json() if found.picked else None,
        "verdict": found.verdict,
    }
    examples = [one for task in tasks[:FOLDS_SHOWN] for one in task.examples()]
    rows = [
        ScoreRow(group, name, *row)
        for group, of_class in found.tables.items()
        for name, table in of_class.items()
        for row in table
    ]
    write_rows(out / "table.tsv", rows, ScoreRow)
    write_json(out / "benchmark.json", content)
    shutil.rmtree(out / "work")
    return Benchmark(content, found.tables, found.picked, examples)


def _plant(
    study: Study,
    scans: Sequence[PreparedScan],
    settings: BenchmarkSettings,
    kinds: Mapping[str, Kinds],
) -> Cohort:
    """Lesions of both classes in the slices of every scan, of the shapes that its subject's fold has."""
    take_prepared(study.work, scans)
    pictures = PictureSettings(
        size=settings.size, width_mm=settings.width_mm, every=settings.every, part=settings.part
    )
    frame = pictures.frame_for(scan.brain_mm for scan in scans)
    tasks = {
        scan.name: Plant(
            scan=scan,
            pictures=pictures,
            frame=frame,
            kinds=kinds[f"sub-{scan.subject}"],
            shapes=short_hash(
                repr([[shape.tolist() for shape in kind] for kind in kinds[f"sub-{scan.subject}"]])
            ),
            difference=settings.difference,
            lesions=settings.lesions,
            copies=settings.copies,
            shuffled=settings.shuffled,
            seed=settings.seed,
            folder=study.folders.pictures,
        )
        for scan in scans
    }
    failed = set(tasks) - study.work.each("plant", tasks)
    if failed:
        raise study.failed("planting", failed)
    planted = tuple(pictures for task in tasks.values() for pictures in task.scans)
    return Cohort(planted, CLASSES[settings.difference], {})


def _train_and_score(
    study: Study, cohort: Cohort, settings: BenchmarkSettings, folds: Sequence[PeopleHeldOut]
) -> list[ScoreFold]:
    """Train the networks of every fold, and score their maps."""
    dataset = make_dataset(cohort.pictures, cohort.classes)
    for split in folds:
        split.rows(dataset)  # which refuses too few slices before anything is trained
    plans = {plan.run.name: plan for plan in _plans(study, cohort, settings, folds)}
    entries = {
        name: training_of(
            study, cohort, plan, name=name, out=study.folders.models / name, card={"range": [0, 1]}
        )
        for name, plan in plans.items()
    }
    do_trainings(study, cohort, plans, entries)
    tasks = {}
    for fold in range(1, len(folds) + 1):
        names = [name for name, plan in plans.items() if plan.run.fold == fold]
        models = [study.folders.models / name for name in names]
        tasks[f"fold {fold}"] = ScoreFold(
            models=tuple(
                TrainedModel(folder, entries[name].key, "cpu")
                for name, folder in zip(names, models, strict=True)
            ),
            predictions=tuple(folder / PREDICTIONS for folder in models),
            pictures=cohort.pictures,
            truths=tuple(truth_file(scan) for scan in cohort.pictures),
            classes=cohort.classes,
            targeted=WITH_TARGETS[settings.difference],
            methods=settings.methods,
            smoothgrad=settings.smoothgrad,
            maximum=settings.scored,
            seed=settings.seed,
            file=study.folders.root / "scores" / f"fold-{fold}.json",
        )
    failed = set(tasks) - study.work.each("score", tasks, networks=True)
    if failed:
        raise study.failed("scoring the maps", failed)
    return list(tasks.values())


def _plans(
    study: Study, cohort: Cohort, settings: BenchmarkSettings, folds: Sequence[PeopleHeldOut]
) -> Iterator[Planned]:
    """Every network of every fold; all share what frozen layers give."""
    for seed in range(settings.seed, settings.seed + settings.networks):
        run = Run(settings.architecture, seed, 1)
        first = plan_network(study.configuration, study.folders, run, folds[0], len(cohort.classes))
        for number, split in enumerate(folds, start=1):
            yield replace(first, run=replace(run, fold=number), split=split)
