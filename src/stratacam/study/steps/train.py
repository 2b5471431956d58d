"""Every network, seed and fold is trained once; models of other settings are kept."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from stratacam.files import read_json, write_json
from stratacam.learning import Split
from stratacam.networks.cards import CARD
from stratacam.study.cache import Entry
from stratacam.study.cohort import Cohort
from stratacam.study.part import StepDoneError
from stratacam.study.planning import Planned
from stratacam.study.progress import say, step_progress
from stratacam.study.runs import TrainedRun
from stratacam.study.steps.activations import compute_activations
from stratacam.study.study import Study
from stratacam.study.training import Training

EARLIER = "earlier"
"""Folder of models that were trained in another way."""


def train_runs(study: Study, cohort: Cohort, planned: Sequence[Planned]) -> None:
    """Train every run that is not done yet.

    A model that was trained in another way is kept in `models/earlier`.

    Raises:
        InputError: a training failed.
    """
    folders, work = study.folders, study.work
    plans = {plan.run.name: plan for plan in planned}
    entries = {}
    for name, plan in plans.items():
        entries[name] = model_of(study, cohort, plan)
        if study.work.only is None or (study.work.only.is_of("train") and study.work.only.has(name)):
            _keep_earlier(study, name, entries[name], folders.models / name)
    do_trainings(study, cohort, plans, entries)
    for name, entry in entries.items():
        _rename_cohort(study, name, entry)
        work.cache.is_made(entry.key, folders.models / name)
    trained = [
        TrainedRun(plan.run, plan.split.test if isinstance(plan.split, Split) else ()) for plan in planned
    ]
    content = {"runs": [run.as_json() for run in trained]}
    if read_json(folders.runs) != content:
        write_json(folders.runs, content)
    others = sorted({path.parent.name for path in folders.models.glob(f"*/{CARD}")} - set(entries))
    if others:
        say(
            work.console,
            f"train: {folders.models} holds models of other settings too ({', '.join(others[:3])}"
            f"{' ...' if len(others) > 3 else ''}); {folders.runs.name} lists those of this study.",
            "yellow",
        )


def model_of(study: Study, cohort: Cohort, plan: Planned) -> Entry:
    """The training of one of the study's models."""
    name = plan.run.name
    return training_of(
        study, cohort, plan, name=name, out=study.folders.models / name, card=_card_of(study, cohort)
    )


def training_of(
    study: Study,
    cohort: Cohort,
    plan: Planned,
    *,
    name: str,
    out: Path,
    card: Mapping[str, Any] | None = None,
) -> Entry:
    """The training of one run into `out`."""
    cache = study.work.cache
    if plan.kept:
        cache.is_made(plan.kept.name, plan.kept)
    training = Training(
        run=plan.run,
        first=plan.first,
        pictures=cohort.pictures,
        classes=cohort.classes,
        split=plan.split,
        settings=plan.settings,
        device=study.device,
        precision=study.configuration.run.precision,
        work=study.folders.work / name,
        out=out,
        kept=plan.kept,
        card=card,
        images=cohort.images if card else {},
        cohort=study.configuration.name,
    )
    entry = cache.entry(training)
    return replace(entry, task=replace(training, key=entry.key))


def do_trainings(
    study: Study,
    cohort: Cohort,
    plans: Mapping[str, Planned],
    entries: Mapping[str, Entry],
    step: str = "train",
) -> None:
    """Do the trainings that are not done yet, as many at once as there are cores; one by itself in this process.

    All run in the user's executor, where there is one. Plans and their entries in the cache go by the same names;
    `cohort` is that whose activations they read.

    Raises:
        InputError: one of them failed.
    """
    work = study.work
    pending = [plans[name] for name, entry in entries.items() if not work.cache.is_done(step, name, entry)]
    compute_activations(study, cohort, pending)
    if len(entries) > 1 or work.workers.elsewhere or work.only:
        done = work.do(step, entries, networks=True)
        if study.work.only and study.work.only.is_of(step):
            raise StepDoneError
        if set(entries) - done:
            raise study.failed("the training", set(entries) - done)
        return
    for name, entry in entries.items():
        with step_progress(work.console, step) as advance:
            work.once(step, entry, item=name, do=partial(cast("Training", entry.task).do, advance))


def _card_of(study: Study, cohort: Cohort) -> dict[str, Any]:
    """What a model's card says of its input."""
    configuration = study.configuration
    pictures = configuration.pictures.model_dump(mode="json")
    return {
        **pictures,
        "sequences": pictures["sequences"] or configuration.cohort.sequences,
        "prepared": configuration.cohort.sequences,
        **cohort.described,
        "range": [0, 1],
        "normalisation": configuration.prepare.of(configuration.cohort.sequences).model_dump(mode="json"),
    }


def _keep_earlier(study: Study, name: str, entry: Entry, folder: Path) -> None:
    """Where another model is to be trained under the same name, keep the one that is there; bring back a kept one."""
    cache = study.work.cache
    before = cache.key_of("train", name)
    if before == entry.key:
        return
    kept, wanted = (folder.parent / EARLIER / f"{name}-{key[:8]}" for key in (before or "unknown", entry.key))
    if (folder / CARD).is_file():
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        folder.rename(kept)
        say(
            study.work.console,
            f"train: the model {name} that was trained before is now in {kept}; remove it if it is not needed.",
            "yellow",
        )
    if wanted.is_dir() and not cache.is_forgotten("train", name):
        shutil.rmtree(folder, ignore_errors=True)
        wanted.rename(folder)
        cache.finish("train", name, entry)


def _rename_cohort(study: Study, name: str, entry: Entry) -> None:
    """Where the study has another name now, put it into the model's card: nothing is trained for that."""
    path = study.folders.models / name / CARD
    card = read_json(path)
    if card["training"]["cohort"] != study.configuration.name:
        write_json(path, {**card, "training": {**card["training"], "cohort": study.configuration.name}})
        study.work.cache.finish("train", name, entry)
