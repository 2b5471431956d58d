"""What is to be trained: the cohort that is learnt from, and every run with its split and its frozen layers."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from stratacam.errors import InputError
from stratacam.learning import PARTS, AnySplit, ScanPictures, SplitSettings, TrainSettings, make_splits
from stratacam.networks import (
    default_frozen,
    default_weights,
    frozen_prefix,
    made_of,
    make_network,
    short_name,
)
from stratacam.scans.prepared import PreparedScan
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.first_network import FirstNetwork, Frozen, keep_scan
from stratacam.study.folders import StudyFolders
from stratacam.study.ledger import Task
from stratacam.study.network_check import frozen_here
from stratacam.study.runs import Run, models_of
from stratacam.study.study import Study


@dataclass(frozen=True)
class Cohort:
    """What is learnt from: pictures with their groups, the classes in order, and who stays together.

    Attributes:
        pictures: of every scan.
        classes: in the order of the outputs.
        clusters: subject to what it shares with those it stays together with.
        described: what a model's card tells of the scans, see `describe_scans`.
        images: by subject, the hashes of its images as delivered, by which a model knows whom it was trained on.
    """

    pictures: tuple[ScanPictures, ...]
    classes: tuple[str, ...]
    clusters: Mapping[str, str]
    described: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def labels(self) -> dict[str, str]:
        """Subject to the group of its first scan, by which subjects are shared out."""
        return first_groups([Member(scan.scan, scan.subject, scan.group) for scan in self.pictures])


class Member(NamedTuple):
    """A scan, whose it is, and its group."""

    scan: str
    subject: str
    group: str


def first_groups(members: Sequence[Member]) -> dict[str, str]:
    """Subject to the group of its first scan, by name."""
    first: dict[str, str] = {}
    for member in sorted(members):
        first.setdefault(member.subject, member.group)
    return first


def check_study(
    where: Path,
    members: Sequence[Member],
    split: SplitSettings,
    seeds: Sequence[int],
    clusters: Mapping[str, str],
) -> dict[str, str]:
    """Find whether a study can be run on scans; tried on the scans as found, and again on those that were prepared.

    Args:
        where: they are from.
        members: the scans that can be used.
        split: how subjects are shared out.
        seeds: of the splits.
        clusters: subject to what it shares with those it stays together with.

    Returns:
        By scan, why it must be left out: its group has too few subjects to be in every part.

    Raises:
        InputError: fewer than two groups remain, or the split cannot be made.
    """
    labels = first_groups(members)
    subjects = Counter(labels.values())
    groups = sorted({member.group for member in members})
    large = [group for group in groups if subjects[group] >= len(PARTS)]
    if len(large) < 2:
        found = ", ".join(f"{group} ({subjects[group]})" for group in groups) or "no group"
        raise InputError(
            f"{where}: found usable subjects of {found}; expected at least two groups of {len(PARTS)}, one subject "
            "each to train, validate and test: add subjects, merge groups, or mend what was left out."
        )
    usable = {subject: group for subject, group in labels.items() if group in large}
    for seed in seeds:
        make_splits(usable, split, seed=seed, clusters=clusters)
    return {
        member.scan: f"group {member.group} has {subjects[member.group]} usable subject(s), at least {len(PARTS)} are "
        "needed to train, validate and test; add subjects, or merge it with another group."
        for member in sorted(members)
        if member.group not in large
    }


def seeds_of(configuration: StudyConfiguration) -> range:
    """The seeds that every network is trained with."""
    return range(configuration.seed, configuration.seed + configuration.repeats)


def make_cohort(study: Study, pictures: Sequence[ScanPictures], clusters: Mapping[str, str]) -> Cohort:
    """Gather what is learnt from; leave out the groups that have too few subjects to be in every part.

    Raises:
        InputError: if no study can be run on it, see `check_study`.
    """
    configuration = study.configuration
    members = [Member(scan.scan, scan.subject, scan.group) for scan in pictures]
    small = check_study(
        configuration.cohort.input, members, configuration.split, seeds_of(configuration), clusters
    )
    for name, reason in small.items():
        study.work.leave_out(name, "split", reason)
    used = tuple(scan for scan in pictures if scan.scan not in small)
    found = {scan.group for scan in used}
    wanted = configuration.cohort.groups or sorted(found)
    return Cohort(used, tuple(group for group in wanted if group in found), clusters)


def describe_scans(cohort: Cohort, prepared: Sequence[PreparedScan]) -> Cohort:
    """Add what models must know of the scans: the hashes of the images, and the edges of voxels.

    Edges (right, anterior, superior) are the smallest and the largest over the scans: of voxels as prepared
    ("voxels_mm"), and by sequence as delivered ("delivered_mm").
    """
    learnt = {scan.scan for scan in cohort.pictures}
    scans = [scan for scan in prepared if scan.name in learnt]
    images: dict[str, tuple[str, ...]] = {}
    delivered: dict[str, list[tuple[float, ...]]] = {}
    for scan in scans:
        subject = f"sub-{scan.subject}"
        images[subject] = (*images.get(subject, ()), *scan.read_record().get("Voxels", {}).values())
        for sequence in scan.sequences:
            delivered.setdefault(sequence, []).append(scan.delivered_grid(sequence).voxel_mm)
    described = {
        "voxels_mm": _extremes([scan.voxel_mm for scan in scans]),
        "delivered_mm": {sequence: _extremes(edges) for sequence, edges in delivered.items()},
    }
    return replace(cohort, described=described, images=images)


def _extremes(edges: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The smallest and the largest along each axis."""
    axes = list(zip(*edges, strict=True))
    return tuple(map(min, axes)), tuple(map(max, axes))


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
        pretrained = chosen != "none"
        settings = configuration.training.for_weights(
            pretrained=pretrained, frozen=default_frozen(model.network, pretrained=pretrained)
        )
        classes, channels = len(cohort.classes), configuration.channels
        made = made_of(model.network, classes, channels=channels, weights=chosen, seed=model.seed)
        first = FirstNetwork(model.network, chosen, network.head, classes, channels, model.seed, made)
        untrained = make_network(model.network, classes, channels=channels, weights="none")
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
