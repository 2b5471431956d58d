"""Steps that work on one scan at a time: find, prepare, cut pictures, explain."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stratacam.errors import InputError
from stratacam.files import read_json, remove_leftovers, write_json
from stratacam.learning import ScanPictures
from stratacam.learning.dataset import slices_file
from stratacam.maps import ExplainSettings, maps_path
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.duplicates import find_duplicates
from stratacam.scans.cohort.sources import find_cohort_scans, group_fault, read_cohort_groups
from stratacam.scans.pictures import PictureSettings
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.quality import INDEX, write_index
from stratacam.study.configuration import CohortSettings
from stratacam.study.ledger import Ledger, Task
from stratacam.study.progress import say
from stratacam.study.scan_work import check, cut
from stratacam.study.trained import TrainedModel, explain
from stratacam.study.work import Work

MOST_NAMED = 5
"""Flagged scans whose flags are printed."""

RECORDS = ".stratacam"
"""Folder of the records of what is done, in every folder that work is done in."""


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
        file = work.records / "checked" / f"{scan.name}.json"
        try:
            tasks[scan.name] = work.task(check, scan, file, outputs=[file])
        except OSError as fault:
            work.leave_out(scan.name, "check", f"{fault.filename}: cannot be read ({fault.strerror}).")
            continue
        by_name[scan.name] = scan
    done = sorted(work.each("check", tasks, executor))
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
    shared: bool = False,
) -> list[PreparedScan]:
    """Prepare every scan; return those that succeeded, sorted by name.

    Doubts about scans are told, and shown with everything else in `out`/index.html, with the scans' groups if given.
    The records of what is done are in `out`, so that whoever prepares the same scans there finds them done.

    Raises:
        InputError: others share `out`, and a scan there was prepared in another way.
    """
    ledger = Ledger(out / RECORDS)
    prepared, tasks = {}, {}
    for scan in scans:
        expected = PreparedScan(out, scan.subject, scan.session, tuple(scan.images))
        try:
            task = ledger.task(prepare, scan, out, settings, outputs=_files_of(expected, settings))
        except OSError as fault:
            work.leave_out(scan.name, "prepare", f"{fault.filename}: cannot be read ({fault.strerror}).")
            continue
        prepared[scan.name], tasks[scan.name] = expected, task
    with _alone_in(out, ledger, work):
        if shared:
            _refuse_another_way(ledger, tasks, out)
        done = work.each("prepare", tasks, executor, ledger)
        finished = [prepared[name] for name in sorted(done)]
        for delivered in scans:
            if delivered.name in done:
                _find_delivered(ledger, delivered, prepared[delivered.name], tasks[delivered.name])
        if finished:
            write_index(out, groups)
    for one in finished:
        work.ledger.is_made(tasks[one.name].key, one, *tasks[one.name].outputs)
    _tell_flags(work, finished, out)
    return finished


@contextmanager
def _alone_in(out: Path, ledger: Ledger, work: Work) -> Iterator[None]:
    """Wait until nobody else prepares into `out`, and remove what killed processes left half written there."""
    ledger.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(ledger.folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        work.console.print(f"prepare: waiting for another run that prepares into {out}", soft_wrap=True)
        lock.acquire()
    try:
        remove_leftovers(out)
        yield
    finally:
        lock.release()


def _files_of(scan: PreparedScan, settings: PrepareSettings) -> tuple[Path, ...]:
    """Everything that preparing leaves of a scan."""
    images = [scan.image(sequence) for sequence in scan.sequences]
    transforms = [scan.transform(sequence) for sequence in scan.sequences if sequence != "T1w"]
    transforms += [scan.template_transform] if settings.template else []
    beside = [*images, *transforms, scan.brain_mask]
    sidecars = [file.with_name(f"{file.name.partition('.')[0]}.json") for file in beside]
    return (scan.record, scan.slices_table, scan.quality_page, *beside, *sidecars)


def _refuse_another_way(ledger: Ledger, tasks: Mapping[str, Task], out: Path) -> None:
    """Other studies read what is there: new scans and new content are welcome, another preparation is not."""
    for name, task in tasks.items():
        before = ledger.parts_of("prepare", name)
        asked = {part for part in {*before, *task.parts} if part.startswith(("settings.", "scan.images."))}
        if before and any(
            (part in before) != (part in task.parts)
            or (part.startswith("settings.") and before[part] != task.parts[part])
            for part in asked
        ):
            raise InputError(
                f"cohort.prepared: {out} is shared, and {name} was prepared there in another way: "
                f"{'; '.join(ledger.why('prepare', name, task))}. Give the same settings and sequences, or another "
                "folder."
            )


def _find_delivered(ledger: Ledger, scan: Scan, prepared: PreparedScan, task: Task) -> None:
    """Where scans were moved, say in the record where they are now."""
    record = prepared.read_record()
    delivered = {name: str(path.resolve()) for name, path in scan.images.items()}
    if record.get("Delivered") != delivered:
        write_json(prepared.record, {**record, "Delivered": delivered})
        ledger.finish("prepare", scan.name, task)


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
    *,
    out: Path,
    settings: PictureSettings,
    executor: Executor,
) -> list[ScanPictures]:
    """Cut the pictures of every scan, given with its group; return where they are and whose.

    All have the same rows and columns.
    """
    pictures, tasks = {}, {}
    shape = settings.shape_for(scan.brain_mm for scan in scans)
    for scan, group in scans.items():
        file = out / f"{scan.name}.npy"
        pictures[scan.name] = ScanPictures(file, f"sub-{scan.subject}", scan.name, group)
        tasks[scan.name] = work.task(cut, scan, settings, shape, file, outputs=[file, slices_file(file)])
    done = work.each("pictures", tasks, executor)
    return [pictures[name] for name in sorted(done)]


def explain_scans(
    work: Work,
    scans: Sequence[PreparedScan],
    *,
    trained: Mapping[str, TrainedModel],
    out: Path,
    settings: ExplainSettings,
    executor: Executor,
) -> set[str]:
    """Explain every scan with the trained model that is its own; return the names of those that succeeded."""
    tasks = {}
    for scan in sorted(scans, key=lambda scan: (str(trained[scan.name].folder), scan.name)):
        maps = maps_path(scan, out, settings.method).parent
        tasks[scan.name] = work.task(explain, trained[scan.name], scan, out, settings, outputs=[maps])
    return work.each("explain", tasks, executor)
