"""Work on one prepared scan, as tasks that any executor can run: its pictures, and simple measures of it."""

from pathlib import Path

from stratacam.files import write_json
from stratacam.learning.dataset import save_pictures
from stratacam.scans.measures import measure_scan
from stratacam.scans.pictures import PictureSettings, cut_scan
from stratacam.scans.prepared import PreparedScan


def cut(scan: PreparedScan, pictures: PictureSettings, shape: tuple[int, int], file: Path) -> None:
    """Cut the pictures of a scan, all of one shape, into `file`."""
    found = cut_scan(scan, pictures, shape)
    save_pictures(file, found.images, found.slices)


def measure(scan: PreparedScan, file: Path) -> None:
    """Write simple measures of a scan to `file`."""
    write_json(file, dict(measure_scan(scan.load(), scan.sequences)))
