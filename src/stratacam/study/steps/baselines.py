"""What keeps networks honest: simple baselines on the same splits, and everything in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratacam.files import read_json, write_json
from stratacam.learning import (
    Baseline,
    Protocol,
    ScanPictures,
    Split,
    evaluate_subjects,
    frozen_features,
    make_dataset,
    read_head_inputs,
    scan_baselines,
    write_comparison,
    write_evaluation,
)
from stratacam.learning.baselines.simple import BASELINES, Harmonise
from stratacam.networks import RANDOM
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.people import read_people
from stratacam.scans.measures import measure_scan
from stratacam.scans.prepared import PreparedScan
from stratacam.source_code import Entries
from stratacam.study.cohort import Cohort, read_harmonise
from stratacam.study.keys import entries_used, short_hash
from stratacam.study.planning import Planned
from stratacam.study.steps.activations import activations_of, compute_activations
from stratacam.study.study import Study

PREFIX = "baseline_"


@dataclass(frozen=True)
class Measure:
    """Simple measures of a scan, in `file`."""

    scan: PreparedScan
    file: Path

    @property
    def entries(self) -> Entries:
        return entries_used(sequences=self.scan.sequences)

    @property
    def outputs(self) -> tuple[Path]:
        return (self.file,)

    def do(self) -> None:
        write_json(self.file, dict(measure_scan(self.scan.load(), self.scan.sequences)))


@dataclass(frozen=True)
class Baselines:
    """Simple baselines, to be scored on the subjects that splits hold out.

    Attributes:
        splits: of the first network and seed; where there are none, slices were split, or the classifier was given.
        people: what the cohort's tables say of every scan.
        measures: by scan, the file of its simple measures.
        features: folder of what the head of the first network is fed; None where that is no baseline.
        given: whether the classifier was given, so that there is nobody to learn from.
        harmonise: how simple measures are brought to one level over sites; None if they are not.
    """

    pictures: tuple[ScanPictures, ...]
    classes: tuple[str, ...]
    labels: Mapping[str, str]
    splits: tuple[Split, ...]
    people: Mapping[str, Mapping[str, str]]
    measures: Mapping[str, Path]
    features: Path | None
    seed: int
    out: Path
    given: bool = False
    harmonise: Harmonise | None = None

    @property
    def outputs(self) -> list[Path]:
        names = (f"{PREFIX}{name}" for name in ("majority", *BASELINES))
        return [self.out / "baselines.json", *(self.out / name for name in names)]

    def do(self) -> None:
        pictures, classes, splits, seed = self.pictures, self.classes, self.splits, self.seed
        found: list[Baseline]
        left_out: dict[str, str]
        why = "slices were split, so that every subject is on both sides"
        if self.given:
            why = "the classifier was given, and nobody was left to learn from"
        found, left_out = [], {"all": why}
        subjects = sorted(subject for split in splits for subject in split.test)
        # baselines have nothing to stop early, so they learn from the validation subjects too
        folds = [([*split.train, *split.validation], list(split.test)) for split in splits]
        protocol = Protocol(subjects, folds, classes, seed)
        if splits:
            of_scan: dict[str, Any] = {scan: read_json(file) for scan, file in self.measures.items()}
            found, left_out = scan_baselines(
                [scan for scan in pictures if scan.scan in self.measures],
                protocol,
                people=self.people,
                measures=of_scan,
                harmonise=self.harmonise,
            )
        if splits and self.features:
            dataset = make_dataset(pictures, classes)
            inputs = read_head_inputs(dataset, self.features)
            found.append(frozen_features(dataset, inputs, protocol, self.harmonise))
        for baseline in found:
            truth = [classes.index(self.labels[subject]) for subject in subjects]
            evaluation = evaluate_subjects(
                subjects,
                truth,
                baseline.probabilities,
                classes,
                folds=len(splits),
                permuted=baseline.permuted,
                seed=seed,
            )
            write_evaluation(self.out / f"{PREFIX}{baseline.name}", evaluation, part="test")
        titles = {baseline.name: baseline.title for baseline in found}
        scans = {scan.scan: scan.subject for scan in pictures}
        unmoved = self.harmonise.unmoved(scans, protocol) if self.harmonise and splits else {}
        content = {"titles": titles, "left_out": left_out, "not_harmonised": unmoved}
        write_json(self.out / "baselines.json", content)


@dataclass(frozen=True)
class Compare:
    """All evaluations, named as their folders are, in one table, each against the first."""

    evaluations: Mapping[str, Path]
    titles: Mapping[str, str]
    seed: int
    out: Path

    @property
    def outputs(self) -> tuple[Path, ...]:
        return self.out / "comparison.json", self.out / "comparison.tsv"

    def do(self) -> None:
        write_comparison(self.out, self.titles, first=next(iter(self.evaluations)), seed=self.seed)


def measure_scans(study: Study, scans: Sequence[PreparedScan]) -> dict[str, Path]:
    """Take simple measures of every scan; return the files that they are in."""
    tasks = {scan.name: Measure(scan, study.folders.measures / f"{scan.name}.json") for scan in scans}
    return {name: tasks[name].file for name in sorted(study.work.each("measures", tasks))}


def evaluate_all(
    study: Study,
    scans: Sequence[Scan],
    cohort: Cohort,
    planned: Sequence[Planned],
    measures: Mapping[str, Path],
) -> None:
    """Score the baselines on the splits of the first network and seed, and put them into a table with the networks.

    Where slices were split there are no baselines: every subject is on both sides.
    """
    work, folder, seed = study.work, study.folders.evaluation, study.configuration.seed
    plan = planned[0]
    splits = [
        one.split for one in planned if one.run.model == plan.run.model and isinstance(one.split, Split)
    ]
    scan_of = {scan.name: scan for scan in scans}
    given = study.configuration.given is not None
    features = plan.kept if splits and plan.first.weights != RANDOM else None
    if features:
        kept = [
            work.cache.entry(activations_of(plan, scan, study, augmented=False)) for scan in cohort.pictures
        ]
        work.cache.is_made(short_hash(" ".join(entry.key for entry in kept)), features)
    source = study.configuration.cohort.input
    delivered = [scan_of[scan.scan] for scan in cohort.pictures]
    baselines = Baselines(
        pictures=cohort.pictures,
        classes=cohort.classes,
        labels=cohort.labels(),
        splits=() if given else tuple(splits),
        given=given,
        people=read_people(source, delivered, ["age", "sex"]),
        harmonise=read_harmonise(study.configuration, delivered),
        measures={scan.scan: measures[scan.scan] for scan in cohort.pictures if scan.scan in measures},
        features=features,
        seed=seed,
        out=folder,
    )
    entry = work.cache.entry(baselines)
    if features and not work.cache.is_done("baselines", "study", entry):
        compute_activations(study, cohort, [plan])
    work.once("baselines", entry)
    titles = {one.run.model: one.run.title for one in planned}
    for name, title in read_json(folder / "baselines.json").get("titles", {}).items():
        titles[f"{PREFIX}{name}"] = title
    work.once("comparison", Compare({name: folder / name for name in titles}, titles, seed, folder))
