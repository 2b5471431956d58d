"""The series in a folder: frames sorted into stacks of one volume each, and the faults of these."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.scans.dicom.affine import affine_of
from stratacam.scans.dicom.headers import Frame, Slice, read_frames
from stratacam.scans.dicom.opening import ArchiveError, NotAnImageError, archive_kind

SAME_DIRECTION = 1e-3  # largest difference of direction cosines inside a stack
SAME_POSITION_MM = 1e-2
UNEVEN = 0.05  # a distance between slices may differ from the usual one by this part


@dataclass(frozen=True)
class Stack:
    """Slices of one series with the same orientation, matrix, voxel size, image type and echo time."""

    first: Frame  # any of its frames: what they have in common
    slices: tuple[Slice, ...]  # along the normal of the slices
    part: int  # of several stacks of one series, from 1
    parts: int
    differ: tuple[str, ...] = ()  # in what the stacks of the series differ
    shares_file: bool = False  # an enhanced file holds slices of another stack as well
    letter: str = ""  # where another series of its study has the same number

    @property
    def name(self) -> str:
        """The series as a reader knows it: "3", "3a" beside another of that number, or "3 (part 1 of 2)"."""
        number = f"{self.first.series_number}{self.letter}"
        return number if self.parts == 1 else f"{number} (part {self.part} of {self.parts})"

    @property
    def spacing_mm(self) -> float | None:
        """The usual distance between neighbouring slices; None where positions are missing."""
        steps = _steps(self)
        return float(np.median(steps)) if steps is not None and len(steps) else None

    @property
    def moment(self) -> str:
        """When its acquisition began; empty where no slice says so."""
        return min(filter(None, (one.moment for one in self.slices)), default="")

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """How far the volume reaches along its columns, rows and slices; 0 where the header does not say."""
        (rows, columns), spacing = self.first.shape, self.first.spacing or (0.0, 0.0)
        return rows * spacing[0], columns * spacing[1], len(self.slices) * (self.spacing_mm or 0.0)


@dataclass
class Contents:
    """What a folder holds."""

    stacks: list[Stack]
    ignored: Counter[str] = field(default_factory=Counter)  # kind of file -> how many
    archives: Counter[str] = field(default_factory=Counter)  # likewise
    damaged: list[str] = field(default_factory=list)  # messages, with the path


def read_folder(folder: Path, keywords: Collection[str]) -> Contents:
    """Read the headers of every file below a folder, with these DICOM keywords, and sort them into stacks.

    Returns:
        The stacks in order of patient, study and series number, and the files that belong to none.

    Raises:
        InputError: no such folder, an empty one, or one without DICOM files.
    """
    if folder.is_file():
        kind = archive_kind(folder) or "file"
        unpack = "unpack it and " if kind != "file" else ""
        raise InputError(
            f"{folder}: is a {kind}, not a folder; expected a folder of DICOM files: {unpack}give that."
        )
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with DICOM files: correct the path.")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if not files:
        raise InputError(f"{folder}: holds no files; expected DICOM files: give their folder.")
    contents = Contents([])
    groups: dict[tuple[object, ...], list[tuple[Frame, list[Slice]]]] = {}
    for frame in _frames(files, keywords, contents):
        _sort_in(groups.setdefault((frame.patient, frame.person, frame.study, frame.series), []), frame)
    if contents.archives:
        found = ", ".join(f"{count} {kind}" for kind, count in contents.archives.items())
        contents.damaged.append(
            f"{folder}: holds archives ({found}), which are not read; expected files: unpack them."
        )
    if not groups and contents.archives:
        raise InputError(contents.damaged[-1])
    if not groups and not contents.damaged:
        found = ", ".join(f"{count} {kind}" for kind, count in contents.ignored.items())
        raise InputError(
            f"{folder}: holds no MR images in DICOM ({len(files)} files: {found}); expected some: give their folder."
        )
    for stacks in groups.values():
        contents.stacks.extend(_stacks(stacks))
    contents.stacks = _lettered(sorted(contents.stacks, key=_order))
    return contents


def _lettered(stacks: list[Stack]) -> list[Stack]:
    """The stacks, with letters for series of one study that have the same number."""
    series: dict[tuple[object, ...], list[str]] = {}
    for stack in stacks:
        same = series.setdefault(_number_of(stack), [])
        same += [] if stack.first.series in same else [stack.first.series]
    return [
        replace(stack, letter=_letters(same.index(stack.first.series))) if len(same) > 1 else stack
        for stack in stacks
        for same in [series[_number_of(stack)]]
    ]


def _number_of(stack: Stack) -> tuple[object, ...]:
    return (stack.first.patient, stack.first.person, stack.first.study, stack.first.series_number)


def _letters(place: int) -> str:
    """0, 1 ... as a, b ... z, aa, ab ..."""
    more, last = divmod(place, 26)
    return (_letters(more - 1) if more else "") + chr(ord("a") + last)


def _frames(files: Iterable[Path], keywords: Collection[str], contents: Contents) -> Iterator[Frame]:
    """The frames of all files, each image once; files without any are noted in `contents`."""
    seen: set[tuple[object, ...]] = set()
    for path in files:
        try:
            frames = read_frames(path, keywords)
        except ArchiveError as kind:
            contents.archives[str(kind)] += 1
        except NotAnImageError as reason:
            contents.ignored[str(reason)] += 1
        except InputError as fault:
            contents.damaged.append(str(fault))
        else:
            first = frames[0]
            image = (first.slice.uid, first.patient, first.series, first.slice.position)
            if image in seen:
                contents.ignored["second copy of a DICOM file"] += 1
                continue
            seen.add(image)
            yield from frames


def affine_lps(stack: Stack) -> NDArray[np.float64]:
    """The affine of a stack without fault: (column, row, slice) to LPS mm, by pydicom's reading of the headers.

    Returns:
        (4, 4). Slices count along the normal of the image plane (row direction x column direction).
    """
    frame = stack.first
    assert frame.orientation is not None  # noqa: S101 - stack_fault has been asked
    assert frame.spacing is not None  # noqa: S101
    positions = [one.position for one in stack.slices if one.position]
    return affine_of(frame.orientation, frame.spacing, positions)


def stack_fault(stack: Stack) -> str | None:
    """Why a stack is not one whole volume; None if it is. The text names nothing of the patient or the files."""
    if stack.first.orientation is None or stack.first.spacing is None:
        return "ImageOrientationPatient or PixelSpacing is missing, so that its place is not known; export it again"
    if any(one.position is None for one in stack.slices):
        return "ImagePositionPatient is missing in a slice, so that its place is not known; export it again"
    if (worlds := len({one.reference for one in stack.slices if one.reference})) > 1:
        return f"its slices lie in {worlds} frames of reference, whose positions cannot be compared; export it again"
    faults = Counter(one.fault for one in stack.slices if one.fault)
    if faults:
        text, count = faults.most_common(1)[0]
        return f"{count} of {len(stack.slices)} slices: {text}"
    if stack.shares_file:
        return (
            f"an enhanced file holds {stack.parts} stacks that differ in {', '.join(stack.differ)}: export them "
            "as classic DICOM, a file per slice"
        )
    return _gap(stack)


def _gap(stack: Stack) -> str | None:
    steps = _steps(stack)
    if steps is None or not len(steps):
        return "it has a single slice"
    if (steps < SAME_POSITION_MM).any():
        places = int((steps >= SAME_POSITION_MM).sum()) + 1
        return (
            f"{len(stack.slices)} images at {places} positions: several volumes in one series, no single one"
        )
    usual = float(np.median(steps))
    odd = np.flatnonzero(np.abs(steps - usual) > UNEVEN * usual)
    if len(odd):
        along = _along(stack)
        gaps = "; ".join(f"{along[i]:.2f} to {along[i + 1]:.2f} mm" for i in odd[:3])
        return (
            f"a slice is missing: slices are {usual:.2f} mm apart, but not from {gaps} along their normal "
            f"({len(odd)} uneven): export the whole series"
        )
    affine = affine_lps(stack)
    line = affine[:3, 3] + np.arange(len(stack.slices))[:, None] * affine[:3, 2]
    drift = np.abs(np.array([one.position for one in stack.slices]) - line).max()
    lean = 1 - abs(affine[:3, 2] @ _normal(stack.first)) / np.linalg.norm(affine[:3, 2])
    if drift > UNEVEN * usual or lean > SAME_DIRECTION:
        return (
            "its slices do not lie straight above each other, so that no NIfTI can hold them; export it again"
        )
    return None


def _sort_in(stacks: list[tuple[Frame, list[Slice]]], frame: Frame) -> None:
    for first, slices in stacks:
        if not _differences(first, frame):
            slices.append(frame.slice)
            return
    stacks.append((frame, [frame.slice]))


def _differences(one: Frame, other: Frame) -> list[str]:
    """What keeps two frames of a series from being in one stack."""
    same: Mapping[str, bool] = {
        "matrix": one.shape == other.shape,
        "orientation": _close(one.orientation, other.orientation),
        "voxel size": _close(one.spacing, other.spacing),
        "image type": one.image_type == other.image_type,
        "colour": one.colours == other.colours,
        "echo time": one.header.get("EchoTime") == other.header.get("EchoTime"),
    }
    return [name for name, holds in same.items() if not holds]


def _close(one: tuple[float, ...] | None, other: tuple[float, ...] | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(abs(a - b) <= SAME_DIRECTION for a, b in zip(one, other, strict=True))


def _stacks(found: list[tuple[Frame, list[Slice]]]) -> list[Stack]:
    reference = found[0][0]
    differ = tuple(dict.fromkeys(name for frame, _ in found for name in _differences(reference, frame)))
    users = Counter(path for _, slices in found for path in {one.path for one in slices})
    return [
        Stack(
            first=frame,
            slices=tuple(sorted(slices, key=lambda one: _height(frame, one))),
            part=part,
            parts=len(found),
            differ=differ,
            shares_file=any(users[one.path] > 1 for one in slices),
        )
        for part, (frame, slices) in enumerate(found, start=1)
    ]


def _normal(frame: Frame) -> NDArray[np.float64]:
    """The normal of the image plane: row direction x column direction (LPS)."""
    assert frame.orientation is not None  # noqa: S101 - whoever asks has looked
    row, column = np.split(np.array(frame.orientation), 2)
    return np.cross(row, column)


def _height(frame: Frame, one: Slice) -> float:
    """Where a slice lies along the normal of its plane, in mm."""
    if one.position is None or frame.orientation is None:
        return 0.0
    return float(_normal(frame) @ np.array(one.position))


def _along(stack: Stack) -> NDArray[np.float64]:
    return np.array([_height(stack.first, one) for one in stack.slices])


def _steps(stack: Stack) -> NDArray[np.float64] | None:
    if stack.first.orientation is None or any(one.position is None for one in stack.slices):
        return None
    return np.diff(_along(stack))


def _order(stack: Stack) -> tuple[str, str, str, int, str, str, int]:
    frame = stack.first
    return (
        frame.patient,
        frame.study_moment,
        frame.study,
        frame.series_number,
        stack.moment,
        frame.series,
        stack.part,
    )
