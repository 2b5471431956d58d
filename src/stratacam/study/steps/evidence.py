"""The evidence of a study: tasks for every scan and network, then what they say together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from torch import nn

from stratacam import cam
from stratacam.errors import InputError
from stratacam.evidence.covariates import USUAL, covariates_of
from stratacam.evidence.groups import named_layers
from stratacam.evidence.regions.atlas import atlas_of, names_of
from stratacam.evidence.scan_evidence import ScanEvidence, Truths, keep_truth, measure_evidence_of
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.tables import Tables, write_tables
from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.networks import ModelCard
from stratacam.scans.cohort.people import read_people
from stratacam.scans.labels import find_lesion_mask
from stratacam.scans.prepared import PreparedScan
from stratacam.study import learning_steps, planning
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.execution import local_executor
from stratacam.study.explaining import held_out_by, run_for, to_explain
from stratacam.study.gathering import Gathered, gather
from stratacam.study.keys import NOT_IN_KEY
from stratacam.study.network_check import check_networks
from stratacam.study.reporting import report_once
from stratacam.study.runs import Run
from stratacam.study.study import Study, WriteReport, open_study
from stratacam.study.trained import TrainedModel, load_once, trained_model
from stratacam.study.work import Absence

MOST_OTHERS = 2
"""Models of each kind that a model's maps are compared with."""


@dataclass(frozen=True)
class EvidenceTask:
    """The evidence of one scan.

    Attributes:
        model: whose maps are measured.
        others: models whose maps they are compared with, by how these differ.
        scan: prepared.
        group: its class.
        lesions: its mask, where there is one.
        truths: by subject, the masks on the template of `keep_truth`.
        settings: what is measured.
        atlas_names: file of the names of the settings' atlas, where there is one.
        sequence: see `explained_sequence`.
        seed: of everything random.
        out: what is left.
    """

    model: TrainedModel
    others: tuple[tuple[str, tuple[TrainedModel, ...]], ...]
    scan: PreparedScan
    group: str
    lesions: Path | None
    truths: Truths
    settings: EvidenceSettings
    atlas_names: Path | None
    sequence: str | None
    seed: int
    out: ScanEvidence


def measure_one(task: EvidenceTask) -> None:
    """Measure one scan."""
    model, card = load_once(task.model)
    measure_evidence_of(
        model,
        card,
        task.scan,
        task.settings,
        group=task.group,
        lesions=task.lesions,
        truths=task.truths,
        others={change: [load_once(other)[0] for other in others] for change, others in task.others},
        sequence=task.sequence,
        seed=task.seed,
        out=task.out,
    )


@dataclass(frozen=True)
class TablesTask:
    """The tables of a network, and the processes that compare its groups."""

    tables: Tables
    workers: int = field(metadata=NOT_IN_KEY)


def write_network(task: TablesTask) -> None:
    """Write the tables of a network."""
    with local_executor(task.workers) as executor:
        write_tables(task.tables, executor)


class Trained(NamedTuple):
    """What evidence is measured on.

    Attributes:
        gathered: the cohort.
        planned: every run.
        truths: see `Truths`.
        people: what groups are compared beside, by subject.
    """

    gathered: Gathered
    planned: Sequence[planning.Planned]
    truths: Truths
    people: Mapping[str, Mapping[str, str]]


def measure_evidence(
    configuration: StudyConfiguration, console: Console, *, write_report: WriteReport
) -> tuple[Path, tuple[Absence, ...]]:
    """Measure the maps of every layer of the study's networks; do only what is not done yet.

    Args:
        configuration: of the study, whose trained models are used; what is missing of them is trained.
        console: where progress is shown.
        write_report: writes the report again where the study has one, which then shows what was found.

    Returns:
        The folder of the evidence, and what was left out.

    Raises:
        InputError: if the study as a whole cannot be done.
    """
    check_networks(configuration)
    atlas_of(configuration.evidence.atlas)
    with open_study(configuration, console) as study:
        gathered = gather(study)
        people = _read_people(study, gathered)
        planned = planning.plan_runs(configuration, study.folders, gathered.cohort, configuration.split)
        learning_steps.train_runs(study, gathered.cohort, planned)
        truths = _keep_truths(study, gathered)
        trained = Trained(gathered, planned, truths, people)
        models = dict.fromkeys(plan.run.model for plan in planned if plan.run.seed == configuration.seed)
        for model in models:
            _measure_network(study, trained, model)
        if study.folders.report.is_file():
            report_once(study, write_report)
        return study.folders.evidence, tuple(study.work.absences)


def _read_people(study: Study, gathered: Gathered) -> dict[str, dict[str, str]]:
    """By subject, the covariates of its first scan, as the tables have them.

    Raises:
        InputError: a column that the settings name is not there, or somebody who is learnt from lacks it.
    """
    wanted = study.configuration.evidence.covariates
    columns = USUAL if wanted is None else wanted
    if not columns:
        return {}
    people = read_people(
        study.configuration.cohort.input, gathered.scans, columns, required=wanted is not None
    )
    first: dict[str, dict[str, str]] = {}
    for scan in gathered.scans:
        first.setdefault(f"sub-{scan.subject}", people[scan.name])
    covariates_of(first, sorted({scan.subject for scan in gathered.cohort.pictures}), wanted)
    return first


