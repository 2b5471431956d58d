"""Steps that are one for the whole cohort: train and evaluate."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.learning import (
    PARTS,
    ScanPictures,
    Split,
    evaluate,
    make_datasets,
    predict,
    split_subjects,
    train,
    write_evaluation,
    write_split,
)
from stratacam.networks import ModelCard, build, convolution_names, find_pretrained, load_model, save_model
from stratacam.networks.saved import CARD, WEIGHTS
from stratacam.study.progress import step_progress
from stratacam.study.study import Study


def leave_out_small_groups(study: Study, pictures: Sequence[ScanPictures]) -> list[ScanPictures]:
    """Leave out the groups that have too few subjects to train on, validate and test.

    Raises:
        InputError: if fewer than two groups remain.
    """
    members: dict[str, set[str]] = {scan.group: set() for scan in pictures}
    for subject, group in _first_groups(pictures).items():
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
    return [scan for scan in pictures if scan.group not in small]


def train_model(
    study: Study, pictures: Sequence[ScanPictures], keys: Mapping[str, str]
) -> tuple[Split, tuple[str, ...], str]:
    """Split the subjects, train and save the model; return the split, the classes, and the key of the work."""
    configuration, folder = study.configuration, study.folders.model
    labels = _first_groups(pictures)
    present = {scan.group for scan in pictures}
    classes = tuple(group for group in configuration.cohort.groups or sorted(present) if group in present)
    split = split_subjects(labels, configuration.split, seed=configuration.seed)
    key = study.work.ledger.key(
        "train",
        {
            "groups": {scan.scan: scan.group for scan in pictures},
            "classes": classes,
            "pictures": {scan.scan: keys[scan.scan] for scan in pictures},
            **configuration.model_dump(mode="json", include={"seed", "split", "training", "network"}),
            "device": configuration.run.device,
        },
        _weight_files(configuration.network.weights),
    )

    def work() -> None:
        architecture = configuration.network.architecture
        pretrained = find_pretrained(
            architecture, convolution_names(architecture), configuration.network.weights
        )
        model = build(architecture, len(classes), weights=pretrained or "none", seed=configuration.seed)
        datasets = make_datasets(pictures, split, classes)
        with step_progress(study.work.console, "train") as advance:
            history = train(
                model,
                datasets["train"],
                datasets["validation"],
                configuration.training,
                seed=configuration.seed,
                work=study.folders.work,
                device=configuration.run.device,
                progress=advance,
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_split(folder / "split.tsv", split, labels)
        write_json(folder / "history.json", history.as_json())
        card = ModelCard(
            architecture=architecture,
            classes=classes,
            input={
                "sequences": configuration.cohort.sequences,
                "range": [0, 1],
                "normalisation": configuration.prepare.model_dump(mode="json"),
                **configuration.pictures.model_dump(mode="json"),
                "shape": list(datasets["train"].read([0]).shape[-2:]),
            },
            training={
                "initial_weights": pretrained.source if pretrained else "random",
                "cohort": configuration.name,
                "subjects": {part: list(getattr(split, part)) for part in PARTS},
                "settings": configuration.training.model_dump(mode="json"),
                "best_epoch": history.best_epoch,
                "seed": configuration.seed,
                "versions": {name: version(name) for name in ("stratacam", "torch")},
                "python": platform.python_version(),
            },
        )
        save_model(folder, model.cpu(), card)

    outputs = [folder / WEIGHTS, folder / CARD, folder / "split.tsv", folder / "history.json"]
    study.work.once("train", key, outputs, work)
    return split, classes, key


def evaluate_model(
    study: Study, pictures: Sequence[ScanPictures], split: Split, classes: tuple[str, ...], model_key: str
) -> str:
    """Score the saved model on the subjects held out; return the key of the work."""
    key = study.work.ledger.key("evaluate", model_key)
    folder = study.folders.evaluation

    def work() -> None:
        model, _ = load_model(study.folders.model)
        held_out = make_datasets(pictures, split, classes)["test"]
        with step_progress(study.work.console, "evaluate") as advance:
            probabilities = predict(model, held_out, device=study.configuration.run.device, progress=advance)
        write_evaluation(
            folder, evaluate(held_out, probabilities, seed=study.configuration.seed), part="test"
        )

    study.work.once("evaluate", key, [folder / "metrics.json"], work)
    return key


def _first_groups(pictures: Sequence[ScanPictures]) -> dict[str, str]:
    """Subject to the group of its first scan, by which subjects are shared out."""
    first: dict[str, str] = {}
    for scan in sorted(pictures, key=lambda scan: scan.scan):
        first.setdefault(scan.subject, scan.group)
    return first


def _weight_files(weights: str) -> list[Path]:
    """The named weights file as an input of training; what "imagenet" means is fixed by its hashes."""
    if weights in {"imagenet", "none"}:
        return []
    if not Path(weights).is_file():
        raise InputError(f"network.weights: {weights} is not a file; name one, or imagenet, or none.")
    return [Path(weights)]
