"""From scans as delivered to prepared ones: find them, check every image, prepare each."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout

from stratacam.errors import InputError
from stratacam.files import RECORDS, input_error_if_not_writable, read_json, remove_leftovers, write_json
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.check import check_images
from stratacam.scans.cohort.duplicates import find_duplicates
from stratacam.scans.cohort.sources import check_groups, find_cohort_scans, group_fault, read_cohort_groups
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.quality import INDEX, write_index
from stratacam.source_code import Entries
from stratacam.study.cache import Cache, Entry
from stratacam.study.configuration import CohortSettings
from stratacam.study.keys import entries_used
from stratacam.study.lock import at_work
from stratacam.study.progress import say
from stratacam.study.work import Work

MAXIMUM_NAMED = 5
"""Flagged scans whose flags are printed."""


def find_scans(
    work: Work, cohort: CohortSettings, *, given: bool = False
) -> tuple[list[Scan], dict[str, str]]:
    """Scans that have a group of the study, and the groups by scan such as "sub-01_ses-2".

    The groups of a study of a given classifier are its classes.

    Raises:
        InputError: if the input holds no scans, or their groups cannot be read or are not those of the settings.
    """
    scans, incomplete = find_cohort_scans(cohort.input, cohort.sequences, cohort.choose)
    groups = read_cohort_groups(cohort.input, scans, cohort.group_column)
    check_groups(cohort.input, groups, cohort.group_column, cohort.groups, given=given)
    for absent in incomplete:
        work.leave_out(absent.name, "find", absent.reason)
    usable = []
    for scan in scans:
        fault = group_fault(cohort.input, scan, groups, cohort.group_column, cohort.groups, given=given)
        if fault:
            work.leave_out(scan.name, "find", fault)
        else:
            usable.append(scan)
    return usable, groups


@dataclass(frozen=True)
class Check:
    """Hashes of a scan's images, in `file`."""

    scan: Scan
    file: Path

    @property
    def outputs(self) -> tuple[Path]:
        return (self.file,)

    def do(self) -> None:
        """Read every image.

        Raises:
            InputError: an image cannot be used.
        """
        images = check_images(self.scan)
        problems = [image.problem for image in images if image.problem]
        if problems:
            raise InputError("; ".join(problems))
        write_json(
            self.file, {image.sequence: image.voxels_sha256 for image in images if image.voxels_sha256}
        )


def check_scans(work: Work, scans: Sequence[Scan]) -> list[Scan]:
    """Read every image before any is prepared; return the scans that can be used.

    Raises:
        InputError: one image is there under two subjects, which a classifier would be tested on after learning from it;
            all are named.
    """
    by_name = {scan.name: scan for scan in scans}
    tasks = {
        name: Check(scan, work.cache.folder / "checked" / f"{name}.json") for name, scan in by_name.items()
    }
    done = sorted(work.each("check", tasks))
    across, _ = find_duplicates(
        {
            (by_name[name].subject, name, sequence): digest
            for name in done
            for sequence, digest in read_json(tasks[name].file).items()
        }
    )
    if across:
        raise InputError("\n".join(across))
    return [by_name[name] for name in done]


@dataclass(frozen=True)
class Prepare:
    """A scan prepared below `out`."""

    NOT_IN_CODE: ClassVar = ("stratacam.scans.quality",)
    """The quality page only shows the result."""

    scan: Scan
    out: Path
    settings: PrepareSettings

    @property
    def entries(self) -> Entries:
        return entries_used(sequences=self.scan.images)

    @property
    def prepared(self) -> PreparedScan:
        """Where it will be."""
        return PreparedScan(self.out, self.scan.subject, self.scan.session, tuple(self.scan.images))

    @property
    def outputs(self) -> tuple[Path, ...]:
        scan = self.prepared
        images = [scan.image(sequence) for sequence in scan.sequences]
        transforms = [scan.transform(sequence) for sequence in scan.sequences if sequence != "T1w"]
        transforms += [scan.template_transform] if self.settings.template else []
        beside = [*images, *transforms, scan.brain_mask]
        sidecars = [file.with_name(f"{file.name.partition('.')[0]}.json") for file in beside]
        return (scan.record, scan.slices_table, scan.quality_page, *beside, *sidecars)

    def do(self) -> None:
        prepare(self.scan, self.out, self.settings)


