"""Labelled slices on disk: one memory-mapped file per scan, so that no cohort is ever held in memory."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.files import whole_file
from stratacam.networks import Dimensions, takes_brain
from stratacam.scans.channels import fill_channels
from stratacam.scans.frame import whole_depth

BRAIN = "brain"
"""Name of the brain's mask among the masks of pictures; the others go by their labels."""


@dataclass(frozen=True)
class ScanPictures:
    """The pictures of one scan: their file, the subject, the name of the scan, and its group.

    With `dimensions` 3 they are the slices of one volume, which networks see as a whole.
    """

    file: Path
    subject: str
    scan: str
    group: str
    dimensions: Dimensions = 2


@dataclass(frozen=True)
class SliceDataset:
    """Slices of many scans, or whole volumes, as one numbered list, read from disk when needed.

    The arrays have one entry per slice: the scan (position in `scans`), the picture's position in the file
    of that scan, the slice's index in the prepared volume, the label (position in `classes`) and the subject
    (position in `subjects`, which is sorted).

    Where `depth` is given there is one entry per scan, a volume of so many slices: its own in the middle, and empty
    ones before and after them; position and index are those of its first slice. Whatever is said of slices elsewhere
    is then said of volumes, (C, D, H, W) in place of (C, H, W).
    """

    scans: tuple[ScanPictures, ...]
    classes: tuple[str, ...]
    subjects: tuple[str, ...]
    scan: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    slice_index: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    subject: npt.NDArray[np.int64]
    depth: int | None = None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def dimensions(self) -> Dimensions:
        """2 of slices, 3 of volumes."""
        return 2 if self.depth is None else 3

    def read(self, rows: npt.ArrayLike) -> torch.Tensor:
        """Return the pictures of `rows`, (B, C, H, W) float32 in [0, 1]; one channel is given three times."""
        pictures = self._read(rows, lambda scan: scan.file)
        channels_first = pictures if self.depth is None else pictures.swapaxes(1, 2)
        return torch.from_numpy(np.ascontiguousarray(fill_channels(channels_first)))

    def read_brain(self, rows: npt.ArrayLike) -> torch.Tensor:
        """Return where the brain is in the pictures of `rows`, (B, 1, H, W) float32: 1 inside, 0 outside."""
        return self.read_mask(rows, BRAIN)

    def read_mask(self, rows: npt.ArrayLike, name: str) -> torch.Tensor:
        """Return a mask, the brain's or that of a label, in the pictures of `rows`; as `read_brain`."""
        return torch.from_numpy(self._read(rows, lambda scan: mask_file(scan.file, name))[:, None])

    def _read(self, rows: npt.ArrayLike, file: Callable[[ScanPictures], Path]) -> npt.NDArray[np.float32]:
        """What lies in the files of the scans of `rows`, as float32."""
        found = []
        opened: dict[int, npt.NDArray[np.generic]] = {}
        for row in np.asarray(rows, dtype=np.int64):
            scan = int(self.scan[row])
            if scan not in opened:
                opened[scan] = np.load(file(self.scans[scan]), mmap_mode="r")
            of_scan = opened[scan]
            one = of_scan[self.position[row]] if self.depth is None else in_the_middle(of_scan, self.depth)
            found.append(one.astype(np.float32))
        return np.stack(found)

    def read_for(self, network: nn.Module, rows: npt.ArrayLike) -> tuple[torch.Tensor, ...]:
        """Return what a network is called with: the pictures of `rows`, and the brain in them if it takes it."""
        return (self.read(rows), self.read_brain(rows)) if takes_brain(network) else (self.read(rows),)

    def take(self, rows: npt.ArrayLike) -> Self:
        """Return the slices `rows`, renumbered from 0; scans and subjects without slices are left out."""
        rows = np.asarray(rows, dtype=np.int64)
        if not len(rows):
            raise ValueError("no slices to take")
        scans, scan = np.unique(self.scan[rows], return_inverse=True)
        subjects, subject = np.unique(self.subject[rows], return_inverse=True)
        return replace(
            self,
            scans=tuple(self.scans[number] for number in scans),
            subjects=tuple(self.subjects[number] for number in subjects),
            scan=scan.reshape(-1),
            position=self.position[rows],
            slice_index=self.slice_index[rows],
            label=self.label[rows],
            subject=subject.reshape(-1),
        )

    def subject_labels(self) -> npt.NDArray[np.int64]:
        """Return the label of each subject's first scan, in the order of `subjects`."""
        return np.asarray(self.label[np.unique(self.subject, return_index=True)[1]])


