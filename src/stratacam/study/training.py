"""One training, and what is computed once for all of them, as tasks that any executor can run."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stratacam.files import whole_file, write_json
from stratacam.learning import (
    PARTS,
    SLICES_OF_ONE_PERSON,
    AnySplit,
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
from stratacam.study.first_network import FirstNetwork
from stratacam.study.keys import NOT_IN_KEY
from stratacam.study.predictions import PREDICTIONS
from stratacam.study.runs import Run


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
        work: folder of checkpoints.
        out: folder of the model and its predictions.
        kept: folder of kept activations; None where none are kept.
        card: what the model's card says of the input; None: only the predictions are kept, not the model.
        images: by subject, the hashes of its images, for the card.
        cohort: its name, for the card.
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
    kept: Path | None = None
    card: Mapping[str, Any] | None = field(default=None, compare=False)
    images: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False)
    cohort: str = field(default="", metadata=NOT_IN_KEY)


def train_run(task: Training, key: str, progress: Progress = lambda *_: None) -> None:
    """Train one network; write its predictions for the slices held out, its history and split, and the model.

    Args:
        task: what is trained.
        key: of everything that decides the result; a checkpoint that was left under another one is not used.
        progress: told how far training is.
    """
    model, source = task.first.make()
    dataset = make_dataset(task.pictures, task.classes)
    rows = task.split.rows(dataset)
    parts = {part: dataset.take(rows[part]) for part in PARTS}
    history = train(
        model,
        parts["train"],
        parts["validation"],
        task.settings,
        seed=task.run.seed,
        work=task.work,
        key=key,
        kept=task.kept,
        head=task.first.head,
        by_slice=task.split.unit == "slice",
        device=task.device,
        progress=progress,
    )
    fed = frozen_prefix(model, task.settings.frozen or ())[1] if task.kept else model

    def logits_of(part: Part) -> NDArray[np.float64]:
        dataset = parts[part]
        read = kept_inputs(dataset, task.kept, copies=0).plain if task.kept else dataset.read
        return compute_logits(fed, read, len(dataset), device=task.device)

    validation = parts["validation"]
    temperature = fit_temperature(logits_of("validation"), validation.label, slice_weights(validation))
    logits = logits_of("test")
    task.out.mkdir(parents=True, exist_ok=True)
    write_split(task.out / "split.tsv", task.split, dataset)
    write_json(task.out / "history.json", history.as_json())
    with whole_file(task.out / PREDICTIONS) as temporary:
        np.savez(temporary, row=rows["test"], logits=logits, temperature=temperature)
    if task.card is None:
        return
    subjects = {
        part: list(getattr(task.split, part)) if isinstance(task.split, Split) else SLICES_OF_ONE_PERSON
        for part in PARTS
    }
    card = ModelCard(
        architecture=task.first.architecture,
        head=task.first.head,
        channels=task.first.channels,
        classes=task.classes,
        input=dict(task.card),
        training={
            "initial_weights": source,
            "run": task.run.name,
            "cohort": task.cohort,
            "subjects": subjects,
            "images": _parts_of_images(task.split, task.images),
            "settings": task.settings.model_dump(mode="json"),
            "best_epoch": history.best_epoch,
            "temperature": temperature,
            "seed": task.run.seed,
            "fold": task.run.fold,
            "versions": {name: version(name) for name in ("stratacam", "torch")},
            "python": platform.python_version(),
        },
    )
    save_model(task.out, model.cpu(), card)


def _parts_of_images(split: AnySplit, images: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Hash of each image to the part that it was in; slices of every image were trained on where slices were split."""
    part_of = split.part_of() if isinstance(split, Split) else dict.fromkeys(images, "train")
    return {digest: part_of[subject] for subject, digests in images.items() for digest in digests}
