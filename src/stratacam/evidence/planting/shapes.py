"""In-plane shapes of lesions, cut from masks, brought to one area, and sorted by how compact they are."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.scans.image_file import open_image
from stratacam.scans.phantom.anatomy import head
from stratacam.scans.phantom.disease import Disease
from stratacam.scans.phantom.lesions import grow_lesions

Shape = NDArray[np.bool_]

MINIMUM_AREA, MAXIMUM_AREA = 16, 900
"""Area of the cross-sections that are taken, in pixels of the mask: smaller ones have no shape."""

MINIMUM_SHAPES = 20
"""Of each kind."""


def read_shapes(folder: Path) -> list[Shape]:
    """Cross-sections of all lesion masks (NIfTI) in a folder.

    Raises:
        InputError: there is no such mask, or one cannot be read.
    """
    files = sorted(path for path in folder.rglob("*.nii*") if path.name.endswith((".nii", ".nii.gz")))
    if not files:
        raise InputError(
            f"{folder}: holds no NIfTI files; expected lesion masks: name their folder, or leave --lesions out."
        )
    shapes: list[Shape] = []
    for path in files:
        with open_image(path) as image:
            mask = np.asarray(image.dataobj)
        if mask.ndim != 3:
            raise InputError(
                f"{path}: has shape {mask.shape}; expected a three-dimensional lesion mask: correct or remove it."
            )
        shapes += cross_sections(mask > 0)
    return shapes


def phantom_shapes(seed: int) -> list[Shape]:
    """Cross-sections of the lesions that the synthetic cohort has."""
    random = np.random.default_rng(seed)
    disease = Disease(lesion_ml=25.0, spots=0, black_hole_chance=0.0, ventricle_mm=0.0)
    return [
        shape
        for _ in range(3)
        for shape in cross_sections(grow_lesions(head(1.0), disease, random).lesion >= 0.5)
    ]


def cross_sections(mask: NDArray[np.bool_]) -> list[Shape]:
    """Connected parts of the axial slices of a mask (X, Y, Z), cut out, of `MINIMUM_AREA` to `MAXIMUM_AREA` pixels."""
    shapes = []
    for level in np.flatnonzero(mask.any(axis=(0, 1))):
        labels, _ = ndimage.label(mask[:, :, level])
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            shape = labels[box] == number
            if MINIMUM_AREA <= shape.sum() <= MAXIMUM_AREA:
                shapes.append(shape)
    return shapes


def compactness(shape: Shape) -> float:
    """4 pi area over the square of the perimeter: 1 for a disc, less for what is long or ragged.

    The perimeter is the number of exposed pixel edges times pi / 4, which is right on average over directions.
    """
    padded = np.pad(shape, 1)
    edges = sum(int((np.diff(padded, axis=axis) != 0).sum()) for axis in (0, 1))
    return float(4 * np.pi * shape.sum() / (edges * np.pi / 4) ** 2)


def to_area(shape: Shape, area: int) -> Shape:
    """The same shape with exactly `area` pixels: zoomed, then the pixels that it covers most.

    Example:
        >>> int(to_area(np.ones((3, 5), bool), 40).sum())
        40
    """
    zoom = float(np.sqrt(area / shape.sum()))
    fine = ndimage.zoom(
        np.pad(shape, 2).astype(np.float32), zoom, order=1, grid_mode=True, mode="grid-constant"
    )
    fine = np.pad(fine, 1)
    smooth = ndimage.gaussian_filter(fine, 0.5)
    middle = ndimage.center_of_mass(smooth)
    away = sum((places - centre) ** 2 for places, centre in zip(np.indices(fine.shape), middle, strict=True))
    order = np.lexsort((np.ravel(away), -smooth.ravel().round(6)))
    chosen = np.zeros(fine.size, dtype=bool)
    chosen[order[:area]] = True
    found = chosen.reshape(fine.shape)
    rows, columns = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
    return np.asarray(found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def two_kinds(shapes: Iterable[Shape], area: int) -> tuple[Sequence[Shape], Sequence[Shape]]:
    """The most and the least compact third of the shapes, in equal numbers, all of one area.

    Shapes that fall apart at that area are left out.

    Raises:
        InputError: there are too few shapes.
    """
    scaled = [to_area(shape, area) for shape in shapes]
    ordered = sorted((shape for shape in scaled if ndimage.label(shape)[1] == 1), key=compactness)
    count = len(ordered) // 3
    if count < MINIMUM_SHAPES:
        raise InputError(
            f"--lesions: found {len(ordered)} cross-sections of {MINIMUM_AREA} to {MAXIMUM_AREA} pixels; expected "
            f"at least {3 * MINIMUM_SHAPES}: give more masks, or leave it out for synthetic ones."
        )
    return ordered[-count:], ordered[:count]
