"""Steps that learn: split, keep what frozen layers give, train every run, evaluate, and compare with baselines."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.learning import (
    SLICES_OF_ONE_PERSON,
    ScanPictures,
    Split,
    TrainSettings,
    apply_temperature,
    evaluate,
    make_dataset,
    write_evaluation,
)
from stratacam.networks.saved import CARD, WEIGHTS
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.execution import local_executor
from stratacam.study.ledger import read_json
from stratacam.study.planning import Cohort, Planned, frozen_settings, sources
from stratacam.study.progress import say, step_progress
from stratacam.study.runs import TrainedRun
from stratacam.study.study import Study
from stratacam.study.training import (
    PREDICTIONS,
    Frozen,
    Training,
    keep_scan,
    read_predictions,
    train_run,
)
from stratacam.study.work import Task

SERIAL = 1


def keep_frozen(study: Study, cohort: Cohort, planned: Sequence[Planned]) -> None:
    """Keep, for every scan, what the frozen layers of the runs give; of augmented copies, where one trains on it.

    Raises:
        InputError: a scan failed, without which nothing can be trained.
    """
    configuration = study.configuration
    by_folder = {plan.kept: plan for plan in planned if plan.kept}
    for folder, plan in by_folder.items():
        step = f"activations {folder.name}"
        trained_on = _trained_on(cohort, [other for other in planned if other.kept == folder])
        tasks = {}
        for scan in cohort.pictures:
            augmented, plain = (
                _keeping(study, cohort, plan, scan, folder=folder, settings=settings)
                for settings in (plan.settings, plan.settings.model_copy(update={"copies": 0}))
            )
            is_there = study.work.ledger.is_done(step, scan.scan, augmented.key)
            tasks[scan.scan] = augmented if is_there or scan.scan in trained_on else plain
        with network_executor(configuration, len(tasks)) as executor:
            done = study.work.each(step, keep_scan, tasks, executor)
        if set(tasks) - done:
            raise InputError(_failed(study, "the frozen layers of the network", set(tasks) - done))


def _keeping(
    study: Study, cohort: Cohort, plan: Planned, scan: ScanPictures, *, folder: Path, settings: TrainSettings
) -> Task:
    """The task that keeps what the frozen layers give for one scan."""
    configuration = study.configuration
    content = frozen_settings(plan.first, settings, configuration.seed)
    key = study.work.ledger.key("activations", [content, cohort.keys[scan.scan]], sources(plan.first))
    outputs = (folder / f"{scan.scan}.npy", folder / f"{scan.scan}_head.npy")
    frozen = Frozen(plan.first, settings, configuration.seed, folder, configuration.run.device)
    return Task((frozen, scan), key, outputs)


def _trained_on(cohort: Cohort, planned: Sequence[Planned]) -> set[str]:
    """The scans that some run trains on; all of them where slices were split."""
    if not all(isinstance(plan.split, Split) for plan in planned):
        return {scan.scan for scan in cohort.pictures}
    subjects = {subject for plan in planned if isinstance(plan.split, Split) for subject in plan.split.train}
    return {scan.scan for scan in cohort.pictures if scan.subject in subjects}


def train_runs(study: Study, cohort: Cohort, planned: Sequence[Planned]) -> dict[str, str]:
    """Train every run that is not done yet; return the key of each run's work, by its name.

    Raises:
        InputError: a training failed.
    """
    configuration, folders = study.configuration, study.folders
    shape = list(make_dataset(cohort.pictures[:1], cohort.classes).read([0]).shape[-2:])
    pictures = configuration.pictures.model_dump(mode="json")
    card = {
        "cohort": configuration.name,
        "images": cohort.images,
        "input": {
            **pictures,
            "sequences": pictures["sequences"] or configuration.cohort.sequences,
            "prepared": configuration.cohort.sequences,
            **cohort.described,
            "range": [0, 1],
            "normalisation": configuration.prepare.model_dump(mode="json"),
            "shape": shape,
        },
    }
    tasks = {}
    for plan in planned:
        folder = folders.models / plan.run.name
        outputs = tuple(folder / name for name in (WEIGHTS, CARD, "split.tsv", "history.json", PREDICTIONS))
        task = training_task(configuration, cohort, plan, work=folders.work, out=folder, card=card)
        tasks[plan.run.name] = Task((task,), training_key(study, cohort, plan), outputs)
    keep_frozen(study, cohort, [plan for plan in planned if not _is_done(study, tasks[plan.run.name], plan)])
    do_trainings(study, tasks)
    trained = [
        TrainedRun(plan.run, plan.split.test if isinstance(plan.split, Split) else ()) for plan in planned
    ]
    content = {"runs": [run.as_json() for run in trained]}
    if read_json(folders.runs) != content:
        write_json(folders.runs, content)
    others = sorted({path.parent.name for path in folders.models.glob(f"*/{CARD}")} - set(tasks))
    if others:
        say(
            study.work.console,
            f"train: {folders.models} holds models of other settings too ({', '.join(others[:3])}"
            f"{' ...' if len(others) > 3 else ''}); {folders.runs.name} lists those of this study.",
            "yellow",
        )
    return {name: task.key for name, task in tasks.items()}


def training_task(
    configuration: StudyConfiguration,
    cohort: Cohort,
    plan: Planned,
    *,
    work: Path,
    out: Path,
    card: Mapping[str, Any] | None = None,
) -> Training:
    """The task that trains one run."""
    return Training(
        run=plan.run,
        first=plan.first,
        pictures=cohort.pictures,
        classes=cohort.classes,
        split=plan.split,
        settings=plan.settings,
        device=configuration.run.device,
        work=work / plan.run.name,
        out=out,
        kept=plan.kept,
        card=card,
    )


def training_key(study: Study, cohort: Cohort, plan: Planned) -> str:
    """The key of one training: everything that decides its weights."""
    configuration = study.configuration
    return study.work.ledger.key(
        "train",
        {
            "groups": {scan.scan: scan.group for scan in cohort.pictures},
            "pictures": {scan.scan: cohort.keys[scan.scan] for scan in cohort.pictures},
            "classes": cohort.classes,
            "split": [plan.split.unit, repr(plan.split)],
            "first": repr(plan.first),
            "training": plan.settings.model_dump(mode="json"),
            "seeds": [configuration.seed, plan.run.seed],
            "device": configuration.run.device,
        },
        sources(plan.first),
    )


def do_trainings(study: Study, tasks: Mapping[str, Task], step: str = "train") -> None:
    """Do the trainings that are not done yet, as many at once as there are cores.

    Raises:
        InputError: one of them failed.
    """
    configuration, work = study.configuration, study.work
    if len(tasks) == 1:
        ((name, task),) = tasks.items()
        (training,) = task.arguments

        def train() -> None:
            with step_progress(work.console, step) as advance:
                train_run(training, advance)

        work.once(step, task.key, task.outputs, train, item=name)
        return
    with network_executor(configuration, len(tasks)) as executor:
        done = work.each(step, train_run, tasks, executor)
    if set(tasks) - done:
        raise InputError(_failed(study, "the training", set(tasks) - done))


def evaluate_models(
    study: Study, cohort: Cohort, planned: Sequence[Planned], keys: Mapping[str, str]
) -> dict[str, str]:
    """Score every network and seed on the subjects that its runs held out; return the keys of the work.

    Predictions of the folds are pooled: every subject is predicted once, by the run that did not see it.
    """
    found = {}
    for model in dict.fromkeys(plan.run.model for plan in planned):
        runs = [plan for plan in planned if plan.run.model == model]
        key = study.work.ledger.key("evaluate", [keys[plan.run.name] for plan in runs])
        folder = study.folders.evaluation / model
        warning = SLICES_OF_ONE_PERSON if runs[0].split.unit == "slice" else ""

        def work(runs: list[Planned] = runs, folder: Path = folder, warning: str = warning) -> None:
            rows, logits, calibrated = [], [], []
            for plan in runs:
                predictions = read_predictions(study.folders.models / plan.run.name)
                rows.append(predictions.row)
                logits.append(predictions.logits)
                calibrated.append(predictions.logits / predictions.temperature)
            order = np.argsort(np.concatenate(rows))
            dataset = make_dataset(cohort.pictures, cohort.classes).take(np.concatenate(rows)[order])
            evaluation = evaluate(
                dataset,
                apply_temperature(np.concatenate(logits)[order], 1.0),
                calibrated=apply_temperature(np.concatenate(calibrated)[order], 1.0),
                seed=study.configuration.seed,
            )
            write_evaluation(folder, evaluation, part="test", warning=warning)

        study.work.once("evaluate", key, [folder / "metrics.json"], work, item=model)
        found[model] = key
    return found


def _is_done(study: Study, task: Task, plan: Planned) -> bool:
    return study.work.ledger.is_done("train", plan.run.name, task.key)


def network_executor(configuration: StudyConfiguration, tasks: int) -> AbstractContextManager[Executor]:
    """Where networks run: one after the other on a graphics card, else in as many processes as there are cores."""
    if configuration.run.device != "cpu":
        return local_executor(SERIAL)
    return local_executor(configuration.run.workers, tasks=tasks)


def _failed(study: Study, what: str, names: set[str]) -> str:
    reasons = "; ".join(str(absence.reason) for absence in study.work.absences if absence.name in names)
    return f"{what} failed for {', '.join(sorted(names))}: {reasons}"
