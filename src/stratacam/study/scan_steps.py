"""Steps that work on one scan at a time: find, prepare, cut pictures, explain."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.learning import ScanPictures, save_pictures
from stratacam.maps import ExplainSettings, explain_scan, maps_path
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.check import check_images
from stratacam.scans.cohort.duplicates import find_duplicates
from stratacam.scans.cohort.sources import find_cohort_scans, group_fault, read_cohort_groups
from stratacam.scans.pictures import PictureSettings, cut_scan
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.quality import INDEX, write_index
from stratacam.study.configuration import CohortSettings
from stratacam.study.ledger import read_json
from stratacam.study.progress import say
from stratacam.study.trained import TrainedModel, load_once
from stratacam.study.work import Task, Work

MOST_NAMED = 5
"""Flagged scans whose flags are printed."""

Keys = Mapping[str, str]
"""By scan, the key of the work that made what a step reads."""


def find(work: Work, cohort: CohortSettings) -> tuple[list[Scan], dict[str, str]]:
    """Scans that have a group of the study, and the groups by scan such as "sub-01_ses-2".

    Raises:
        InputError: if the input holds no scans, or their groups cannot be read.
    """
    scans, incomplete = find_cohort_scans(cohort.input, cohort.sequences, cohort.choose)
    groups = read_cohort_groups(cohort.input, scans, cohort.group_column)
    for absent in incomplete:
        work.leave_out(absent.name, "find", absent.reason)
    usable = []
    for scan in scans:
        fault = group_fault(cohort.input, scan, groups, cohort.group_column, cohort.groups)
        if fault:
            work.leave_out(scan.name, "find", fault)
        else:
            usable.append(scan)
    return usable, groups


def check_scans(work: Work, scans: Sequence[Scan], executor: Executor) -> list[Scan]:
    """Read every image before any is prepared; return the scans that can be used.

    Raises:
        InputError: one image is there under two subjects, which a classifier would be tested on after learning from it;
            all are named.
    """
    by_name, tasks = {}, {}
    for scan in scans:
        try:
            key = work.ledger.key("check", None, scan.files)
        except OSError as fault:
            work.leave_out(scan.name, "check", f"{fault.filename}: cannot be read ({fault.strerror}).")
            continue
        by_name[scan.name] = scan
        file = work.records / "checked" / f"{scan.name}.json"
        tasks[scan.name] = Task((scan, file), key, (file,))
    done = sorted(work.each("check", _check, tasks, executor))
    across, _ = find_duplicates(
        {
            (by_name[name].subject, name, sequence): digest
            for name in done
            for sequence, digest in read_json(tasks[name].outputs[0]).items()
        }
    )
    if across:
        raise InputError("\n".join(across))
    return [by_name[name] for name in done]


def prepare_scans(
    work: Work,
    scans: Sequence[Scan],
    out: Path,
    settings: PrepareSettings,
    executor: Executor,
    *,
    groups: Mapping[str, str] | None = None,
) -> tuple[list[PreparedScan], Keys]:
    """Prepare every scan; return those that succeeded, sorted by name, and their keys.

    Doubts about scans are told, and shown with everything else in `out`/index.html, with the scans' groups if given.
    """
    prepared, tasks = {}, {}
    for scan in scans:
        try:
            key = work.ledger.key("prepare", settings.model_dump(mode="json"), scan.files)
        except OSError as fault:
            work.leave_out(scan.name, "prepare", f"{fault.filename}: cannot be read ({fault.strerror}).")
            continue
        expected = PreparedScan(out, scan.subject, scan.session, tuple(scan.images))
        laid = map(expected.image, expected.sequences)
        outputs = (expected.record, expected.brain_mask, expected.slices_table, *laid)
        prepared[scan.name] = expected
        tasks[scan.name] = Task((scan, out, settings), key, outputs)
    done = work.each("prepare", _prepare, tasks, executor)
    finished = [prepared[name] for name in sorted(done)]
    if finished:
        write_index(out, groups)
    _tell_flags(work, finished, out)
    return finished, {name: tasks[name].key for name in done}


def _tell_flags(work: Work, scans: Sequence[PreparedScan], out: Path) -> None:
    """Say what is doubtful about scans: of the first few in sentences, of the others that there is something."""
    flags = {scan.name: scan.read_record().get("Flags", ()) for scan in scans}
    flagged = [name for name in flags if flags[name]]
    lines = [f"prepare: {name}: {flag}" for name in flagged[:MOST_NAMED] for flag in flags[name]]
    if flagged:
        lines.append(f"prepare: {len(flagged)} of {len(scans)} flagged, see {out / INDEX}")
    for line in lines:
        say(work.console, line, "yellow")


def cut_scans(
    work: Work,
    scans: Mapping[PreparedScan, str],
    keys: Keys,
    *,
    out: Path,
    settings: PictureSettings,
    executor: Executor,
) -> tuple[list[ScanPictures], Keys]:
    """Cut the pictures of every scan, given with its group; return where they are and whose, and their keys.

    All have the same rows and columns.
    """
    pictures, tasks = {}, {}
    shape = settings.shape_for(scan.brain_mm for scan in scans)
    for scan, group in scans.items():
        file = out / f"{scan.name}.npy"
        pictures[scan.name] = ScanPictures(file, f"sub-{scan.subject}", scan.name, group)
        key = work.ledger.key("pictures", [settings.model_dump(mode="json"), shape, keys[scan.name]])
        tasks[scan.name] = Task((scan, settings, shape, file), key, (file,))
    done = work.each("pictures", _cut, tasks, executor)
    return [pictures[name] for name in sorted(done)], {name: tasks[name].key for name in done}


def explain_scans(
    work: Work,
    scans: Sequence[PreparedScan],
    keys: Keys,
    *,
    trained: Mapping[str, TrainedModel],
    out: Path,
    settings: ExplainSettings,
    executor: Executor,
) -> Keys:
    """Explain every scan with the trained model that is its own; return the keys of those that succeeded."""
    tasks = {}
    for scan in sorted(scans, key=lambda scan: (str(trained[scan.name].folder), scan.name)):
        model = trained[scan.name]
        content = [settings.model_dump(mode="json", exclude={"subjects"}), keys[scan.name], model.key]
        key = work.ledger.key("explain", content)
        tasks[scan.name] = Task((model, scan, out, settings), key, (maps_path(scan, out, settings.method),))
    done = work.each("explain", _explain, tasks, executor)
    return {name: tasks[name].key for name in sorted(done)}


def _check(scan: Scan, file: Path) -> None:
    """Write the hashes of a scan's images to `file`; refuse images that cannot be used."""
    images = check_images(scan)
    problems = [image.problem for image in images if image.problem]
    if problems:
        raise InputError("; ".join(problems))
    write_json(file, {image.sequence: image.voxels_sha256 for image in images if image.voxels_sha256})


def _prepare(scan: Scan, out: Path, settings: PrepareSettings) -> None:
    prepare(scan, out, settings)


def _cut(scan: PreparedScan, settings: PictureSettings, shape: tuple[int, int], file: Path) -> None:
    pictures = cut_scan(scan, settings, shape)
    save_pictures(file, pictures.images, pictures.slices)


def _explain(trained: TrainedModel, scan: PreparedScan, out: Path, settings: ExplainSettings) -> None:
    model, card = load_once(trained)
    explain_scan(model, card, scan, out, settings)
