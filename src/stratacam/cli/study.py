"""Commands on a whole study."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stratacam.cli.options import AcceptLeftOut, Force, Here, Results, StudyFile, conclude, existing
from stratacam.errors import InputError

if TYPE_CHECKING:
    from stratacam.study.configuration import StudyConfiguration


def run(
    study: StudyFile,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    force: Force = None,
    step: Annotated[
        str | None,
        typer.Option(
            help="Do one step alone, which several processes may share: prepare, pictures, activations, train, "
            "explain, truth or evidence; those before it must be done."
        ),
    ] = None,
    participant_label: Annotated[
        list[str] | None,
        typer.Option(metavar="LABELS", help="With --step: for these people alone, such as 01 02."),
    ] = None,
    training: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES", help="With --step train: these trainings alone, by their folders in models/."
        ),
    ] = None,
    write_slurm: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Run nothing; write job scripts for SLURM into a folder."),
    ] = None,
    per_job: Annotated[
        int, typer.Option(min=1, help="With --write-slurm: people in each job of an array.")
    ] = 1,
    here: Here = False,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Run a whole study: prepare, train, evaluate, explain, report. Does only what is not done yet."""
    from stratacam.study.part import part_of

    people, trainings = _with_more(more or [], participant_label or [], training or [])
    only = part_of(step, people, trainings)
    configuration, console = _read(study, here=here), Console()
    if write_slurm:
        from stratacam.study.slurm import write_slurm as write

        submit = write(study, configuration, write_slurm, per_job=per_job)
        conclude(submit, then=f"To submit the study to SLURM: bash {shlex.quote(str(submit))}")
        return
    if only:
        from stratacam.study.run import run_part

        outcome = run_part(configuration, console, only)
        accepted = accept_left_out or configuration.run.accept_left_out
        conclude(outcome.folders.root, len(outcome.left_out), accepted)
        return
    from stratacam.report import refresh_report
    from stratacam.study.run import run_study

    outcome = run_study(configuration, console, force=force or ())
    report_file = refresh_report(outcome.folders, console)
    conclude(report_file, len(outcome.left_out), accept_left_out or configuration.run.accept_left_out)


