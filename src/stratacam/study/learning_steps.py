"""Steps that learn: split, keep what frozen layers give, train every run, evaluate, and compare with baselines."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.learning import (
    PARTS,
    SLICES_OF_ONE_PERSON,
    AnySplit,
    ScanPictures,
    Split,
    SplitSettings,
    TrainSettings,
    apply_temperature,
    evaluate,
    make_dataset,
    make_splits,
    write_evaluation,
)
from stratacam.networks import (
    ModelCard,
    default_weights,
    frozen_prefix,
    is_reference,
    load_model,
    make_network,
    source_file,
)
from stratacam.networks.saved import CARD, WEIGHTS
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.execution import local_executor
from stratacam.study.folders import StudyFolders
from stratacam.study.network_check import frozen_here
from stratacam.study.progress import step_progress
from stratacam.study.runs import Run, TrainedRun, models_of, short_name
from stratacam.study.study import Study
from stratacam.study.training import (
    PREDICTIONS,
    FirstNetwork,
    Frozen,
    Training,
    keep_scan,
    read_predictions,
    train_run,
)
from stratacam.study.work import Task

SERIAL = 1


@dataclass(frozen=True)
class Cohort:
    """What is learnt from: pictures with their groups, the classes in order, and who stays together.

    Attributes:
        pictures: of every scan.
        keys: by scan, the key of the work that cut its pictures.
        classes: in the order of the outputs.
        clusters: subject to what it shares with those it stays together with.
    """

    pictures: tuple[ScanPictures, ...]
    keys: Mapping[str, str]
    classes: tuple[str, ...]
    clusters: Mapping[str, str]

    def labels(self) -> dict[str, str]:
        """Subject to the group of its first scan, by which subjects are shared out."""
        first: dict[str, str] = {}
        for scan in sorted(self.pictures, key=lambda scan: scan.scan):
            first.setdefault(scan.subject, scan.group)
        return first


def make_cohort(
    study: Study, pictures: Sequence[ScanPictures], keys: Mapping[str, str], clusters: Mapping[str, str]
) -> Cohort:
    """Gather what is learnt from; leave out the groups that have too few subjects to be in every part.

    Raises:
        InputError: if fewer than two groups remain.
    """
    everybody = Cohort(tuple(pictures), keys, (), clusters)
    members: dict[str, set[str]] = {scan.group: set() for scan in pictures}
    for subject, group in everybody.labels().items():
        members[group].add(subject)
    small = {group: subjects for group, subjects in members.items() if len(subjects) < len(PARTS)}
    for group, subjects in sorted(small.items()):
        for name in sorted(scan.scan for scan in pictures if scan.group == group):
            study.work.leave_out(
                name,
                "split",
                f"group {group} has {len(subjects)} usable subject(s), at least {len(PARTS)} are needed to train, "
                "validate and test; add subjects, or merge it with another group.",
            )
    if len(members) - len(small) < 2:
        found = (
            ", ".join(f"{group} ({len(subjects)})" for group, subjects in sorted(members.items())) or "none"
        )
        raise InputError(
            f"{study.configuration.cohort.input}: at least two groups of {len(PARTS)} usable subjects are needed; "
            f"there are: {found}. See {study.folders.left_out} for what was left out and why."
        )
    wanted = study.configuration.cohort.groups or sorted(members)
    classes = tuple(group for group in wanted if group in members and group not in small)
    used = tuple(scan for scan in pictures if scan.group not in small)
    return Cohort(used, keys, classes, clusters)


@dataclass(frozen=True)
class Planned:
    """A run that is to be done, or is done already.

    Attributes:
        run: network, seed and fold.
        first: the network before training.
        settings: of training, with what depends on the network filled in.
        split: who is in which part.
        kept: folder of what its frozen layers give; None where nothing is kept.
    """

    run: Run
    first: FirstNetwork
    settings: TrainSettings
    split: AnySplit
    kept: Path | None


def plan_runs(
    configuration: StudyConfiguration,
    folders: StudyFolders,
    cohort: Cohort,
    split: SplitSettings,
    *,
    kept_seed: int | None = None,
) -> list[Planned]:
    """Every training of a study: for each network and seed one, or one for each fold.

    Args:
        configuration: of the study.
        folders: of the study.
        cohort: what is learnt from.
        split: how it is shared out.
        kept_seed: of the augmented copies whose activations are kept; the study's own if absent.

    Raises:
        InputError: the split, the layers to freeze or the network do not suit.
    """
    planned = []
    for model in models_of(configuration):
        network = configuration.network
        chosen = default_weights(model.network) if network.weights == "default" else network.weights
        settings = configuration.training.for_weights(pretrained=chosen != "none")
        first = FirstNetwork(model.network, chosen, network.head, len(cohort.classes), model.seed)
        untrained = make_network(model.network, first.classes, weights="none")
        alone = len(network.architectures) == 1
        frozen = frozen_here(untrained, settings.frozen or (), alone=alone)
        settings = settings.model_copy(update={"frozen": frozen})
        seed = configuration.seed if kept_seed is None else kept_seed
        kept = _kept_folder(folders, first, settings, seed, untrained)
        splits = make_splits(cohort.labels(), split, seed=model.seed, clusters=cohort.clusters)
        for number, part in enumerate(splits, start=1):
            run = Run(model.network, model.seed, number if len(splits) > 1 else 0)
            planned.append(Planned(run, first, settings, part, kept))
    return planned


def keep_frozen(study: Study, cohort: Cohort, planned: Sequence[Planned]) -> None:
    """Keep, for every scan, what the frozen layers of the runs give.

    Raises:
        InputError: a scan failed, without which nothing can be trained.
    """
    configuration = study.configuration
    by_folder = {plan.kept: plan for plan in planned if plan.kept}
    for folder, plan in by_folder.items():
        frozen = Frozen(plan.first, plan.settings, configuration.seed, folder, configuration.run.device)
        settings = _frozen_settings(plan.first, plan.settings, configuration.seed)
        tasks = {}
        for scan in cohort.pictures:
            key = study.work.ledger.key(
                "activations", [settings, cohort.keys[scan.scan]], _sources(plan.first)
            )
            outputs = (folder / f"{scan.scan}.npy", folder / f"{scan.scan}_head.npy")
            tasks[scan.scan] = Task((frozen, scan), key, outputs)
        with _executor(configuration, len(tasks)) as executor:
            done = study.work.each(f"activations {folder.name}", keep_scan, tasks, executor)
        if set(tasks) - done:
            raise InputError(_failed(study, "the frozen layers of the network", set(tasks) - done))


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
        "input": {
            **pictures,
            "sequences": pictures["sequences"] or configuration.cohort.sequences,
            "prepared": configuration.cohort.sequences,
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
    write_json(folders.runs, {"runs": [run.as_json() for run in trained]})
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
        _sources(plan.first),
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
    with _executor(configuration, len(tasks)) as executor:
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


def load_trained(study: Study, run: Run) -> tuple[Any, ModelCard]:
    """The model of a run, and its card."""
    return load_model(study.folders.models / run.name, network_argument(run.network))


def network_argument(network: str) -> str | None:
    """What `load_model` must be told: the reference of a network that the user wrote and named in the study."""
    return network if is_reference(network) else None


def _executor(configuration: StudyConfiguration, tasks: int) -> AbstractContextManager[Executor]:
    """Where networks run: one after the other on a graphics card, else in as many processes as there are cores."""
    if configuration.run.device != "cpu":
        return local_executor(SERIAL)
    return local_executor(configuration.run.workers, tasks=tasks)


def _kept_folder(
    folders: StudyFolders, first: FirstNetwork, settings: TrainSettings, seed: int, untrained: nn.Module
) -> Path | None:
    """Where the outputs of the frozen layers are kept; None where there are none to keep."""
    if not settings.keep_activations or not settings.frozen:
        return None
    if not len(frozen_prefix(untrained, settings.frozen)[0]):
        return None
    content = _frozen_settings(first, settings, seed)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    return folders.activations / f"{short_name(first.architecture)}-{digest}"


def _frozen_settings(first: FirstNetwork, settings: TrainSettings, seed: int) -> dict[str, Any]:
    """What decides the outputs of frozen layers; the seed of the weights only where they are random."""
    return {
        "architecture": first.architecture,
        "weights": first.weights,
        "weights_seed": first.seed if first.weights == "none" else None,
        "head": first.head,
        "training": settings.model_dump(mode="json", include={"frozen", "copies", "augmentation"}),
        "seed": seed,
    }


def _sources(first: FirstNetwork) -> list[Path]:
    """Files that the network is made of: weights that the user named, and the user's own code."""
    files = [] if first.weights in {"imagenet", "none"} else [Path(first.weights)]
    for file in files:
        if not file.is_file():
            raise InputError(f"network.weights: {file} is not a file; name one, or imagenet, or none.")
    return [*files, *([source_file(first.architecture)] if is_reference(first.architecture) else [])]


def _failed(study: Study, what: str, names: set[str]) -> str:
    reasons = "; ".join(str(absence.reason) for absence in study.work.absences if absence.name in names)
    return f"{what} failed for {', '.join(sorted(names))}: {reasons}"
