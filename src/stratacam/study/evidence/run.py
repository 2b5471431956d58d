"""The evidence of a study: tasks for every scan and network, then what they say together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from torch import nn

from stratacam import cam
from stratacam.errors import InputError
from stratacam.evidence.settings import EvidenceSettings
from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.networks import ModelCard
from stratacam.scans.labels import find_lesion_mask
from stratacam.scans.prepared import PreparedScan
from stratacam.study import learning_steps, planning
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.evidence.groups import named_layers
from stratacam.study.evidence.people import read_people_of
from stratacam.study.evidence.scan_task import (
    EvidenceTask,
    ScanEvidence,
    atlas_names,
    atlas_of,
    keep_truth,
    measure_evidence_of,
)
from stratacam.study.evidence.tables import Tables, write_tables
from stratacam.study.execution import local_executor
from stratacam.study.explaining import held_out_by, run_for, to_explain
from stratacam.study.gathering import Gathered, gather
from stratacam.study.network_check import check_networks
from stratacam.study.reporting import report_once
from stratacam.study.runs import Run
from stratacam.study.study import Study, WriteReport, open_study
from stratacam.study.trained import load_once, trained_model
from stratacam.study.work import Absence

MOST_OTHERS = 2
"""Models of each kind that a model's maps are compared with."""

Truths = tuple[tuple[str, tuple[Path, ...]], ...]
"""By subject, its lesion masks on the template."""


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
    atlas_of(configuration.evidence)
    with open_study(configuration, console) as study:
        gathered = gather(study)
        people = read_people_of(study, gathered)
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
            atlas_names=atlas_names(settings),
            sequence=configuration.explain.sequence,
            seed=configuration.seed,
            out=ScanEvidence(folder / "scans", scan.name),
        )
        tasks[scan.name] = work.task(measure_evidence_of, task, outputs=task.out.files)
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
        workers=configuration.run.workers,
        folder=folder,
    )
    work.once("evidence tables", work.task(write_tables, tables, outputs=tables.outputs), item=model)


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
