"""An export: maps of a finished study, in the formats that are wanted, into a folder."""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from stratacam.errors import InputError
from stratacam.export.choose import ChosenMap, Wanted, choose_maps
from stratacam.export.dicom import find_source, read_sources, write_dicom
from stratacam.export.pictures import check_film, write_gif, write_mp4, write_png
from stratacam.export.placed import PlacedMap
from stratacam.files import check_apart, read_json, remove_leftovers
from stratacam.maps import ExplainSettings
from stratacam.maps.formats import write_formats
from stratacam.scans.cohort.sources import check_out, input_places
from stratacam.scans.dicom.link import LinkedSeries
from stratacam.study.folders import StudyFolders

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Of what a place for results can lack, that which no further scan would find there."""

Group = Sequence[PlacedMap]
"""Maps of one scan by one method, over one sequence."""

WriteGroup = Callable[[Group, Path, Mapping[str, LinkedSeries]], list[Path]]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        files: by format.
        left_out: scans that could not be exported, each with the reason.
        remark: on the choice of the maps, or "".
    """

    files: Mapping[str, tuple[Path, ...]]
    left_out: Mapping[str, str]
    remark: str


def export_study(
    folders: StudyFolders,
    out: Path,
    wanted: Wanted,
    formats: Sequence[str],
    *,
    link: Path | None = None,
    console: Console,
) -> Exported:
    """Write maps of a finished study for others.

    Args:
        folders: of the study; nothing is written there.
        out: folder of the results, with a folder for each format.
        wanted: which maps.
        formats: some of `WRITERS`.
        link: the file that leads back to DICOM, for that format.
        console: for progress.

    Raises:
        InputError: there are no such maps, a format lacks what it needs, nothing could be written, or `out` touches
            the study or its cohort.
    """
    cohort = read_json(folders.configuration).get("cohort", {}).get("input")
    inputs = [folders.root, folders.prepared, *([Path(cohort)] if cohort else [])]
    check_out(out, *inputs)
    series = read_sources(link) if "dicom" in formats else {}
    if "mp4" in formats:
        check_film()
    chosen, remark, left_out = choose_maps(folders, wanted)
    groups, without = _groups(chosen, wanted)
    left_out |= without
    for name, reason in left_out.items():
        _say_left_out(console, name, reason)
    for place in {place for group in groups for one in formats for place in _places(group, out, one)}:
        check_apart([there for given in inputs for there in input_places(given)], place)
    remove_leftovers(out)
    files: dict[str, list[Path]] = {one: [] for one in formats}
    for group in groups:
        for one in formats:
            try:
                files[one] += WRITERS[one](group, out, series)
            except InputError as fault:
                if isinstance(fault.__cause__, OSError) and fault.__cause__.errno in FULL:
                    raise
                left_out[group[0].name] = str(fault)
                _say_left_out(console, group[0].name, str(fault))
                break
        else:
            console.print(f"{group[0].name}: {', '.join(formats)}", highlight=False, markup=False)
    if not any(files.values()):
        raise InputError(f"{out}: nothing could be exported; {next(iter(left_out.values()))}")
    return Exported({one: tuple(found) for one, found in files.items()}, left_out, remark)


def _places(group: Group, out: Path, kind: str) -> set[Path]:
    """The folders that files of a format go to, any of which may be a link into an input."""
    return {_nifti_folder(one, out) if kind == "nifti" else one.folder(out, kind) for one in group}


def _say_left_out(console: Console, name: str, reason: str) -> None:
    console.print(
        f"{name}: left out: {reason}", style="yellow", highlight=False, markup=False, soft_wrap=True
    )


def _groups(chosen: Sequence[ChosenMap], wanted: Wanted) -> tuple[list[list[PlacedMap]], dict[str, str]]:
    """Maps by their store, which is of one scan and method, and by sequence; and what has no such sequence."""
    groups: dict[tuple[Path, str], list[PlacedMap]] = {}
    without: dict[str, str] = {}
    for one in chosen:
        for sequence in wanted.sequences:
            if sequence not in (known := one.maps.geometry.delivered):
                without[f"{one.maps.name} {sequence}"] = (
                    f"--sequence: found {sequence}; expected one of {', '.join(known)}, over whose scans the maps of "
                    f"{one.maps.name} can be laid: choose of these."
                )
                continue
            placed = PlacedMap(one, sequence, wanted.signed)
            groups.setdefault((one.maps.path, sequence), []).append(placed)
    return list(groups.values()), without


def _nifti(group: Group, out: Path, _: Mapping[str, LinkedSeries]) -> list[Path]:
    """The study's own NIfTI, over the scan as delivered and on the prepared grid."""
    files: set[Path] = set()
    for placed in group:
        maps = placed.chosen.maps
        settings = ExplainSettings(nifti_scans=(placed.sequence,))
        files |= write_formats(_nifti_folder(placed, out), maps, placed.chosen.layer, settings)
    return sorted(files)


def _nifti_folder(placed: PlacedMap, out: Path) -> Path:
    return placed.folder(out, "nifti") / placed.chosen.maps.name


def _dicom(group: Group, out: Path, series: Mapping[str, LinkedSeries]) -> list[Path]:
    first = group[0].chosen
    source = find_source(
        first.scan, group[0].sequence, first.maps.geometry.delivered[group[0].sequence], series
    )
    return [
        path
        for placed in group
        for path in write_dicom(source, placed, placed.folder(out, "dicom") / placed.stem)
    ]


def _each(write: Callable[[PlacedMap, Path], list[Path]]) -> WriteGroup:
    """A writer of single maps, for the maps of a group one after the other."""

    def written(group: Group, out: Path, _: Mapping[str, LinkedSeries]) -> list[Path]:
        return [path for placed in group for path in write(placed, out)]

    return written


WRITERS: Mapping[str, WriteGroup] = {
    "nifti": _nifti,
    "png": _each(write_png),
    "gif": _each(write_gif),
    "mp4": _each(write_mp4),
    "dicom": _dicom,
}
