"""The pictures of every scan, as networks see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stratacam.learning import ScanPictures
from stratacam.learning.dataset import brain_file, save_pictures, slices_file
from stratacam.scans.pictures import PictureSettings, cut_scan
from stratacam.scans.prepared import PreparedScan
from stratacam.study.work import Work


@dataclass(frozen=True)
class Cut:
    """The pictures of a scan, all of one shape, in `file`."""

    scan: PreparedScan
    settings: PictureSettings
    shape: tuple[int, int]
    file: Path

    @property
    def outputs(self) -> tuple[Path, ...]:
        return self.file, brain_file(self.file), slices_file(self.file)

    def do(self) -> None:
        found = cut_scan(self.scan, self.settings, self.shape)
        save_pictures(self.file, found.images, found.brain, found.slices)


def cut_scans(
    work: Work,
    scans: Mapping[PreparedScan, str],
    *,
    out: Path,
    settings: PictureSettings,
    shape: tuple[int, int],
) -> list[ScanPictures]:
    """Cut the pictures of every scan, given with its group, all of one shape; return where they are and whose."""
    pictures, tasks = {}, {}
    for scan, group in scans.items():
        file = out / f"{scan.name}.npy"
        pictures[scan.name] = ScanPictures(file, f"sub-{scan.subject}", scan.name, group)
        tasks[scan.name] = Cut(scan, settings, shape, file)
    return [pictures[name] for name in sorted(work.each("pictures", tasks))]
