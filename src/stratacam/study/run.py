"""The whole study, step by step: from scans as delivered to the report."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import read_json, write_json
from stratacam.maps import check_settings, remove_other_maps
from stratacam.scans.prepared import PreparedScan
from stratacam.study import baseline_steps, learning_steps, planning, scan_steps
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.execution import local_executor
from stratacam.study.explaining import held_out_by, run_for, to_explain
from stratacam.study.folders import StudyFolders
from stratacam.study.gathering import gather
from stratacam.study.network_check import check_networks
from stratacam.study.reporting import report_once
from stratacam.study.study import Study, WriteReport, open_study
from stratacam.study.trained import load_once, trained_model
from stratacam.study.work import Absence

PACKAGES = ("stratacam", "torch", "numpy", "scipy", "SimpleITK", "nibabel", "deepbet", "scikit-learn")
"""Packages whose versions are recorded."""


@dataclass(frozen=True)
class Outcome:
    """What a study left: where its report is, and what it had to leave out."""

    report: Path
    left_out: tuple[Absence, ...]


def run_study(configuration: StudyConfiguration, console: Console, write_report: WriteReport) -> Outcome:
    """Prepare, train, evaluate, explain and report; do only what is not done yet.

    A scan that cannot be used is left out and listed; the others go on.

    Args:
        configuration: of the study.
        console: where progress is shown.
        write_report: writes the report of a finished study.

    Raises:
        InputError: if the study as a whole cannot be done.
    """
    check_networks(configuration)
    with open_study(configuration, console) as study:
        return _run(study, write_report)


def study_folders(path: Path) -> StudyFolders:
    """The folders of the study that has been run at `path`.

    Raises:
        InputError: if there is none.
    """
    prepared = read_json(path / "study.json").get("cohort", {}).get("prepared")
    folders = StudyFolders(path, prepared and Path(prepared))
    if not folders.configuration.is_file():
        raise InputError(
            f"{path}: holds no study ({folders.configuration.name} is missing); run one first with `stratacam run`."
        )
    return folders


def _run(study: Study, write_report: WriteReport) -> Outcome:
    configuration, folders, work = study.configuration, study.folders, study.work
    gathered = gather(study)
    prepared, cohort = gathered.prepared, gathered.cohort
    planned = planning.plan_runs(configuration, folders, cohort, configuration.split)
    learning_steps.train_runs(study, cohort, planned)
    learning_steps.evaluate_models(study, cohort, planned)
    measures = baseline_steps.measure_scans(study, prepared)
    baseline_steps.evaluate_all(study, gathered.scans, cohort, planned, measures)
    _explain(study, prepared, planned)
    _write_provenance(study)
    report_once(study, write_report)
    return Outcome(folders.report, tuple(work.absences))


def _explain(study: Study, prepared: Sequence[PreparedScan], planned: Sequence[planning.Planned]) -> None:
    """Maps of the first network and seed, of every scan by the run that held its subject out.

    Subjects that no run held out are explained by the first.
    """
    configuration, folders = study.configuration, study.folders
    first = planned[0].run
    main = first.model
    held_out = held_out_by(planned, main)
    trained = {}
    for scan in prepared:
        run = run_for(scan, held_out, planned, main)
        trained[scan.name] = trained_model(study, run)
    check_settings(*load_once(trained_model(study, first)), configuration.explain)
    with local_executor(configuration.run.workers) as executor:
        explained = scan_steps.explain_scans(
            study.work,
            to_explain(configuration, prepared, held_out),
            trained=trained,
            out=folders.maps,
            settings=configuration.explain.of_scans(),
            executor=executor,
        )
    remove_other_maps(folders.maps, explained)
    if not explained:
        raise InputError(f"explain: no scan could be explained; see {folders.left_out} for the reasons.")


def _write_provenance(study: Study) -> None:
    """Versions and machine, and the seconds of every step the last time that it was done."""
    path = study.folders.provenance
    work = study.work
    steps = {
        step: {"seconds": round(seconds, 1), "finished": work.finished[step]}
        for step, seconds in work.seconds.items()
    }
    write_json(
        path,
        {
            "versions": {name: version(name) for name in PACKAGES},
            "python": platform.python_version(),
            "machine": {"system": platform.system(), "processor": platform.machine()},
            "seed": study.configuration.seed,
            "steps": {**read_json(path).get("steps", {}), **steps},
        },
    )
