"""Work on one scan, as tasks that any executor can run: a check of its images, its pictures, and simple measures."""

from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.learning.dataset import save_pictures
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.check import check_images
from stratacam.scans.measures import measure_scan
from stratacam.scans.pictures import PictureSettings, cut_scan
from stratacam.scans.prepared import PreparedScan


def check(scan: Scan, file: Path) -> None:
    """Write the hashes of a scan's images to `file`.

    Raises:
        InputError: an image cannot be used.
    """
    images = check_images(scan)
    problems = [image.problem for image in images if image.problem]
    if problems:
        raise InputError("; ".join(problems))
    write_json(file, {image.sequence: image.voxels_sha256 for image in images if image.voxels_sha256})


def cut(scan: PreparedScan, pictures: PictureSettings, shape: tuple[int, int], file: Path) -> None:
    """Cut the pictures of a scan, all of one shape, into `file`."""
    found = cut_scan(scan, pictures, shape)
    save_pictures(file, found.images, found.slices)


def measure(scan: PreparedScan, file: Path) -> None:
    """Write simple measures of a scan to `file`."""
    write_json(file, dict(measure_scan(scan.load(), scan.sequences)))
