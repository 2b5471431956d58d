"""Check a cohort without computing anything on it: every file is read, every fault is listed."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.check import CheckedCohort, CheckedImage, CheckedScan, check_images, summarise
from stratacam.scans.cohort.sources import check_groups, find_cohort_scans, group_fault, read_cohort_groups
from stratacam.study.cohort import Member, check_study, read_clusters, read_harmonise
from stratacam.study.configuration import CohortSettings, StudyConfiguration
from stratacam.study.execution import Failure, RunSettings, Workers, run_each
from stratacam.study.given_check import check_trained_on
from stratacam.study.network_check import check_explained, check_networks
from stratacam.study.progress import step_progress


def check_cohort(
    cohort: CohortSettings, configuration: StudyConfiguration | None, *, workers: int, console: Console
) -> CheckedCohort:
    """Check every scan of a cohort, and whether a study can be run on it.

    Without `configuration` the default study is tried, and a cohort without any groups can be used too, as it can be
    prepared.

    Raises:
        InputError: the input as a whole cannot be read.
    """
    scans, left_out = find_cohort_scans(cohort.input, cohort.sequences, cohort.choose)
    problem = None
    groups: dict[str, str] = {}
    try:
        groups = read_cohort_groups(cohort.input, scans, cohort.group_column)
    except InputError as fault:
        problem = str(fault)
    given = configuration.given if configuration else None
    by_name = {scan.name: scan for scan in scans}
    checked: dict[str, CheckedScan] = {}
    with (
        Workers(RunSettings(workers=workers)) as here,
        here.place() as place,
        step_progress(console, "check") as advance,
    ):
        for ended in run_each(place, check_images, by_name):
            name, outcome = ended.name, ended.outcome
            scan = by_name[name]
            missing = (
                group_fault(
                    cohort.input, scan, groups, cohort.group_column, cohort.groups, given=given is not None
                )
                if groups or (configuration and not problem)
                else None
            )
            checked[name] = _conclude(scan, groups.get(name), outcome, missing)
            advance(len(checked), len(by_name), name)
    members = [
        Member(name, scan.subject, scan.group)
        for name, scan in checked.items()
        if scan.group is not None and not scan.problems
    ]
    if members:
        wanted = configuration or StudyConfiguration(out=Path(), cohort=cohort)
        try:
            used = [by_name[member.scan] for member in members]
            clusters = read_clusters(wanted, used)
            read_harmonise(wanted, used)  # raises, if its column is wrong
            check_groups(cohort.input, groups, cohort.group_column, cohort.groups, given=given is not None)
            check_trained_on(given, [*by_name, *(one.name for one in left_out)])
            small = {} if given else check_study(cohort.input, members, wanted.split, wanted.seeds, clusters)
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
