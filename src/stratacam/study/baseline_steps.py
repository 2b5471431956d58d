"""Steps that keep the networks honest: simple baselines on the same splits, and everything in one table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import read_json
from stratacam.learning import Split
from stratacam.learning.baselines.simple import BASELINES
from stratacam.networks import default_weights
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.people import read_people
from stratacam.scans.cohort.spelling import check_spelling
from stratacam.scans.prepared import PreparedScan
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.evaluating import PREFIX, Baselines, compare_evaluations, evaluate_baselines
from stratacam.study.execution import local_executor
from stratacam.study.keys import short_hash
from stratacam.study.learning_steps import keep_frozen
from stratacam.study.planning import Cohort, Planned, frozen_task
from stratacam.study.scan_work import measure
from stratacam.study.study import Study


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


def measure_scans(study: Study, scans: Sequence[PreparedScan]) -> dict[str, Path]:
    """Take simple measures of every scan; return the files that they are in."""
    tasks = {}
    for scan in scans:
        file = study.folders.measures / f"{scan.name}.json"
        tasks[scan.name] = study.work.task(measure, scan, file, outputs=[file])
    with local_executor(study.configuration.run.workers) as executor:
        done = study.work.each("measures", tasks, executor)
    return {name: tasks[name].outputs[0] for name in sorted(done)}


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
    features = plan.kept if splits and default_weights(plan.run.network) != "none" else None
    if features:
        kept = [frozen_task(study, plan, scan, folder=features, augmented=False) for scan in cohort.pictures]
        work.ledger.is_made(short_hash(" ".join(task.key for task in kept)), features)
    baselines = Baselines(
        pictures=cohort.pictures,
        classes=cohort.classes,
        labels=cohort.labels(),
        splits=tuple(splits),
        people=read_people(
            study.configuration.cohort.input,
            [scan_of[scan.scan] for scan in cohort.pictures],
            ["age", "sex"],
        ),
        measures={scan.scan: measures[scan.scan] for scan in cohort.pictures if scan.scan in measures},
        features=features,
        seed=seed,
        out=folder,
    )
    outputs = [folder / "baselines.json", *(folder / f"{PREFIX}{name}" for name in ("majority", *BASELINES))]
    task = work.task(evaluate_baselines, baselines, outputs=outputs)
    if features and not work.ledger.is_done("baselines", "study", task):
        keep_frozen(study, cohort, [plan])
    work.once("baselines", task)
    models = dict.fromkeys(one.run.model for one in planned)
    titles = {model: model for model in models}
    for name, title in read_json(folder / "baselines.json").get("titles", {}).items():
        titles[f"{PREFIX}{name}"] = title
    table = [study.folders.comparison, study.folders.comparison.with_suffix(".tsv")]
    evaluations = {name: folder / name for name in titles}
    work.once("comparison", work.task(compare_evaluations, evaluations, titles, seed, folder, outputs=table))