def save_pictures(file: Path, images: npt.ArrayLike, brain: npt.ArrayLike, slices: npt.ArrayLike) -> None:
    """Save the pictures of one scan for memory mapping, with the brain in them and their slice indices beside them.

    Args:
        file: a `.npy` file; the brain goes to the same name with `_brain.npy`, the indices with `_slices.npy`.
        images: (n, C, H, W) in [0, 1], stored as float16, in steps of 0.0005 at most.
        brain: (n, H, W), where the brain is, stored as uint8.
        slices: (n,) the index of each slice in the prepared volume.
    """
    save_mask(file, BRAIN, brain)
    for target, content in (
        (slices_file(file), np.asarray(slices, dtype=np.int64)),
        (file, np.asarray(images, np.float16)),
    ):
        with whole_file(target) as temporary:
            np.save(temporary, content)


def save_mask(file: Path, name: str, mask: npt.ArrayLike) -> None:
    """Save a mask (n, H, W) of the pictures in `file`, as uint8, beside them."""
    with whole_file(mask_file(file, name)) as temporary:
        np.save(temporary, np.asarray(mask, dtype=np.uint8))


def make_dataset(scans: Sequence[ScanPictures], classes: Sequence[str]) -> SliceDataset:
    """Number the slices of `scans`, scan after scan in order of name.

    Raises:
        InputError: no scans, a group that is not among `classes`, or files that do not belong together.
    """
    scans = tuple(sorted(scans, key=lambda scan: scan.scan))
    if not scans:
        raise InputError("pictures: found no scan; expected at least one: see why the scans were left out.")
    slices, counts = [], []
    sizes: set[tuple[int, ...]] = set()
    volumes = {scan.dimensions for scan in scans} == {3}
    for scan in scans:
        if scan.group not in classes:
            raise InputError(
                f'{scan.scan}, group: found "{scan.group}"; expected one of {", ".join(classes)}: '
                "correct the groups of the cohort or the classes of the study."
            )
        index, shape = np.load(slices_file(scan.file)), np.load(scan.file, mmap_mode="r").shape
        sizes.add(shape[1:])
        if len(shape) != 4 or len(index) != shape[0] or len(sizes) > 1:
            raise InputError(
                f"{scan.file}: found pictures of shape {shape} for {len(index)} slices; expected "
                f"(slices, channels, height, width), one picture for each slice, all of one size: "
                "cut the pictures again."
            )
        slices.append(index[:1] if volumes else index)
        counts.append(len(index))
    subjects = tuple(sorted({scan.subject for scan in scans}))
    scan_of = np.repeat(np.arange(len(scans)), [len(index) for index in slices])
    label_of_scan = np.array([list(classes).index(scan.group) for scan in scans])
    subject_of_scan = np.searchsorted(subjects, [scan.subject for scan in scans])
    return SliceDataset(
        scans=scans,
        classes=tuple(classes),
        subjects=subjects,
        scan=scan_of,
        position=np.concatenate([np.arange(len(index)) for index in slices]),
        slice_index=np.concatenate(slices),
        label=label_of_scan[scan_of],
        subject=subject_of_scan[scan_of],
        depth=whole_depth(max(counts)) if volumes else None,
    )


def in_the_middle(stack: npt.NDArray[Any], depth: int) -> npt.NDArray[Any]:
    """A stack (n, ...) in the middle of `depth`, with zeros before and after it.

    Example:
        >>> in_the_middle(np.array([1, 2, 3]), 6).tolist()
        [0, 1, 2, 3, 0, 0]
    """
    before = (depth - len(stack)) // 2
    around = (before, depth - len(stack) - before)
    return np.pad(stack, [around, *[(0, 0)] * (stack.ndim - 1)])


def batches(count: int, batch_size: int) -> list[npt.NDArray[np.int64]]:
    """Return 0 ... count - 1 in batches of nearly equal size, none above `batch_size`.

    Example:
        >>> [batch.tolist() for batch in batches(5, 2)]
        [[0, 1], [2, 3], [4]]
    """
    return np.array_split(np.arange(count), math.ceil(count / batch_size))


def brain_file(file: Path) -> Path:
    """Where the brain in the pictures in `file` is."""
    return mask_file(file, BRAIN)


def mask_file(file: Path, name: str) -> Path:
    """Where a mask of the pictures in `file` is."""
    return file.with_name(f"{file.stem}_{name if name == BRAIN else f'label-{name}'}.npy")


def mask_names(guide: str | None, *, brain: bool) -> tuple[str, ...]:
    """The masks that are read with pictures: the brain first where the network takes it, and the one that guides it.

    Example:
        >>> mask_names("brain", brain=True), mask_names("lesion", brain=True), mask_names(None, brain=False)
        (('brain',), ('brain', 'lesion'), ())
    """
    return tuple(dict.fromkeys((*((BRAIN,) if brain else ()), *((guide,) if guide else ()))))


def slices_file(file: Path) -> Path:
    """Where the slice indices of the pictures in `file` are."""
    return file.with_name(f"{file.stem}_slices.npy")
