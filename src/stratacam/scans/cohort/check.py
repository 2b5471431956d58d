"""What the files of a scan are like, and whether a cohort can be used: nothing is computed on them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np

from stratacam.errors import InputError
from stratacam.scans.brain_mask import read_brain_mask
from stratacam.scans.cohort.bids import LeftOut, Scan
from stratacam.scans.cohort.duplicates import find_duplicates, voxels_hash
from stratacam.scans.image_file import open_image
from stratacam.scans.volume import notices, read_placement, read_volume


@dataclass(frozen=True)
class CheckedImage:
    """One file of a scan. What its header does not say is None."""

    sequence: str
    path: Path
    shape: tuple[int, ...] | None = None
    voxel_mm: tuple[float, ...] | None = None
    orientation: str | None = None  # where the axes run to, such as "LPS"
    sform_code: int | None = None
    qform_code: int | None = None
    forms_disagree_mm: float | None = None  # largest over the corners of the volume, where both are given
    voxels_sha256: str | None = None  # of the values, in whatever order they are stored
    notices: tuple[str, ...] = ()
    problem: str | None = None  # why the file cannot be used


@dataclass(frozen=True)
class CheckedScan:
    """One scan: its files, and why it cannot be used, if so."""

    name: str
    subject: str
    group: str | None
    images: tuple[CheckedImage, ...]
    brain_mask: Path | None
    notes: tuple[str, ...]  # which file was taken where there was a choice
    problems: tuple[str, ...]


@dataclass(frozen=True)
class CheckedCohort:
    """The verdict on a cohort.

    Attributes:
        scans: every scan whose files are there.
        left_out: scans that lack a file, with the reason.
        subjects: per group, how many subjects have a scan that can be used; a subject whose group changes
            counts in each.
        problems: what makes the cohort as a whole unusable.
        warnings: what deserves a look.
        duplicates: images of one subject that are the same.
    """

    scans: tuple[CheckedScan, ...]
    left_out: tuple[LeftOut, ...]
    subjects: Mapping[str, int]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    duplicates: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether the cohort as a whole can be used."""
        return not self.problems

    @property
    def complete(self) -> bool:
        """Whether every scan can be used, and no image is there twice."""
        faulty = any(scan.problems for scan in self.scans)
        return self.usable and not (faulty or self.left_out or self.duplicates)


def check_images(scan: Scan) -> tuple[CheckedImage, ...]:
    """Read every image of a scan and its supplied brain mask, and describe them."""
    images = [_check_image(sequence, path) for sequence, path in scan.images.items()]
    if scan.brain_mask is not None:
        images.append(_check_mask(scan.brain_mask, scan.images["T1w"]))
    return tuple(images)


def summarise(
    scans: Sequence[CheckedScan], left_out: Sequence[LeftOut], problem: str | None
) -> CheckedCohort:
    """Say whether a cohort can be used, by its scans.

    `problem` says why the groups cannot be read, or no study can be run on them, if so.
    """
    images = [(scan, image) for scan in scans for image in scan.images]
    across, within = find_duplicates(
        {
            (scan.subject, scan.name, image.sequence): image.voxels_sha256
            for scan, image in images
            if image.voxels_sha256 is not None
        }
    )
    usable = [scan for scan in scans if not scan.problems]
    members = {(scan.subject, scan.group) for scan in usable if scan.group is not None}
    subjects = Counter(group for _, group in sorted(members))
    problems = [*([problem] if problem else []), *across]
    if not usable:
        problems.append("no scan can be used; see the reasons at each")
    warnings = [
        f"{scan.name}, {image.sequence}: {notice}" for scan, image in images for notice in image.notices
    ]
    if problem is None and usable and not subjects:
        warnings.append(
            "no scan has a group: the scans can be prepared and classified, but a study needs two groups or more"
        )
    return CheckedCohort(
        tuple(scans), tuple(left_out), dict(subjects), tuple(problems), tuple(warnings), tuple(within)
    )


def _check_image(sequence: str, path: Path) -> CheckedImage:
    image = _with_header(CheckedImage(sequence, path))
    try:
        values = np.asarray(read_volume(path).dataobj)
        return replace(image, voxels_sha256=voxels_hash(values), notices=notices(path))
    except InputError as fault:
        return replace(image, problem=str(fault))


def _check_mask(path: Path, t1w: Path) -> CheckedImage:
    """Check a supplied mask, which must be on the T1w's grid; a fault of the T1w is not the mask's."""
    image = _with_header(CheckedImage("brain_mask", path))
    try:
        grid = nibabel.as_closest_canonical(read_volume(t1w))
    except InputError:
        return image
    try:
        read_brain_mask(path, grid.shape, grid.affine)
    except InputError as fault:
        return replace(image, problem=str(fault))
    return image


def _with_header(image: CheckedImage) -> CheckedImage:
    """The image with its header's values, as far as they can be read; `read_volume` reports why not."""
    try:
        with open_image(image.path) as file:
            placement = read_placement(file)
        edges = np.linalg.norm(np.asarray(file.affine)[:3, :3], axis=0)
        axes = nibabel.orientations.aff2axcodes(file.affine)
        return replace(
            image,
            shape=tuple(file.shape),
            voxel_mm=tuple(round(float(edge), 4) for edge in edges),
            orientation="".join(axis or "?" for axis in axes),
            sform_code=placement.sform_code,
            qform_code=placement.qform_code,
            forms_disagree_mm=placement.disagreement_mm,
        )
    except (InputError, ValueError, np.linalg.LinAlgError):
        return image
