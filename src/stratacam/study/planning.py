"""What is to be trained: the cohort that is learnt from, and every run with its split and its frozen layers."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from stratacam.errors import InputError
from stratacam.learning import PARTS, AnySplit, ScanPictures, SplitSettings, TrainSettings, make_splits
from stratacam.networks import default_weights, frozen_prefix, made_of, make_network
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.first_network import FirstNetwork, Frozen, keep_scan
from stratacam.study.folders import StudyFolders
from stratacam.study.ledger import Task
from stratacam.study.network_check import frozen_here
from stratacam.study.runs import Run, models_of, short_name
from stratacam.study.study import Study


@dataclass(frozen=True)
class Cohort:
    """What is learnt from: pictures with their groups, the classes in order, and who stays together.

    Attributes:
        pictures: of every scan.
        classes: in the order of the outputs.
        clusters: subject to what it shares with those it stays together with.
        voxels_mm: the smallest and the largest edges of the prepared scans' voxels (right, anterior, superior).
    """

    pictures: tuple[ScanPictures, ...]
    classes: tuple[str, ...]
    clusters: Mapping[str, str]
    voxels_mm: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def labels(self) -> dict[str, str]:
        """Subject to the group of its first scan, by which subjects are shared out."""
        first: dict[str, str] = {}
        for scan in sorted(self.pictures, key=lambda scan: scan.scan):
            first.setdefault(scan.subject, scan.group)
        return first


def make_cohort(study: Study, pictures: Sequence[ScanPictures], clusters: Mapping[str, str]) -> Cohort:
    """Gather what is learnt from; leave out the groups that have too few subjects to be in every part.

    Raises:
        InputError: if fewer than two groups remain.
    """
    everybody = Cohort(tuple(pictures), (), clusters)
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
    return Cohort(used, classes, clusters)


def check_split(
    configuration: StudyConfiguration, labels: Mapping[str, str], clusters: Mapping[str, str]
) -> None:
    """Try the split on the subjects as they were found, before any is prepared; groups too small are passed over.

    Args:
        configuration: of the study.
        labels: subject to group.
        clusters: subject to what it shares with those it stays together with.

    Raises:
        InputError: the split cannot be made.
    """
    sizes = Counter(labels.values())
    usable = {subject: group for subject, group in labels.items() if sizes[group] >= len(PARTS)}
    if len(set(usable.values())) > 1:
        make_splits(usable, configuration.split, seed=configuration.seed, clusters=clusters)


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
        made = made_of(model.network, len(cohort.classes), weights=chosen, seed=model.seed)
        first = FirstNetwork(model.network, chosen, network.head, len(cohort.classes), model.seed, made)
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


def _kept_folder(
    folders: StudyFolders, first: FirstNetwork, settings: TrainSettings, seed: int, untrained: nn.Module
) -> Path | None:
    """Where the outputs of the frozen layers are kept; None where there are none to keep."""
    if not settings.keep_activations or not settings.frozen:
        return None
    if not len(frozen_prefix(untrained, settings.frozen)[0]):
        return None
    content = [
        first.made_of,
        first.seed if first.weights == "none" else None,
        first.head,
        settings.model_dump(mode="json", include={"frozen", "copies", "augmentation"}),
        seed,
    ]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
    return folders.activations / f"{short_name(first.architecture)}-{digest}"


def frozen_task(
    study: Study, plan: Planned, scan: ScanPictures, *, folder: Path, augmented: bool = True
) -> Task:
    """The task that keeps what the frozen layers of a run give for one scan.

    It is the same for every run whose frozen layers are the same.
    """
    configuration, first, settings = study.configuration, plan.first, plan.settings
    if first.weights != "none":
        first = replace(first, seed=0, classes=2)  # of the head, which is not frozen
    frozen = Frozen(
        first=first,
        frozen=settings.frozen or (),
        copies=settings.copies if augmented else 0,
        augmentation=settings.augmentation,
        seed=configuration.seed,
        folder=folder,
        device=configuration.run.device,
    )
    outputs = [folder / f"{scan.scan}.npy", folder / f"{scan.scan}_head.npy"]
    return study.work.task(keep_scan, frozen, scan, outputs=outputs)