def _keep_truths(study: Study, gathered: Gathered) -> Truths:
    """Lesion masks of all scans in MNI152 space, for the mean of the others."""
    cohort, folder = study.configuration.cohort.input, study.folders.evidence / "truth"
    tasks, subject_of = {}, {}
    for scan in gathered.prepared:
        mask = find_lesion_mask(cohort, scan)
        if mask is None or not scan.template_transform.is_file():
            continue
        out = folder / f"{scan.name}.npz"
        tasks[scan.name] = study.work.task(keep_truth, scan, mask, out, outputs=[out])
        subject_of[scan.name] = f"sub-{scan.subject}"
    if not tasks:
        return ()
    with local_executor(study.configuration.run.workers) as executor:
        done = study.work.each("truth", tasks, executor)
    by_subject: dict[str, list[Path]] = {}
    for name in sorted(done):
        by_subject.setdefault(subject_of[name], []).append(tasks[name].outputs[0])
    return tuple((subject, tuple(paths)) for subject, paths in by_subject.items())


def _measure_network(study: Study, trained: Trained, model: str) -> None:
    """Every scan by the run that held its subject out, then the tables."""
    configuration, work = study.configuration, study.work
    gathered, planned, truths, people = trained
    settings = configuration.evidence
    folder = study.folders.evidence / model
    held_out = held_out_by(planned, model)
    first = next(plan.run for plan in planned if plan.run.model == model)
    _check_settings(*load_once(trained_model(study, first)), settings)
    group_of = {scan.scan: scan.group for scan in gathered.cohort.pictures}
    tasks = {}
    for scan in to_explain(configuration, gathered.prepared, held_out):
        run = run_for(scan, held_out, planned, model)
        task = EvidenceTask(
            model=trained_model(study, run),
            others=tuple(
                (change, tuple(trained_model(study, other) for other in runs))
                for change, runs in _others(planned, run, scan).items()
            ),
            scan=scan,
            group=group_of.get(scan.name, ""),
            lesions=find_lesion_mask(configuration.cohort.input, scan),
            truths=truths,
            settings=settings.of_scans(),
            atlas_names=_atlas_names(settings),
            sequence=configuration.explain.sequence,
            seed=configuration.seed,
            out=ScanEvidence(folder / "scans", scan.name),
        )
        tasks[scan.name] = work.task(measure_one, task, outputs=task.out.files)
    with learning_steps.network_executor(configuration, len(tasks)) as executor:
        done = work.each(f"evidence {model}", tasks, executor)
    if not done:
        raise InputError(
            f"evidence: no scan could be measured; see {study.folders.left_out} for the reasons."
        )
    measured = tuple(ScanEvidence(folder / "scans", name) for name in sorted(done))
    for one in measured:
        work.ledger.is_made(tasks[one.name].key, one)
    made = work.ledger.made
    tables = Tables(
        scans=measured,
        people=people,
        settings=settings,
        seed=configuration.seed,
        warning=SLICES_OF_ONE_PERSON if configuration.split.unit == "slice" else "",
        model=model,
        trained={
            plan.run.name: made[study.folders.models / plan.run.name]
            for plan in planned
            if plan.run.model == model
        },
        folder=folder,
    )
    writing = TablesTask(tables, configuration.run.workers)
    work.once("evidence tables", work.task(write_network, writing, outputs=tables.outputs), item=model)


def _atlas_names(settings: EvidenceSettings) -> Path | None:
    """The table of names of the user's atlas, where there is one."""
    names = None if settings.atlas is None else names_of(settings.atlas)
    return names if names and names.is_file() else None


def _check_settings(model: nn.Module, card: ModelCard, settings: EvidenceSettings) -> None:
    """Check the names of the class and of layers before anything is measured.

    Raises:
        InputError: the class is not the model's, or a name or pattern matches no layer.
    """
    if settings.target not in {"predicted", *card.classes}:
        raise InputError(
            f"evidence.target: {settings.target!r} is no class of the model; choose predicted or one of "
            f"{', '.join(card.classes)}."
        )
    try:
        layers = cam.match_layers(model, settings.layers)
    except ValueError as fault:
        raise InputError(f"evidence.layers: {fault}") from fault
    named_layers(settings.group_layers or (), layers)


def _others(planned: Sequence[planning.Planned], run: Run, scan: PreparedScan) -> dict[str, list[Run]]:
    """Runs whose maps of a scan are compared with those of `run`, by how they differ from it.

    Those of other seeds and networks held the subject out too, where there is such a one; other folds of the same
    network and seed were trained on it.
    """
    found: dict[str, list[Run]] = {"seed": [], "fold": [], "network": []}
    models = dict.fromkeys(plan.run.model for plan in planned)
    for model in models:
        other = run_for(scan, held_out_by(planned, model), planned, model)
        if other.network == run.network and other.seed != run.seed:
            found["seed"].append(other)
        elif other.network != run.network and other.seed == run.seed:
            found["network"].append(other)
    found["fold"] = [
        plan.run for plan in planned if plan.run.model == run.model and plan.run.fold != run.fold
    ]
    return {change: runs[:MOST_OTHERS] for change, runs in found.items() if runs}
