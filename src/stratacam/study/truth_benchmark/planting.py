"""Scans with lesions planted into their slices, and the truth of every slice."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stratacam.errors import InputError
from stratacam.evidence.planting import plant_scan, read_anatomy
from stratacam.evidence.planting.plant import CLASSES, Difference
from stratacam.evidence.planting.shapes import Kinds
from stratacam.files import whole_file
from stratacam.learning import ScanPictures, save_pictures
from stratacam.learning.dataset import brain_file, slices_file
from stratacam.scans.frame import Frame
from stratacam.scans.pictures import PictureSettings
from stratacam.scans.prepared import PreparedScan
from stratacam.study.keys import NOT_IN_KEY

BESIDE = " "
"""Between person and class in the name of a subject: a subject has one class in training, a person both."""


@dataclass(frozen=True)
class Plant:
    """Lesions of both classes planted into the slices of a scan.

    Attributes:
        frame: that the pictures of all scans share.
        kinds: shapes of the scan's fold.
        shapes: hash of these.
        difference: what differs between the classes.
        lesions: number of targets in a slice, and of decoys.
        copies: of each slice, with other lesions, in each class.
        shuffled: whether classes say nothing.
        folder: gets the pictures, and what was planted.
    """

    scan: PreparedScan
    pictures: PictureSettings
    frame: Frame
    kinds: Kinds = field(metadata=NOT_IN_KEY, compare=False)
    shapes: str
    difference: Difference
    lesions: int
    copies: int
    shuffled: bool
    seed: int
    folder: Path

    @property
    def scans(self) -> tuple[ScanPictures, ...]:
        """The pictures of each class."""
        return tuple(
            ScanPictures(
                self.folder / f"{self.scan.name}_{group}.npy",
                f"sub-{self.scan.subject}{BESIDE}{group}",
                f"{self.scan.name}_{group}",
                group,
            )
            for group in CLASSES[self.difference]
        )

    @property
    def outputs(self) -> list[Path]:
        return [
            file
            for scan in self.scans
            for file in (scan.file, brain_file(scan.file), slices_file(scan.file), truth_file(scan))
        ]

    def do(self) -> None:
        """Plant them.

        Raises:
            InputError: the scan has no room for lesions.
        """
        anatomy = read_anatomy(self.scan, self.pictures, self.frame)
        classes = plant_scan(
            anatomy,
            self.kinds,
            difference=self.difference,
            lesions=self.lesions,
            copies=self.copies,
            seed=self.seed,
            shuffled=self.shuffled,
        )
        if not len(classes[0].images):
            raise InputError(
                f"{self.scan.name}: no slice has room for the lesions; expected white matter for {self.lesions} "
                "targets and as many decoys: lower --targets or --area, or raise --size."
            )
        for planted, scan in zip(classes, self.scans, strict=True):
            source = planted.source
            save_pictures(scan.file, planted.images, anatomy.brain[source], anatomy.levels[source])
            with whole_file(truth_file(scan)) as temporary:
                np.savez_compressed(
                    temporary,
                    truth=planted.truth,
                    decoys=planted.decoys,
                    pixel_mm=anatomy.pixel_mm,
                    shown=anatomy.shown,
                )


def truth_file(scan: ScanPictures) -> Path:
    """What was planted into the pictures of a scan."""
    return scan.file.with_name(f"{scan.scan}_truth.npz")


def person_of(subject: str) -> str:
    """The person of a subject of the training."""
    return subject.partition(BESIDE)[0]