def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the demonstration.")] = Path("demo"),
    subjects: Annotated[
        int,
        typer.Option(
            min=6, help="Subjects with RRMS, and as many with SPMS; there are half as many controls."
        ),
    ] = 12,
    voxel_mm: Annotated[
        float, typer.Option("--voxel", min=0.7, max=5, help="Voxel size of the scans in mm.")
    ] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the cohort and the study.")] = 0,
    force: Force = None,
) -> None:
    """Make a synthetic cohort, run the whole study on it, and measure its maps."""
    from stratacam.report import refresh_report
    from stratacam.scans.phantom import PhantomSettings
    from stratacam.study.demo import run_demo
    from stratacam.viewer.built import is_built

    console = Console()
    cohort = PhantomSettings(
        subjects={"control": subjects // 2, "RRMS": subjects, "SPMS": subjects}, voxel_mm=voxel_mm, seed=seed
    )
    outcome = run_demo(out, cohort, console, force=force or ())
    page = "" if is_built() else "once `make viewer`, then "
    then = f"To look at its maps in a browser: {page}`{_called()} view {outcome.folders.root}`."
    conclude(refresh_report(outcome.folders, console), len(outcome.left_out), then=then)


def evidence(
    study: StudyFile, force: Force = None, here: Here = False, accept_left_out: AcceptLeftOut = False
) -> None:
    """Measure which layers' maps to believe, in a study that has been run."""
    from stratacam.report import refresh_report
    from stratacam.study.run import measure_evidence

    configuration, console = _read(study, here=here), Console()
    outcome = measure_evidence(configuration, console, force=force or ())
    if outcome.folders.report.is_file():
        refresh_report(outcome.folders, console)
    accepted = accept_left_out or configuration.run.accept_left_out
    conclude(outcome.folders.evidence, len(outcome.left_out), accepted)


def audit(
    model: Annotated[
        Path,
        existing(
            "MODEL",
            "a classifier: a file of Keras, ONNX, torch.export, TorchScript or Lightning, or the folder of a model "
            "that stratacam trained",
            "folder or file",
        ),
    ],
    scans: Annotated[
        Path,
        existing(
            "SCANS", "a BIDS folder, or table (.csv, .tsv), of scans with their groups", "folder or file"
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the audit.")],
    card: Annotated[
        Path | None,
        existing(
            "FILE",
            "a TOML file that names the classes, what the classifier takes, and settings of a study",
            "file",
            option="--card",
        ),
    ] = None,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Judge a trained classifier on scans: maps, evidence and report."""
    from stratacam.report import refresh_report
    from stratacam.study.audit import write_audit
    from stratacam.study.configuration import read_configuration
    from stratacam.study.run import measure_evidence, run_study

    configuration, console = read_configuration(write_audit(model, scans, out, card)), Console()
    run_study(configuration, console)
    outcome = measure_evidence(configuration, console)
    accepted = accept_left_out or configuration.run.accept_left_out
    conclude(refresh_report(outcome.folders, console), len(outcome.left_out), accepted)


def leakage(
    study: StudyFile,
    seeds: Annotated[int, typer.Option(min=1, help="Number of trainings of each kind.")] = 3,
    force: Force = None,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Measure leakage: accuracy by subject and by slice, with true and with shuffled groups."""
    from stratacam.cli.tables import show_leakage
    from stratacam.report import refresh_report
    from stratacam.study.configuration import read_configuration
    from stratacam.study.leakage import measure_leakage

    configuration, console = read_configuration(study), Console()
    content, outcome = measure_leakage(configuration, console, seeds=seeds, force=force or ())
    show_leakage(content, console)
    if outcome.folders.report.is_file():
        refresh_report(outcome.folders, console)
    accepted = accept_left_out or configuration.run.accept_left_out
    conclude(outcome.folders.leakage / "leakage.json", len(outcome.left_out), accepted)


def permute(
    study: StudyFile,
    times: Annotated[int, typer.Option(min=19, help="Number of permutations of the groups.")] = 200,
    force: Force = None,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Test a network in folds against chance: train it again on permuted groups."""
    from stratacam.report import refresh_report
    from stratacam.study.configuration import read_configuration
    from stratacam.study.permutation import measure_permutations

    configuration, console = read_configuration(study), Console()
    content, outcome = measure_permutations(configuration, console, times=times, force=force or ())
    for name in ("balanced_accuracy", "macro_auroc"):
        found = content[name]
        title = name.replace("_", " ").replace("auroc", "AUROC")
        console.print(f"{title} {found['value']:.2f}: p = {found['p_value']:.3g}", highlight=False)
    if outcome.folders.report.is_file():
        refresh_report(outcome.folders, console)
    accepted = accept_left_out or configuration.run.accept_left_out
    conclude(outcome.folders.permutations / "permutations.json", len(outcome.left_out), accepted)


def report(
    study: Results,
) -> None:
    """Write the report of a finished study."""
    from stratacam.study.folders import study_folders

    folders, console = study_folders(study), Console()  # before what takes seconds to import
    from stratacam.report import write_report

    console.print(f"Report: {write_report(folders, console)}", highlight=False, markup=False, soft_wrap=True)


def _read(study: Path, *, here: bool) -> "StudyConfiguration":
    """The configuration of a study, or the same on this machine."""
    from stratacam.study.configuration import read_configuration

    configuration = read_configuration(study)
    return configuration.model_copy(update={"run": configuration.run.here}) if here else configuration


def _with_more(more: list[str], people: list[str], trainings: list[str]) -> tuple[list[str], list[str]]:
    """Names after the first of an option are arguments to the command line; they go to the option that was given.

    Raises:
        InputError: there is no such option, or both.
    """
    if more and bool(people) == bool(trainings):
        raise InputError(f"{' '.join(more)}: found after the study's file; expected options: take it away.")
    return (people + more, trainings) if people else (people, trainings + more if trainings else [])


def _called() -> str:
    """How this program is called from here: by its name where the shell finds it."""
    return "stratacam" if shutil.which("stratacam") else os.path.relpath(sys.argv[0])
