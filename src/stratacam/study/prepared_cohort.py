"""From scans as delivered to what is learnt from: the steps before any training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stratacam.errors import InputError
from stratacam.files import write_text
from stratacam.maps import frame_of
from stratacam.networks.cards import read_card
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.frame import Frame, describe_frame
from stratacam.scans.prepared import PreparedScan
from stratacam.study.cohort import (
    Cohort,
    Member,
    describe_scans,
    leave_small_groups_out,
    make_cohort,
    read_clusters,
    read_harmonise,
)
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.given_check import check_trained_on
from stratacam.study.network_check import check_beginning, check_explained, check_size
from stratacam.study.part import Part, StepDoneError
from stratacam.study.progress import say
from stratacam.study.steps.pictures import cut_scans
from stratacam.study.steps.prepare import check_scans, find_scans, prepare_scans
from stratacam.study.study import Study


@dataclass(frozen=True)
class PreparedCohort:
    """The scans of a study, as delivered and as far as they could be prepared, and the cohort that is learnt from."""

    scans: Sequence[Scan]
    prepared: Sequence[PreparedScan]
    cohort: Cohort


def prepare_cohort(study: Study) -> PreparedCohort:
    """Find, check, prepare and cut the scans of a study; leave out and list what cannot be used.

    Raises:
        InputError: if nothing can be learnt from what is there, the split cannot be made, one image is there under two
            subjects, or what is to be explained is not there: all found before any scan is prepared; or if too little
            could be prepared.
    """
    configuration, folders, work = study.configuration, study.folders, study.work
    write_text(folders.configuration, configuration.model_dump_json(indent=2) + "\n")
    found, groups = find_scans(work, configuration.cohort, given=configuration.given is not None)
    absent = [absence.name for absence in work.absences]
    strangers = check_trained_on(configuration.given, [*(scan.name for scan in found), *absent])
    if strangers:
        say(work.console, strangers, "yellow")
    if work.only and work.only.is_of("prepare"):
        _prepare_part(study, work.only, found, groups)
        raise StepDoneError
    scans = check_scans(work, found)
    clusters = read_clusters(configuration, scans)
    read_harmonise(configuration, scans)  # raises before the work, if its column is wrong
    members = [Member(scan.name, f"sub-{scan.subject}", groups[scan.name]) for scan in scans]
    small = leave_small_groups_out(study, members, clusters)
    scans = [scan for scan in scans if scan.name not in small]
    check_explained(
        configuration,
        sorted({groups[scan.name] for scan in scans}),
        sorted({f"sub-{scan.subject}" for scan in scans}),
    )
    for sentence in configuration.without_effect:
        say(work.console, sentence, "yellow")
    if not folders.runs.is_file():
        for sentence in check_beginning(configuration):
            say(work.console, sentence)
    prepared = prepare_scans(
        work,
        scans,
        folders.prepared,
        configuration.prepare,
        groups=groups,
        shared=configuration.cohort.prepared is not None,
    )
    frame = _frame_of(study, prepared)
    pictures = cut_scans(
        work,
        {scan: groups[scan.name] for scan in prepared},
        out=folders.pictures,
        settings=configuration.pictures,
        frame=frame,
        guide=configuration.training.guide,
        cohort=configuration.cohort.input,
    )
    cohort = make_cohort(study, pictures, clusters)
    return PreparedCohort(scans, prepared, describe_scans(cohort, prepared, frame))


def _prepare_part(study: Study, only: Part, found: Sequence[Scan], groups: Mapping[str, str]) -> None:
    """Check and prepare the scans of some people.

    Raises:
        InputError: some of them are not there.
    """
    unknown = sorted(set(only.people) - {f"sub-{scan.subject}" for scan in found})
    if unknown:
        raise InputError(
            f"--participant-label: {study.configuration.cohort.input} holds no usable scan of {', '.join(unknown)}; "
            "expected labels such as those of its folders: correct them."
        )
    study.work.whole = len(found)
    scans = check_scans(study.work, [scan for scan in found if only.has(scan.name)])
    prepare_scans(
        study.work,
        scans,
        study.folders.prepared,
        study.configuration.prepare,
        groups=groups,
        shared=study.configuration.cohort.prepared is not None,
    )


def _frame_for(configuration: StudyConfiguration, brains: Sequence[tuple[float, float]]) -> Frame:
    """That of the settings; of a given model of this package the model's, with more pixels for larger brains."""
    given = configuration.given
    if not given or not given.is_own:
        return configuration.pictures.frame_for(brains)
    frame = frame_of(read_card(given.file))
    if configuration.pictures.width_mm is None:
        for brain in brains:
            frame = frame.enlarged(brain, configuration.pictures.margin_mm)
    return frame


def _frame_of(study: Study, prepared: Sequence[PreparedScan]) -> Frame:
    """The frame of the study's pictures; say which brain decides it.

    Raises:
        InputError: pictures are too small for a network.
    """
    configuration, console = study.configuration, study.work.console
    brains = {scan.name: scan.brain_mm for scan in prepared}
    frame = _frame_for(configuration, list(brains.values()))
    check_size(configuration, frame.shape)
    if brains and configuration.pictures.width_mm is None:
        said, warning = describe_frame(frame, brains)
        say(console, f"pictures: {said}")
        if warning:
            say(console, warning, "yellow")
    return frame
