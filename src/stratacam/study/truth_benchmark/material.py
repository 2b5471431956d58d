"""Scans with lesions planted into their slices, and the truth of every slice."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.evidence.planting import Anatomy, plant_scan, read_anatomy
from stratacam.evidence.planting.plant import CLASSES
from stratacam.evidence.planting.score import PlantedSlice
from stratacam.learning import ScanPictures, SliceDataset, save_pictures
from stratacam.scans.pictures import PictureSettings
from stratacam.scans.prepared import PreparedScan
from stratacam.study.truth_benchmark.settings import BenchmarkSettings

BESIDE = " "
"""Between person and class in the name of a subject: a subject has one class in training, a person both."""


@dataclass(frozen=True, eq=False)
class Material:
    """Planted slices on disk, and their truth.

    Attributes:
        scans: one for each prepared scan and class.
        truth: by scan, (n, rows, columns), what was planted.
        anatomy: by scan, what it was planted into.
        source: by scan, (n,), which slice of the anatomy each planted one is.
        digest: of all planted slices.
    """

    scans: tuple[ScanPictures, ...]
    truth: Mapping[str, NDArray[np.bool_]]
    anatomy: Mapping[str, Anatomy]
    source: Mapping[str, NDArray[np.intp]]
    digest: str


def plant_scans(
    scans: Sequence[PreparedScan],
    work: Path,
    settings: BenchmarkSettings,
    kinds: tuple[Sequence[NDArray[np.bool_]], Sequence[NDArray[np.bool_]]],
    tell: Callable[[int], None],
) -> Material:
    """Plant lesions of both classes into the slices of every scan.

    Args:
        scans: prepared.
        work: folder whose `pictures` gets the planted slices.
        settings: of the benchmark.
        kinds: shapes of the two classes.
        tell: told after each scan how many are done.

    Raises:
        InputError: a scan has no room for lesions.
    """
    pictures = PictureSettings(size=settings.size, every=settings.every, part=settings.part)
    listed, truth, anatomies, source = [], {}, {}, {}
    content = hashlib.sha256()
    for done, scan in enumerate(scans, start=1):
        anatomy = read_anatomy(scan, pictures)
        for number, group in enumerate(CLASSES[settings.difference]):
            planted = plant_scan(
                anatomy,
                kinds,
                number,
                difference=settings.difference,
                lesions=settings.lesions,
                copies=settings.copies,
                seed=settings.seed,
            )
            name = f"{scan.name}_{group}"
            if not len(planted.images):
                raise InputError(
                    f"{scan.name}: has no room for lesions of {settings.area} pixels; lower --area, or "
                    "--every for more slices."
                )
            content.update(planted.images.tobytes())
            file = work / "pictures" / f"{name}.npy"
            save_pictures(file, planted.images, anatomy.levels[planted.source])
            listed.append(ScanPictures(file, f"{anatomy.subject}{BESIDE}{group}", name, group))
            truth[name], anatomies[name], source[name] = planted.truth, anatomy, planted.source
        tell(done)
    return Material(tuple(listed), truth, anatomies, source, content.hexdigest())


def person_of(subject: str) -> str:
    """The person of a subject of the training."""
    return subject.partition(BESIDE)[0]


def slice_of(material: Material, dataset: SliceDataset, row: int) -> tuple[str, PlantedSlice]:
    """The name of a planted slice, and what is needed to judge its maps."""
    scan = dataset.scans[dataset.scan[row]].scan
    position = int(dataset.position[row])
    anatomy = material.anatomy[scan]
    image = dataset.read([row])[0].numpy()
    return f"{scan} {position}", PlantedSlice(
        title=f"{dataset.classes[dataset.label[row]]}\n{anatomy.scan}",
        image=image,
        picture=image[anatomy.shown],
        truth=material.truth[scan][position],
        brain=anatomy.brain[material.source[scan][position]],
        pixel_mm=anatomy.pixel_mm,
    )
