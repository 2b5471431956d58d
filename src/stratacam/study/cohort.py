"""What is learnt from: pictures with their groups, and whether a study can be run on them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from stratacam.errors import InputError
from stratacam.learning import PARTS, ScanPictures, SplitSettings, make_splits
from stratacam.learning.baselines.simple import Harmonise
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.people import read_people
from stratacam.scans.cohort.spelling import check_spelling
from stratacam.scans.frame import Frame
from stratacam.scans.prepared import PreparedScan
from stratacam.study.configuration import StudyConfiguration
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

    `where` the scans are from is named in messages; `clusters` is subject to what it shares with those it stays
    together with.

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
    for seed in sorted({split.seed_for(seed, seeds[0]) for seed in seeds}):
        make_splits(usable, split, seed=seed, clusters=clusters)
    return {
        member.scan: f"group {member.group} has {subjects[member.group]} usable subject(s), at least {len(PARTS)} are "
        "needed to train, validate and test; add subjects, or merge it with another group."
        for member in sorted(members)
        if member.group not in large
    }


def leave_small_groups_out(
    study: Study, members: Sequence[Member], clusters: Mapping[str, str]
) -> dict[str, str]:
    """Leave out the scans of groups with too few subjects to be in every part; see `check_study`."""
    configuration = study.configuration
    if configuration.given:
        return {}  # nobody is shared out
    small = check_study(
        configuration.cohort.input, members, configuration.split, configuration.seeds, clusters
    )
    for name, reason in small.items():
        study.work.leave_out(name, "split", reason)
    return small


def make_cohort(study: Study, pictures: Sequence[ScanPictures], clusters: Mapping[str, str]) -> Cohort:
    """Gather what is learnt from; leave out the groups that have too few subjects to be in every part.

    Raises:
        InputError: if no study can be run on it, see `check_study`.
    """
    members = [Member(scan.scan, scan.subject, scan.group) for scan in pictures]
    small = leave_small_groups_out(study, members, clusters)
    used = tuple(scan for scan in pictures if scan.scan not in small)
    found = {scan.group for scan in used}
    wanted = study.configuration.cohort.groups or sorted(found)
    given = study.configuration.given
    classes = given.classes if given else tuple(group for group in wanted if group in found)
    return Cohort(used, classes, clusters)


def describe_scans(cohort: Cohort, prepared: Sequence[PreparedScan], frame: Frame) -> Cohort:
    """Add what models must know of the scans: the hashes of the images, the edges of voxels, the pictures' frame.

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
        "shape": frame.shape,
        "pixel_mm": frame.pixel_mm,
    }
    return replace(cohort, described=described, images=images)


def _extremes(edges: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The smallest and the largest along each axis."""
    axes = list(zip(*edges, strict=True))
    return tuple(map(min, axes)), tuple(map(max, axes))


def read_clusters(configuration: StudyConfiguration, scans: Sequence[Scan]) -> dict[str, str]:
    """What each subject shares with those it stays together with, by subject.

    Raises:
        InputError: there is no such column, or the scans of a subject differ in it.
    """
    column = configuration.split.group_by
    if column is None:
        return {}
    people = read_people(configuration.cohort.input, scans, [column], required=True)
    check_spelling(
        f"split.group_by: column {column}", [person[column] for person in people.values() if column in person]
    )
    clusters: dict[str, str] = {}
    for scan in scans:
        value = people[scan.name].get(column)
        if value is not None and clusters.setdefault(f"sub-{scan.subject}", value) != value:
            raise InputError(
                f"split.group_by: sub-{scan.subject} has {column} {value!r} and {clusters[f'sub-{scan.subject}']!r}; "
                "expected one value for all its sessions: mend the table"
            )
    return clusters


def read_harmonise(configuration: StudyConfiguration, scans: Sequence[Scan]) -> Harmonise | None:
    """How simple measures are harmonised; None if they are not.

    Raises:
        InputError: there is no such column, a site is spelled in several ways, or all are of one.
    """
    column = configuration.confounds.harmonise
    if column is None:
        return None
    people = read_people(configuration.cohort.input, scans, [column], required=True)
    site = {scan: person[column] for scan, person in people.items() if column in person}
    check_spelling(f"confounds.harmonise: column {column}", site.values())
    if len(set(site.values())) < 2:
        raise InputError(
            f"confounds.harmonise: column {column} holds {', '.join(set(site.values())) or 'no value'} for "
            f"{len(people)} scans; expected two sites at least: name another column, or leave the setting out."
        )
    return Harmonise(column, site, configuration.confounds.keep_groups)
