"""The whole study, step by step: from scans as delivered to maps and their evidence."""

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version

from rich.console import Console

from stratacam.evidence.regions.atlas import atlas_of
from stratacam.files import read_json, write_json
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.execution import Workers
from stratacam.study.network_check import check_networks
from stratacam.study.part import Part, StepDoneError
from stratacam.study.planning import plan_runs
from stratacam.study.prepared_cohort import prepare_cohort
from stratacam.study.steps.baselines import evaluate_all, measure_scans
from stratacam.study.steps.confounds import audit_confounds
from stratacam.study.steps.evaluate import evaluate_models
from stratacam.study.steps.evidence import Measured, measure_networks, read_covariates
from stratacam.study.steps.explain import explain_study
from stratacam.study.steps.sample_size import write_sample_size
from stratacam.study.steps.train import train_runs
from stratacam.study.study import Outcome, Study, open_study

PACKAGES = ("stratacam", "torch", "numpy", "scipy", "SimpleITK", "nibabel", "deepbet", "scikit-learn")
"""Packages whose versions are recorded."""


def run_study(
    configuration: StudyConfiguration,
    console: Console,
    *,
    workers: Workers | None = None,
    force: Sequence[str] = (),
) -> Outcome:
    """Prepare, train, evaluate and explain; do only what is not done yet.

    A scan that cannot be used is left out and listed; the others go on.

    Raises:
        InputError: if the study as a whole cannot be done.
    """
    check_networks(configuration)
    with open_study(configuration, console, workers=workers, force=force) as study:
        found = prepare_cohort(study)
        prepared, cohort = found.prepared, found.cohort
        planned = plan_runs(configuration, study.folders, cohort, configuration.split)
        train_runs(study, cohort, planned)
        evaluate_models(study, cohort, planned)
        measures = measure_scans(study, prepared)
        evaluate_all(study, found.scans, cohort, planned, measures)
        audit_confounds(study, found.scans, prepared, cohort, planned)
        write_sample_size(
            study, cohort, [one.split for one in planned if one.run.model == planned[0].run.model]
        )
        explain_study(study, prepared, planned)
        _write_provenance(study)
    return study.outcome


def run_part(
    configuration: StudyConfiguration, console: Console, only: Part, *, workers: Workers | None = None
) -> Outcome:
    """Do a part of one step of a study; others may do other parts at the same time.

    Steps before it must have been done. What the whole cohort is needed for, `run_study` does.

    Raises:
        InputError: if the part cannot be done, or what it needs is not there.
    """
    check_networks(configuration)
    with open_study(configuration, console, workers=workers, only=only) as study, suppress(StepDoneError):
        found = prepare_cohort(study)
        cohort = found.cohort
        planned = plan_runs(configuration, study.folders, cohort, configuration.split)
        train_runs(study, cohort, planned)
        explain_study(study, found.prepared, planned)
        people = read_covariates(study, found.scans, cohort.pictures)
        measure_networks(study, Measured(found.prepared, cohort.pictures, planned, people))
    return study.outcome


def measure_evidence(
    configuration: StudyConfiguration,
    console: Console,
    *,
    workers: Workers | None = None,
    force: Sequence[str] = (),
) -> Outcome:
    """Measure the maps of every layer of the study's networks; do only what is not done yet.

    Raises:
        InputError: if the study as a whole cannot be done.
    """
    check_networks(configuration)
    atlas_of(configuration.evidence.atlas)
    with open_study(configuration, console, workers=workers, force=force) as study:
        found = prepare_cohort(study)
        cohort = found.cohort
        people = read_covariates(study, found.scans, cohort.pictures)
        planned = plan_runs(configuration, study.folders, cohort, configuration.split)
        train_runs(study, cohort, planned)
        measure_networks(study, Measured(found.prepared, cohort.pictures, planned, people))
        _write_provenance(study)
    return study.outcome


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
