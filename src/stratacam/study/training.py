"""One training as a task, and its predictions; of a classifier that is given, its predictions alone."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam.files import whole_file, write_json
from stratacam.learning import (
    PARTS,
    SLICES_OF_ONE_PERSON,
    AnySplit,
    Checkpoint,
    History,
    Part,
    Progress,
    ScanPictures,
    SliceDataset,
    Split,
    TrainSettings,
    cached_inputs,
    compute_logits,
    fit_temperature,
    make_dataset,
    slice_weights,
    train,
    write_split,
)
from stratacam.learning.air import change_by_air
from stratacam.networks import (
    ModelCard,
    config_of,
    frozen_prefix,
    is_elsewhere,
    save_model,
    source_named,
)
from stratacam.networks.cards import CARD, WEIGHTS
from stratacam.networks.given import GivenInput
from stratacam.networks.precision import Precision
from stratacam.networks.registry import beside
from stratacam.source_code import Entries
from stratacam.study.devices import computing_on, device_name
from stratacam.study.keys import NOT_IN_KEY, entries_used
from stratacam.study.planning import FirstNetwork
from stratacam.study.runs import Run

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class RunPredictions:
    """What a run predicted of the slices that it held out.

    Attributes:
        row: (n,) of the slices in the dataset of all pictures.
        logits: (n, K).
        temperature: fitted on the validation slices; logits over it are calibrated.
    """

    row: NDArray[np.int64]
    logits: NDArray[np.float64]
    temperature: float


def read_predictions(file: Path) -> RunPredictions:
    """Read the predictions that `Training` wrote."""
    with np.load(file) as content:
        return RunPredictions(content["row"], content["logits"], float(content["temperature"]))


@dataclass(frozen=True)
class Training:
    """One network trained on one split.

    Attributes:
        pictures: of every scan, held out or not, with the group that is to be learnt.
        work: folder of the checkpoint.
        out: folder of the model and its predictions.
        kept: folder of activations; None where none are kept.
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
    precision: Precision = "exact"

    @property
    def entries(self) -> Entries:
        return entries_used(architectures=[self.first.architecture])

    @property
    def outputs(self) -> list[Path]:
        names = [PREDICTIONS, "split.tsv", *([] if self.first.given else ["history.json"])]
        names += [WEIGHTS, CARD] if self.card is not None else []
        return [self.out / name for name in names]

    def do(self, progress: Progress = lambda *_: None) -> None:
        with computing_on(self.device, self.precision):
            self._train(progress)

    def _fit(self, model: nn.Module, parts: Mapping[Part, SliceDataset], progress: Progress) -> History:
        return train(
            model,
            parts["train"],
            parts["validation"],
            self.settings,
            seed=self.run.seed,
            checkpoint=Checkpoint(self.work / "checkpoint.pt", self.key),
            cached=self.kept,
            head=self.first.head,
            by_slice=self.split.unit == "slice",
            device=self.device,
            progress=progress,
        )

    def _train(self, progress: Progress) -> None:
        model, source = self.first.make()
        dataset = make_dataset(self.pictures, self.classes)
        rows = self.split.rows(dataset)
        parts = {part: dataset.take(rows[part]) for part in PARTS if len(rows[part])}
        history = None if self.first.given else self._fit(model, parts, progress)
        fed = frozen_prefix(model, self.settings.frozen or ())[1] if self.kept else model

        def logits_of(part: Part) -> NDArray[np.float64]:
            dataset = parts[part]
            read = (
                cached_inputs(fed, dataset, self.kept, copies=0).plain
                if self.kept
                else partial(dataset.read_for, model)
            )
            return compute_logits(fed, read, len(dataset), device=self.device)

        temperature = 1.0
        if history:
            validation = parts["validation"]
            temperature = fit_temperature(
                logits_of("validation"), validation.label, slice_weights(validation)
            )
        logits = logits_of("test")
        self.out.mkdir(parents=True, exist_ok=True)
        write_split(self.out / "split.tsv", self.split, dataset)
        if history:
            write_json(self.out / "history.json", history.as_json())
        with whole_file(self.out / PREDICTIONS) as temporary:
            np.savez(temporary, row=rows["test"], logits=logits, temperature=temperature)
        if self.card is None:
            return
        subjects = {
            part: list(getattr(self.split, part)) if isinstance(self.split, Split) else SLICES_OF_ONE_PERSON
            for part in PARTS
        }
        air = None
        if self.settings.guide:
            air = change_by_air(model, parts["test"], seed=self.run.seed, device=self.device).as_json()
        taken = [one.takes for one in model.children() if isinstance(one, GivenInput)]
        card = ModelCard(
            architecture=beside(self.first.architecture, self.out, self.out.resolve().parents[2]),
            head=self.first.head,
            channels=self.first.channels,
            brain=self.first.brain,
            dimensions=self.first.dimensions,
            fusion="late" if self.first.branches else "early",
            config=config_of(self.first.architecture) if is_elsewhere(self.first.architecture) else None,
            classes=self.classes,
            input={
                **self.card,
                **({"depth": dataset.depth} if dataset.depth else {}),
                **({"takes": taken[0]} if taken else {}),
            },
            training={
                "initial_weights": source,
                "run": self.run.name,
                "cohort": self.cohort,
                "subjects": subjects,
                "images": _parts_of_images(self.split, self.images),
                "settings": self.settings.model_dump(mode="json") if history else {},
                "best_epoch": history.best_epoch if history else None,
                "heat_outside": history.epochs[history.best_epoch - 1].heat_outside if history else None,
                "air": air,
                "temperature": temperature if history else None,
                "precision": self.precision,
                "device": device_name(self.device),
                "seed": self.run.seed,
                "fold": self.run.fold,
                "versions": {name: version(name) for name in _packages(self.first.architecture)},
                "python": platform.python_version(),
            },
        )
        save_model(self.out, model.cpu(), card)


def _packages(architecture: str) -> list[str]:
    """Packages whose versions a card names."""
    return [
        "stratacam",
        "torch",
        *([source_named(architecture).package] if is_elsewhere(architecture) else []),
    ]


def _parts_of_images(split: AnySplit, images: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Hash of each image to the part that it was in; slices of every image were trained on where slices were split."""
    part_of = split.part_of() if isinstance(split, Split) else dict.fromkeys(images, "train")
    return {digest: part_of[subject] for subject, digests in images.items() for digest in digests}
