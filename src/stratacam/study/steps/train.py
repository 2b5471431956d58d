"""Training: every network, seed and fold is a task."""

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stratacam.files import read_json, whole_file, write_json
from stratacam.learning import (
    PARTS,
    SLICES_OF_ONE_PERSON,
    AnySplit,
    Checkpoint,
    Part,
    Progress,
    ScanPictures,
    Split,
    TrainSettings,
    compute_logits,
    fit_temperature,
    kept_inputs,
    make_dataset,
    slice_weights,
    train,
    write_split,
)
from stratacam.networks import ModelCard, frozen_prefix, save_model
from stratacam.networks.saved import CARD, WEIGHTS
from stratacam.study.cache import Entry
from stratacam.study.cohort import Cohort
from stratacam.study.keys import NOT_IN_KEY
from stratacam.study.planning import FirstNetwork, Planned
from stratacam.study.progress import say, step_progress
from stratacam.study.runs import Run, TrainedRun
from stratacam.study.steps.activations import compute_activations
from stratacam.study.study import Study

EARLIER = "earlier"
"""Folder of models that were trained in another way."""

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class RunPredictions:
    """What a run predicted of the slices it held out.

    Attributes:
        row: (n,) of the slices in the dataset of all pictures.
        logits: (n, K).
        temperature: fitted on the validation slices; logits over it are calibrated.
    """

    row: NDArray[np.int64]
    logits: NDArray[np.float64]
    temperature: float


def read_predictions(file: Path) -> RunPredictions:
    """Read the predictions that `train_run` wrote."""
    with np.load(file) as content:
        return RunPredictions(content["row"], content["logits"], float(content["temperature"]))


@dataclass(frozen=True)
class Training:
    """Everything that one training needs.

    Attributes:
        run: network, seed and fold.
        first: the network before training.
        pictures: of every scan, held out or not, with the group that is to be learnt.
        classes: in the order of the outputs.
        split: who is in which part.
        settings: of training.
        device: where to compute.
        work: folder of the checkpoint.
        out: folder of the model and its predictions.
        kept: folder of kept activations; None where none are kept.
        card: what the model's card says of the input; None: only the predictions are kept, not the model.
        images: by subject, the hashes of its images, for the card.
        cohort: its name, for the card.
        key: of everything else, by which a checkpoint is known.
    """

    run: Run
    first: FirstNetwork
    pictures: tuple[ScanPictures, ...]
    classes: tuple[str, ...]
    split: AnySplit
    settings: TrainSettings
    device: str
    work: Path = field(metadata=NOT_IN_KEY)
    out: Path
    kept: Path | None
    card: Mapping[str, Any] | None
    images: Mapping[str, Sequence[str]]
    cohort: str = field(metadata=NOT_IN_KEY)
    key: str = field(default="", metadata=NOT_IN_KEY)

    @property
    def outputs(self) -> list[Path]:
        names = (
            PREDICTIONS,
            "split.tsv",
            "history.json",
            *((WEIGHTS, CARD) if self.card is not None else ()),
        )
        return [self.out / name for name in names]

    def do(self, progress: Progress = lambda *_: None) -> None:
        model, source = self.first.make()
        dataset = make_dataset(self.pictures, self.classes)
        rows = self.split.rows(dataset)
        parts = {part: dataset.take(rows[part]) for part in PARTS}
        history = train(
            model,
            parts["train"],
            parts["validation"],
            self.settings,
            seed=self.run.seed,
            checkpoint=Checkpoint(self.work / "checkpoint.pt", self.key),
            kept=self.kept,
            head=self.first.head,
            by_slice=self.split.unit == "slice",
            device=self.device,
            progress=progress,
        )
        fed = frozen_prefix(model, self.settings.frozen or ())[1] if self.kept else model

        def logits_of(part: Part) -> NDArray[np.float64]:
            dataset = parts[part]
            read = kept_inputs(dataset, self.kept, copies=0).plain if self.kept else dataset.read
            return compute_logits(fed, read, len(dataset), device=self.device)

        validation = parts["validation"]
        temperature = fit_temperature(logits_of("validation"), validation.label, slice_weights(validation))
        logits = logits_of("test")
        self.out.mkdir(parents=True, exist_ok=True)
        write_split(self.out / "split.tsv", self.split, dataset)
        write_json(self.out / "history.json", history.as_json())
        with whole_file(self.out / PREDICTIONS) as temporary:
            np.savez(temporary, row=rows["test"], logits=logits, temperature=temperature)
        if self.card is None:
            return
        subjects = {
            part: list(getattr(self.split, part)) if isinstance(self.split, Split) else SLICES_OF_ONE_PERSON
            for part in PARTS
        }
        card = ModelCard(
            architecture=self.first.architecture,
            head=self.first.head,
            classes=self.classes,
            input=dict(self.card),
            training={
                "initial_weights": source,
                "run": self.run.name,
                "cohort": self.cohort,
                "subjects": subjects,
                "images": _parts_of_images(self.split, self.images),
                "settings": self.settings.model_dump(mode="json"),
                "best_epoch": history.best_epoch,
                "temperature": temperature,
                "seed": self.run.seed,
                "fold": self.run.fold,
                "versions": {name: version(name) for name in ("stratacam", "torch")},
                "python": platform.python_version(),
            },
        )
        save_model(self.out, model.cpu(), card)


def _parts_of_images(split: AnySplit, images: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Hash of each image to the part that it was in; slices of every image were trained on where slices were split."""
    part_of = split.part_of() if isinstance(split, Split) else dict.fromkeys(images, "train")
    return {digest: part_of[subject] for subject, digests in images.items() for digest in digests}


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
        device=study.configuration.run.device,
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
    """Do the trainings that are not done yet, as many at once as there are cores.

    Args:
        study: that they belong to.
        cohort: whose activations they read.
        plans: by name.
        entries: the same trainings in the cache.
        step: they are of.

    Raises:
        InputError: one of them failed.
    """
    work = study.work
    pending = [plans[name] for name, entry in entries.items() if not work.cache.is_done(step, name, entry)]
    compute_activations(study, cohort, pending)
    if len(entries) > 1:
        done = work.do(step, entries, networks=True)
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
        "normalisation": configuration.prepare.model_dump(mode="json"),
        "shape": list(make_dataset(cohort.pictures[:1], cohort.classes).read([0]).shape[-2:]),
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
    if wanted.is_dir():
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
