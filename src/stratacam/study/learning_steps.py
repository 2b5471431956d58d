"""Steps that learn: split, keep what frozen layers give, train every run, evaluate, and compare with baselines."""

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import read_json, write_json
from stratacam.learning import (
    SLICES_OF_ONE_PERSON,
    Split,
    make_dataset,
)
from stratacam.networks.saved import CARD, WEIGHTS
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.evaluating import Scoring, evaluate_runs
from stratacam.study.execution import local_executor
from stratacam.study.ledger import Task
from stratacam.study.planning import Cohort, Planned, frozen_task
from stratacam.study.predictions import PREDICTIONS
from stratacam.study.progress import say, step_progress
from stratacam.study.runs import TrainedRun
from stratacam.study.study import Study
from stratacam.study.training import Training, train_run

EARLIER = "earlier"
"""Folder of models that were trained in another way."""

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
            augmented = frozen_task(study, plan, scan, folder=folder)
            is_there = study.work.ledger.is_done(step, scan.scan, augmented)
            if is_there or scan.scan in trained_on:
                tasks[scan.scan] = augmented
            else:
                tasks[scan.scan] = frozen_task(study, plan, scan, folder=folder, augmented=False)
        with network_executor(configuration, len(tasks)) as executor:
            done = study.work.each(step, tasks, executor)
        if set(tasks) - done:
            raise InputError(_failed(study, "the frozen layers of the network", set(tasks) - done))


def _trained_on(cohort: Cohort, planned: Sequence[Planned]) -> set[str]:
    """The scans that some run trains on; all of them where slices were split."""
    if not all(isinstance(plan.split, Split) for plan in planned):
        return {scan.scan for scan in cohort.pictures}
    subjects = {subject for plan in planned if isinstance(plan.split, Split) for subject in plan.split.train}
    return {scan.scan for scan in cohort.pictures if scan.subject in subjects}


def train_runs(study: Study, cohort: Cohort, planned: Sequence[Planned]) -> None:
    """Train every run that is not done yet.

    A model that was trained in another way is kept in `models/earlier`.

    Raises:
        InputError: a training failed.
    """
    folders = study.folders
    tasks = {}
    for plan in planned:
        folder = folders.models / plan.run.name
        task = run_task(study, cohort, plan)
        _keep_earlier(study, plan.run.name, task, folder)
        tasks[plan.run.name] = task
    pending = [
        plan
        for plan in planned
        if not study.work.ledger.is_done("train", plan.run.name, tasks[plan.run.name])
    ]
    keep_frozen(study, cohort, pending)
    do_trainings(study, tasks)
    for name, task in tasks.items():
        _rename_cohort(study, name, task)
        study.work.ledger.is_made(task.key, folders.models / name)
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


def run_task(study: Study, cohort: Cohort, plan: Planned) -> Task:
    """The task that trains one of the study's models."""
    configuration = study.configuration
    shape = list(make_dataset(cohort.pictures[:1], cohort.classes).read([0]).shape[-2:])
    pictures = configuration.pictures.model_dump(mode="json")
    card = {
        **pictures,
        "sequences": pictures["sequences"] or configuration.cohort.sequences,
        "prepared": configuration.cohort.sequences,
        **cohort.described,
        "range": [0, 1],
        "normalisation": configuration.prepare.model_dump(mode="json"),
        "shape": shape,
    }
    name = plan.run.name
    return training_task(study, cohort, plan, name=name, out=study.folders.models / name, card=card)


def training_task(
    study: Study,
    cohort: Cohort,
    plan: Planned,
    *,
    name: str,
    out: Path,
    card: Mapping[str, Any] | None = None,
) -> Task:
    """The task that trains one run into `out`."""
    if plan.kept:
        study.work.ledger.is_made(plan.kept.name, plan.kept)
    training = Training(
        run=plan.run,
        first=plan.first,
        pictures=cohort.pictures,
        classes=cohort.classes,
        split=plan.split,
        settings=plan.settings,
        device=study.configuration.run.device,
        work=study.folders.work / name,
        out=out,
        kept=plan.kept,
        card=card,
        images=cohort.images if card else {},
        cohort=study.configuration.name,
    )
    files = (PREDICTIONS, "split.tsv", "history.json", *((WEIGHTS, CARD) if card else ()))
    task = study.work.task(train_run, training, outputs=[out / file for file in files])
    return replace(task, arguments=(training, task.key))


def _keep_earlier(study: Study, name: str, task: Task, folder: Path) -> None:
    """Where another model is to be trained under the same name, keep the one that is there; bring back a kept one."""
    ledger = study.work.ledger
    before = ledger.key_of("train", name)
    if before == task.key:
        return
    kept, wanted = (folder.parent / EARLIER / f"{name}-{key[:8]}" for key in (before or "unknown", task.key))
    if (folder / CARD).is_file():
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        folder.rename(kept)
        say(
            study.work.console,
            f"train: the model {name} that was trained before is now in {kept}; remove it if it is not needed.",
            "yellow",
        )
    if wanted.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        wanted.rename(folder)
        ledger.finish("train", name, task)


def _rename_cohort(study: Study, name: str, task: Task) -> None:
    """Where the study has another name now, put it into the model's card: nothing is trained for that."""
    path = study.folders.models / name / CARD
    card = read_json(path)
    if card["training"]["cohort"] != study.configuration.name:
        write_json(path, {**card, "training": {**card["training"], "cohort": study.configuration.name}})
        study.work.ledger.finish("train", name, task)


def do_trainings(study: Study, tasks: Mapping[str, Task], step: str = "train") -> None:
    """Do the trainings that are not done yet, as many at once as there are cores.

    Raises:
        InputError: one of them failed.
    """
    configuration, work = study.configuration, study.work
    if len(tasks) == 1:
        ((name, task),) = tasks.items()
        with step_progress(work.console, step) as advance:
            work.once(step, task, item=name, advance=advance)
        return
    with network_executor(configuration, len(tasks)) as executor:
        done = work.each(step, tasks, executor)
    if set(tasks) - done:
        raise InputError(_failed(study, "the training", set(tasks) - done))


def evaluate_models(study: Study, cohort: Cohort, planned: Sequence[Planned]) -> None:
    """Score every network and seed on the subjects that its runs held out.

    Predictions of the folds are pooled: every subject is predicted once, by the run that did not see it.
    """
    for model in dict.fromkeys(plan.run.model for plan in planned):
        runs = [plan for plan in planned if plan.run.model == model]
        scoring = Scoring(
            predictions=tuple(study.folders.models / plan.run.name / PREDICTIONS for plan in runs),
            pictures=cohort.pictures,
            classes=cohort.classes,
            seed=study.configuration.seed,
            warning=SLICES_OF_ONE_PERSON if runs[0].split.unit == "slice" else "",
            out=study.folders.evaluation / model,
        )
        task = study.work.task(evaluate_runs, scoring, outputs=[scoring.out])
        study.work.once("evaluate", task, item=model)


def network_executor(configuration: StudyConfiguration, tasks: int) -> AbstractContextManager[Executor]:
    """Where networks run: one after the other on a graphics card, else in as many processes as there are cores."""
    if configuration.run.device != "cpu":
        return local_executor(SERIAL)
    return local_executor(configuration.run.workers, tasks=tasks)


def _failed(study: Study, what: str, names: set[str]) -> str:
    reasons = "; ".join(str(absence.reason) for absence in study.work.absences if absence.name in names)
    return f"{what} failed for {', '.join(sorted(names))}: {reasons}"
