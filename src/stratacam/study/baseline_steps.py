"""Steps that keep the networks honest: simple baselines on the same splits, and everything in one table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.learning import (
    Baseline,
    Split,
    evaluate_subjects,
    frozen_features,
    make_dataset,
    read_head_inputs,
    scan_baselines,
    write_comparison,
    write_evaluation,
)
from stratacam.networks import default_weights
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.people import read_people
from stratacam.scans.cohort.spelling import check_spelling
from stratacam.scans.measures import measure_scan
from stratacam.scans.prepared import PreparedScan
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.execution import local_executor
from stratacam.study.learning_steps import keep_frozen
from stratacam.study.ledger import read_json
from stratacam.study.planning import Cohort, Planned
from stratacam.study.study import Study
from stratacam.study.work import Task

PREFIX = "baseline_"


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


def measure_scans(study: Study, scans: Sequence[PreparedScan], keys: Mapping[str, str]) -> dict[str, str]:
    """Take simple measures of every scan; return the keys of the work."""
    folder = study.folders.measures
    tasks = {}
    for scan in scans:
        key = study.work.ledger.key("measures", keys[scan.name])
        file = folder / f"{scan.name}.json"
        tasks[scan.name] = Task((scan, file), key, (file,))
    with local_executor(study.configuration.run.workers) as executor:
        done = study.work.each("measures", _measure, tasks, executor)
    return {name: tasks[name].key for name in sorted(done)}


def evaluate_baselines(
    study: Study,
    scans: Sequence[Scan],
    cohort: Cohort,
    planned: Sequence[Planned],
    measure_keys: Mapping[str, str],
) -> str:
    """Score the baselines on the splits of the first network and seed; return the key of the work.

    Where slices were split there are none: every subject is on both sides.
    """
    first = [plan for plan in planned if plan.run.model == planned[0].run.model]
    splits = [plan.split for plan in first if isinstance(plan.split, Split)]
    scan_of = {scan.name: scan for scan in scans}
    people = read_people(
        study.configuration.cohort.input, [scan_of[scan.scan] for scan in cohort.pictures], ["age", "sex"]
    )
    plan = first[0]
    pretrained = plan.kept is not None and default_weights(plan.run.network) != "none"
    key = study.work.ledger.key(
        "baselines",
        {
            "measures": [measure_keys.get(scan.scan) for scan in cohort.pictures],
            "groups": [scan.group for scan in cohort.pictures],
            "splits": [repr(split) for split in splits],
            "people": people,
            "classes": cohort.classes,
            "features": plan.kept.name if plan.kept and pretrained else None,
            "pictures": {scan.scan: cohort.keys[scan.scan] for scan in cohort.pictures},
            "seed": study.configuration.seed,
        },
    )
    folder = study.folders.evaluation

    def work() -> None:
        found, left_out = _baselines(study, cohort, splits, people, measure_keys)
        if plan.kept and pretrained and splits:
            keep_frozen(study, cohort, [plan])
            dataset = make_dataset(cohort.pictures, cohort.classes)
            subjects, folds = _judged(splits)
            features = read_head_inputs(dataset, plan.kept)
            found.append(
                frozen_features(
                    dataset, features, subjects=subjects, folds=folds, seed=study.configuration.seed
                )
            )
        for baseline in found:
            subjects, _ = _judged(splits)
            labels = cohort.labels()
            evaluation = evaluate_subjects(
                subjects,
                [cohort.classes.index(labels[subject]) for subject in subjects],
                baseline.probabilities,
                cohort.classes,
                seed=study.configuration.seed,
            )
            write_evaluation(folder / f"{PREFIX}{baseline.name}", evaluation, part="test")
        write_json(
            folder / "baselines.json",
            {"titles": {baseline.name: baseline.title for baseline in found}, "left_out": left_out},
        )

    study.work.once("baselines", key, [folder / "baselines.json"], work)
    return key


def compare_all(study: Study, planned: Sequence[Planned], keys: Sequence[str]) -> str:
    """Put every network and baseline into one table, each against the first network; return the key of the work."""
    folder = study.folders.evaluation
    models = list(dict.fromkeys(plan.run.model for plan in planned))
    baselines = read_json(folder / "baselines.json").get("titles", {})
    key = study.work.ledger.key("comparison", [list(keys), models, baselines])
    titles = {model: model for model in models}
    titles |= {f"{PREFIX}{name}": title for name, title in baselines.items()}
    study.work.once(
        "comparison",
        key,
        [study.folders.comparison],
        lambda: write_comparison(folder, titles, first=models[0], seed=study.configuration.seed),
    )
    return key


def _baselines(
    study: Study,
    cohort: Cohort,
    splits: Sequence[Split],
    people: Mapping[str, Mapping[str, str]],
    measure_keys: Mapping[str, str],
) -> tuple[list[Baseline], dict[str, str]]:
    if not splits:
        return [], {"all": "slices were split, so that every subject is on both sides"}
    subjects, folds = _judged(splits)
    measured = [scan for scan in cohort.pictures if scan.scan in measure_keys]
    measures: dict[str, Any] = {
        scan.scan: read_json(study.folders.measures / f"{scan.scan}.json") for scan in measured
    }
    return scan_baselines(
        measured,
        classes=cohort.classes,
        subjects=subjects,
        folds=folds,
        people=people,
        measures=measures,
        seed=study.configuration.seed,
    )


def _judged(splits: Sequence[Split]) -> tuple[list[str], list[tuple[list[str], list[str]]]]:
    """The subjects held out, sorted, and for each split who is learnt from and who is predicted.

    Baselines have nothing to stop early, so they learn from the validation subjects too.
    """
    folds = [([*split.train, *split.validation], list(split.test)) for split in splits]
    return sorted(subject for split in splits for subject in split.test), folds


def _measure(scan: PreparedScan, file: Path) -> None:
    write_json(file, dict(measure_scan(scan.load(), scan.sequences)))