def prepare_scans(
    work: Work,
    scans: Sequence[Scan],
    out: Path,
    settings: PrepareSettings,
    *,
    groups: Mapping[str, str] | None = None,
    shared: bool = False,
) -> list[PreparedScan]:
    """Prepare every scan; return those that succeeded, sorted by name.

    Doubts about scans are said, and shown with everything else in `out`/index.html, with the scans' groups if given.
    The records of what is done are in `out`, so that whoever prepares the same scans there finds them done.

    Raises:
        InputError: `out` cannot be written; or others share it, and a scan there was prepared in another way.
    """
    cache = work.cache.at(out / RECORDS)
    tasks = {scan.name: Prepare(scan, out, settings.of(scan.images)) for scan in scans}
    with _locked(out, cache, work):
        entries = work.entries("prepare", tasks, cache)
        if shared:
            _refuse_another_way(cache, entries, out)
        done = sorted(work.do("prepare", entries, cache))
        for name in done:
            _find_delivered(cache, tasks[name], entries[name])
            work.cache.is_made(entries[name].key, tasks[name].prepared)
        if done and not work.only:
            write_index(out, groups)
    finished = [tasks[name].prepared for name in done]
    _say_flags(work, finished, out)
    return finished


@contextmanager
def _locked(out: Path, cache: Cache, work: Work) -> Iterator[None]:
    """Wait until nobody else prepares into `out`, and remove what killed processes left half written there."""
    if work.only:  # whoever does a part prepares other people than the others
        with at_work(cache.folder, shared=True):
            yield
        return
    lock = FileLock(cache.folder / "lock")
    with input_error_if_not_writable(
        lock.lock_file if isinstance(lock.lock_file, Path) else Path(lock.lock_file)
    ):
        cache.folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(work.console, f"prepare: waiting for another run that prepares into {out}")
            lock.acquire()
    try:
        remove_leftovers(out)
        yield
    finally:
        lock.release()


def _refuse_another_way(cache: Cache, entries: Mapping[str, Entry], out: Path) -> None:
    """Other studies read what is there: new scans and new content are welcome, another preparation is not."""
    for name, entry in entries.items():
        before = cache.parts_of("prepare", name)
        asked = {
            part
            for part in {*before, *entry.parts}
            if part.startswith("settings.") or part == "scan.images"  # the sequences, in order
        }
        if before and any(before.get(part) != entry.parts.get(part) for part in asked):
            raise InputError(
                f"cohort.prepared: {out} is shared, and {name} was prepared there in another way: "
                f"{'; '.join(cache.why('prepare', name, entry))}. Give the same settings and sequences, or another "
                "folder."
            )


def _find_delivered(cache: Cache, task: Prepare, entry: Entry) -> None:
    """Where scans were moved, say in the record where they are now."""
    record = task.prepared.read_record()
    delivered = {name: str(path.resolve()) for name, path in task.scan.images.items()}
    if record.get("Delivered") != delivered:
        write_json(task.prepared.record, {**record, "Delivered": delivered})
        cache.finish("prepare", task.scan.name, entry)


def _say_flags(work: Work, scans: Sequence[PreparedScan], out: Path) -> None:
    """Say what is doubtful about scans: of the first few in sentences, of the others that there is something."""
    flags = {scan.name: scan.read_record().get("Flags", ()) for scan in scans}
    flagged = [name for name in flags if flags[name]]
    lines = [f"prepare: {name}: {flag}" for name in flagged[:MAXIMUM_NAMED] for flag in flags[name]]
    if flagged:
        lines.append(f"prepare: {len(flagged)} of {len(scans)} flagged, see {out / INDEX}")
    for line in lines:
        say(work.console, line, "yellow")


def take_prepared(work: Work, scans: Sequence[PreparedScan]) -> None:
    """Know scans that were prepared elsewhere by the content of their files."""
    for scan in scans:
        files = [*scan.anat.glob(f"{scan.name}_*"), *map(scan.delivered, scan.sequences)]
        work.cache.is_made(work.cache.content_of(files), scan)
