"""Check a cohort without computing anything on it: every file is read, every fault is listed."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.check import CheckedCohort, CheckedImage, CheckedScan, check_images, summarise
from stratacam.scans.cohort.sources import find_cohort_scans, group_fault, read_cohort_groups
from stratacam.study.baseline_steps import read_clusters
from stratacam.study.configuration import CohortSettings, StudyConfiguration
from stratacam.study.execution import Failure, local_executor, run_each
from stratacam.study.network_check import check_explained, check_networks
from stratacam.study.planning import Member, check_study, seeds_of
from stratacam.study.progress import step_progress

WIDE = 120
"""Columns of a terminal from which on the table of images has a column for the file."""


def check_cohort(
    cohort: CohortSettings, configuration: StudyConfiguration | None, *, workers: int, console: Console
) -> CheckedCohort:
    """Check every scan of a cohort, and whether a study can be run on it.

    Args:
        cohort: where it is, and what is wanted of it.
        configuration: the study that is wanted of it. If None it is the default study, and a cohort without any groups
            can be used too, as it can be prepared.
        workers: processes; 0: one per core.
        console: where progress is shown.

    Raises:
        InputError: the input as a whole cannot be read.
    """
    scans, left_out = find_cohort_scans(cohort.input, cohort.sequences, cohort.choose)
    problem = None
    groups: Mapping[str, str] = {}
    try:
        groups = read_cohort_groups(cohort.input, scans, cohort.group_column)
    except InputError as fault:
        problem = str(fault)
    by_name = {scan.name: scan for scan in scans}
    checked: dict[str, CheckedScan] = {}
    with local_executor(workers) as executor, step_progress(console, "check") as advance:
        tasks = {name: (scan,) for name, scan in by_name.items()}
        for finished in run_each(executor, check_images, tasks):
            scan = by_name[finished.name]
            missing = (
                group_fault(cohort.input, scan, groups, cohort.group_column, cohort.groups)
                if groups or (configuration and not problem)
                else None
            )
            checked[scan.name] = _conclude(scan, groups.get(scan.name), finished.outcome, missing)
            advance(len(checked), len(tasks), finished.name)
    members = [
        Member(name, scan.subject, scan.group)
        for name, scan in checked.items()
        if scan.group is not None and not scan.problems
    ]
    if members:
        wanted = configuration or StudyConfiguration(out=Path(), cohort=cohort)
        try:
            clusters = read_clusters(wanted, [by_name[member.scan] for member in members])
            small = check_study(cohort.input, members, wanted.split, seeds_of(wanted), clusters)
            if configuration:
                learnt = [member for member in members if member.scan not in small]
                check_networks(configuration)
                check_explained(
                    configuration,
                    sorted({member.group for member in learnt}),
                    sorted({member.subject for member in learnt}),
                )
        except InputError as fault:
            problem = f"{str(fault).rstrip('.')}; the scans can be prepared all the same."
        else:
            for name, reason in small.items():
                checked[name] = replace(checked[name], problems=(*checked[name].problems, reason))
    return summarise([checked[name] for name in sorted(checked)], left_out, problem)


def as_json(report: CheckedCohort, source: Path) -> dict[str, Any]:
    """The report as JSON can hold it, with paths relative to the cohort where they are inside it."""

    def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a report holds
        if isinstance(value, Path):
            return _shown(value, source)
        if isinstance(value, Mapping):
            return {key: plain(part) for key, part in value.items()}
        return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value

    return {"usable": report.usable, "complete": report.complete, **plain(asdict(report))}


def show(report: CheckedCohort, source: Path, console: Console) -> None:
    """Print a table of the images, the count of each group, and everything that was found."""
    columns = ("scan", "group", "sequence", "file", "shape", "voxels (mm)", "axes", "forms", "")
    wide = console.width >= WIDE
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        if wide or column != "file":
            table.add_column(column, overflow="fold")
    for scan in report.scans:
        for place, image in enumerate(scan.images):
            first = (scan.name, scan.group or "-") if place == 0 else ("", "")
            cells = (*first, *_cells(image, source))
            if not wide:
                cells = (*cells[:3], *(cell.replace(" x ", "x") for cell in cells[4:]))
            table.add_row(*cells)
    console.print(table)
    counts = ", ".join(f"{group} {count}" for group, count in report.subjects.items()) or "none has a group"
    console.print(f"Subjects with a group that can be used: {counts}", highlight=False, markup=False)
    notes = [f"{scan.name}: {note}" for scan in report.scans for note in scan.notes]
    faults = [f"{scan.name}: {problem}" for scan in report.scans for problem in scan.problems]
    faults += [f"{absent.name}: {absent.reason}" for absent in report.left_out]
    for title, style, sentences in (
        ("Which file was taken", "none", notes),
        ("Warnings", "yellow", report.warnings),
        ("Images that are there twice", "yellow", report.duplicates),
        ("Scans that cannot be used", "yellow", faults),
        ("The cohort cannot be used", "red", report.problems),
    ):
        if sentences:
            console.print(f"{title} ({len(sentences)}):", style=style, highlight=False)
        for sentence in sentences:
            console.print(f"  {sentence}", style=style, highlight=False, markup=False, soft_wrap=True)


def _conclude(
    scan: Scan, group: str | None, outcome: tuple[CheckedImage, ...] | Failure, group_fault: str | None
) -> CheckedScan:
    images = () if isinstance(outcome, Failure) else outcome
    problems = [f"{outcome.reason}\n{outcome.trace or ''}".strip()] if isinstance(outcome, Failure) else []
    problems += [image.problem for image in images if image.problem]
    problems += [group_fault] if group_fault else []
    return CheckedScan(
        scan.name, f"sub-{scan.subject}", group, images, scan.brain_mask, scan.notes, tuple(problems)
    )


def _cells(image: CheckedImage, source: Path) -> tuple[str, ...]:
    forms = "-" if image.sform_code is None else f"{image.sform_code}/{image.qform_code}"
    if image.forms_disagree_mm is not None:
        forms += f", {image.forms_disagree_mm:.1f} mm"
    state = "unusable" if image.problem else "see below" if image.notices else ""
    return (
        image.sequence,
        _shown(image.path, source),
        " x ".join(map(str, image.shape or ("-",))),
        " x ".join(f"{edge:.3g}" for edge in image.voxel_mm) if image.voxel_mm else "-",
        image.orientation or "-",
        forms,
        state,
    )


def _shown(path: Path, source: Path) -> str:
    folder = source if source.is_dir() else source.parent
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
