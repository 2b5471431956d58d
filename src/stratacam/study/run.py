"""The whole study, step by step: from scans as delivered to the report."""

import platform
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import remove_leftovers, write_json, write_text
from stratacam.maps import check_settings, remove_other_maps
from stratacam.networks import load_model
from stratacam.scans.prepared import PreparedScan
from stratacam.study import learning_steps, scan_steps
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.execution import local_executor
from stratacam.study.folders import StudyFolders
from stratacam.study.ledger import read_json
from stratacam.study.study import Study, open_study
from stratacam.study.work import Absence

PACKAGES = ("stratacam", "torch", "numpy", "scipy", "SimpleITK", "nibabel", "deepbet", "scikit-learn")
"""Packages whose versions are recorded."""


WriteReport = Callable[[StudyFolders], object]


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
    study = open_study(configuration, console)
    folders = study.folders
    folders.records.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folders.records / "lock", timeout=0):
            remove_leftovers(folders.root)
            try:
                return _run(study, write_report)
            finally:
                study.work.write_left_out(folders.left_out)
    except Timeout as fault:
        raise InputError(f"{folders.root}: another run is at work here; wait until it ends.") from fault


def study_folders(path: Path) -> StudyFolders:
    """The folders of the study that has been run at `path`.

    Raises:
        InputError: if there is none.
    """
    folders = StudyFolders(path)
    if not folders.configuration.is_file():
        raise InputError(f"{path}: holds no study ({folders.configuration.name} is missing); run one first.")
    return folders


def _run(study: Study, write_report: WriteReport) -> Outcome:
    configuration, folders, work = study.configuration, study.folders, study.work
    write_text(folders.configuration, configuration.model_dump_json(indent=2) + "\n")
    scans, groups = scan_steps.find(work, configuration.cohort)
    with local_executor(configuration.run.workers) as executor:
        prepared, prepare_keys = scan_steps.prepare_scans(
            work, scans, folders.prepared, configuration.prepare, executor, groups=groups
        )
        scan_steps.refuse_copies(prepared)
        pictures, picture_keys = scan_steps.cut_scans(
            work,
            {scan: groups[scan.name] for scan in prepared},
            prepare_keys,
            out=folders.pictures,
            settings=configuration.pictures,
            executor=executor,
        )
    pictures = learning_steps.leave_out_small_groups(study, pictures)
    split, classes, model_key = learning_steps.train_model(study, pictures, picture_keys)
    evaluation_key = learning_steps.evaluate_model(study, pictures, split, classes, model_key)
    check_settings(*load_model(folders.model), configuration.explain)
    with local_executor(configuration.run.workers) as executor:
        map_keys = scan_steps.explain_scans(
            work,
            _to_explain(study, prepared, split.test),
            prepare_keys,
            trained=scan_steps.TrainedModel(folders.model, model_key, configuration.run.device),
            out=folders.maps,
            settings=configuration.explain,
            executor=executor,
        )
    remove_other_maps(folders.maps, map_keys)
    work.write_left_out(folders.left_out)
    _write_provenance(study)
    keys = [evaluation_key, *sorted(map_keys.values()), *sorted(prepare_keys.values())]
    absences = [str(absence) for absence in sorted(work.absences)]
    report_key = work.ledger.key("report", [keys, absences, configuration.model_dump(mode="json")])
    work.once("report", report_key, [folders.report], lambda: write_report(folders))
    return Outcome(folders.report, tuple(work.absences))


def _to_explain(
    study: Study, prepared: Sequence[PreparedScan], tested: Collection[str]
) -> list[PreparedScan]:
    """The scans of the subjects that the configuration wants explained.

    Raises:
        InputError: if it names a subject that there is not.
    """
    wanted = study.configuration.explain.subjects
    available = sorted({f"sub-{scan.subject}" for scan in prepared})
    if isinstance(wanted, tuple):
        unknown = sorted(set(wanted) - set(available))
        if unknown:
            raise InputError(
                f"explain.subjects: {', '.join(unknown)} is not among the prepared subjects; "
                f"there are {', '.join(available)}."
            )
        chosen: Collection[str] = wanted
    else:
        chosen = tested if wanted == "test" else available
    return [scan for scan in prepared if f"sub-{scan.subject}" in chosen]


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
