"""One training, and what is computed once for all of them, as tasks that any executor can run."""

import platform
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
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
    Part,
    Progress,
    ScanPictures,
    Split,
    TrainSettings,
    compute_logits,
    fit_temperature,
    keep_activations,
    keep_head_inputs,
    kept_inputs,
    make_dataset,
    slice_weights,
    train,
    write_split,
)
from stratacam.learning.augment import AugmentSettings
from stratacam.networks import ModelCard, find_head, frozen_prefix, initial_weights, make_network, save_model
from stratacam.study.keys import NOT_IN_KEY
from stratacam.study.runs import Run

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class FirstNetwork:
    """A network as it is before training.

    Attributes:
        architecture: name, or reference of a user's function.
        weights: where its weights start, see `stratacam.networks.initial_weights`.
        head: name of its classifier head; found if absent.
        classes: number of outputs.
        seed: of what is random in it.
        made_of: what its weights and its code are, wherever they lie; see `stratacam.networks.made_of`.
    """

    architecture: str = field(metadata=NOT_IN_KEY)
    weights: str = field(metadata=NOT_IN_KEY)
    head: str | None
    classes: int
    seed: int
    made_of: str

    def make(self) -> tuple[nn.Module, str]:
        """Make the network, and say where its weights come from."""
        model, source = _make(self)
        return deepcopy(model), source


@lru_cache(maxsize=1)
def _make(first: FirstNetwork) -> tuple[nn.Module, str]:
    """The network, made once in each worker."""
    pretrained = initial_weights(first.architecture, first.weights)
    model = make_network(first.architecture, first.classes, weights=pretrained or "none", seed=first.seed)
    return model, pretrained.source if pretrained else "random"


@dataclass(frozen=True)
class Frozen:
    """What is to be kept of every scan: outputs of frozen layers, and what the untrained head is fed.

    Attributes:
        first: the network.
        frozen: the layers.
        copies: augmented copies of each slice.
        augmentation: of these.
        seed: of the copies.
        folder: where it is kept.
        device: where to compute.
    """

    first: FirstNetwork
    frozen: tuple[str, ...]
    copies: int
    augmentation: AugmentSettings
    seed: int
    folder: Path
    device: str


def keep_scan(frozen: Frozen, scan: ScanPictures) -> None:
    """Keep the outputs of the frozen layers, and what the untrained head is fed, for one scan."""
    model, _ = _make(frozen.first)
    model.to(frozen.device)
    prefix, rest = frozen_prefix(model, frozen.frozen)
    keep_activations(
        prefix,
        scan,
        frozen.folder,
        copies=frozen.copies,
        augmentation=frozen.augmentation,
        seed=frozen.seed,
        device=frozen.device,
    )
    keep_head_inputs(rest, find_head(model, frozen.first.head)[1], scan, frozen.folder, device=frozen.device)


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
        classes=task.classes,
        input=dict(task.card),
        training={
            "initial_weights": source,
            "cohort": task.cohort,
            "subjects": subjects,
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
