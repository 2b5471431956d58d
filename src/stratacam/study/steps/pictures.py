"""The pictures of every scan, as networks see them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stratacam.errors import InputError
from stratacam.learning import ScanPictures
from stratacam.learning.dataset import BRAIN, brain_file, mask_file, save_mask, save_pictures, slices_file
from stratacam.scans.frame import Frame
from stratacam.scans.labels import find_masks, masks_of, read_mask
from stratacam.scans.pictures import PictureSettings, cut_mask, cut_scan
from stratacam.scans.prepared import PreparedScan
from stratacam.study.work import Work


@dataclass(frozen=True)
class Cut:
    """The pictures of a scan in `file`, and the mask of a label in them where one is wanted.

    Attributes:
        label: of the mask; None where none is wanted.
        mask: that of the scan; None where it has none, whose pictures' mask is empty.
    """

    scan: PreparedScan
    settings: PictureSettings
    frame: Frame
    file: Path
    label: str | None = None
    mask: Path | None = None

    @property
    def outputs(self) -> tuple[Path, ...]:
        files = self.file, brain_file(self.file), slices_file(self.file)
        return (*files, mask_file(self.file, self.label)) if self.label else files

    def do(self) -> None:
        found = cut_scan(self.scan, self.settings, self.frame)
        save_pictures(self.file, found.images, found.brain, found.slices)
        if self.label:
            inside = np.zeros_like(found.brain)
            if self.mask:
                inside = cut_mask(read_mask(self.mask, self.scan), found.geometry, len(found.images))
            save_mask(self.file, self.label, inside)


def cut_scans(
    work: Work,
    scans: Mapping[PreparedScan, str],
    *,
    out: Path,
    settings: PictureSettings,
    frame: Frame,
    guide: str | None,
    cohort: Path,
) -> list[ScanPictures]:
    """Cut the pictures of every scan, given with its group, in one frame; return where they are and whose.

    With them the mask that guides training is cut, where it is not the brain's but that of a label in the `cohort`.

    Raises:
        InputError: no scan has a mask of that label.
    """
    label = None if guide == BRAIN else guide
    masks = _find_guides(scans, cohort, label) if label else {}
    pictures, tasks = {}, {}
    for scan, group in scans.items():
        file = out / f"{scan.name}.npy"
        pictures[scan.name] = ScanPictures(file, f"sub-{scan.subject}", scan.name, group, settings.dimensions)
        tasks[scan.name] = Cut(scan, settings, frame, file, label, masks.get(scan.name))
    return [pictures[name] for name in sorted(work.each("pictures", tasks))]


def _find_guides(scans: Iterable[PreparedScan], cohort: Path, label: str) -> dict[str, Path]:
    """The mask of a label, by scan that has one.

    Raises:
        InputError: none has.
    """
    there = {scan.name: find_masks(cohort, scan) for scan in scans}
    found = {name: masks_of(masks, [label]) for name, masks in there.items()}
    guides = {name: masks[label] for name, masks in found.items() if masks}
    if not guides:
        labels = sorted({one for masks in there.values() for one in masks})
        raise InputError(
            f"training.relevance_mask: found {label!r}, of which no scan has a mask; expected "
            + (f'"{BRAIN}", or one of {", ".join(labels)}' if labels else f'"{BRAIN}", as there are no masks')
            + f": name another, or add files sub-*_label-{label}_mask.nii.gz."
        )
    return guides
