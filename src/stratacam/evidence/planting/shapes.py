"""In-plane shapes of lesions, cut from masks, brought to one area, and sorted by how compact they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.errors import InputError
from stratacam.scans.image_file import open_image
from stratacam.scans.phantom.anatomy import head
from stratacam.scans.phantom.disease import Disease
from stratacam.scans.phantom.lesions import grow_lesions

Shape = NDArray[np.bool_]
CrossSections = list[Shape]
"""Of one lesion."""

MINIMUM_AREA, MAXIMUM_AREA = 16, 900
"""Area of the cross-sections that are taken, in pixels of the mask: smaller ones have no shape."""

LONGEST = 2.5
"""Greatest length of a shape over the square root of its area: longer ones find no room in white matter."""

BETWEEN = (0.2, 0.4, 0.6, 0.8)
"""Shares of all shapes, in the order of compactness, where irregular ones end, neutral ones begin and end, and regular
ones begin."""

MINIMUM_SHAPES = 8
"""Of each kind for each fold."""


class Kinds(NamedTuple):
    """Three kinds of shapes of one area, with a gap in compactness between them."""

    regular: Sequence[Shape]
    neutral: Sequence[Shape]
    irregular: Sequence[Shape]


def read_shapes(folder: Path) -> list[CrossSections]:
    """Cross-sections of every lesion of all masks (NIfTI) in a folder.

    Raises:
        InputError: there is no such mask, or one cannot be read.
    """
    files = sorted(path for path in folder.rglob("*.nii*") if path.name.endswith((".nii", ".nii.gz")))
    if not files:
        raise InputError(
            f"{folder}: holds no NIfTI files; expected lesion masks: name their folder, or leave --lesions out."
        )
    lesions: list[CrossSections] = []
    for path in files:
        with open_image(path) as image:
            mask = np.asarray(image.dataobj)
        if mask.ndim != 3:
            raise InputError(
                f"{path}: has shape {mask.shape}; expected a three-dimensional lesion mask: correct or remove it."
            )
        lesions += cross_sections(mask > 0)
    return lesions


def phantom_shapes(seed: int) -> list[CrossSections]:
    """Cross-sections of the lesions that the synthetic cohort has."""
    random = np.random.default_rng(seed)
    disease = Disease(lesion_ml=25.0, spots=0, black_hole_chance=0.0, ventricle_mm=0.0)
    return [
        lesion
        for _ in range(3)
        for lesion in cross_sections(grow_lesions(head(1.0), disease, random).lesion >= 0.5)
    ]


def cross_sections(mask: NDArray[np.bool_]) -> list[CrossSections]:
    """The shapes of each connected lesion of a mask (X, Y, Z) in axial slices.

    A shape is a connected part of a slice of the lesion, of `MINIMUM_AREA` to `MAXIMUM_AREA` pixels. Lesions without
    any are left out.
    """
    lesions, _ = ndimage.label(mask)
    found = []
    for number, box in enumerate(ndimage.find_objects(lesions), start=1):
        shapes = []
        for level in np.moveaxis(lesions[box] == number, 2, 0):
            parts, count = ndimage.label(level)
            shapes += [part for part in (parts == each for each in range(1, count + 1)) if _has_shape(part)]
        if shapes:
            found.append([shape[ndimage.find_objects(shape.astype(int))[0]] for shape in shapes])
    return found


def _has_shape(part: Shape) -> bool:
    return bool(MINIMUM_AREA <= part.sum() <= MAXIMUM_AREA)


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


def kinds_of_folds(lesions: Sequence[CrossSections], area: int, folds: int) -> list[Kinds]:
    """Shapes of three kinds for each fold, all of one area; no lesion, and no two equal shapes, in two folds.

    Of all shapes in the order of compactness, the first fifth is irregular, the third neutral, the last regular; more
    where several are equally compact.
    Shapes that are turned or mirrored copies of another, that fall apart at that area, or that are long (`LONGEST`)
    are left out. Lesions are dealt out, the one with most shapes first, to the fold that has the fewest shapes.

    Raises:
        InputError: there are too few shapes, or they are too small to differ.
    """
    seen: set[tuple[tuple[int, ...], bytes]] = set()
    dealt: list[CrossSections] = [[] for _ in range(folds)]
    scaled = [[to_area(shape, area) for shape in lesion] for lesion in lesions]
    for lesion in sorted(scaled, key=len, reverse=True):
        fold = min(dealt, key=len)
        for shape in lesion:
            name = _canonical(shape)
            usable = ndimage.label(shape)[1] == 1 and max(shape.shape) <= LONGEST * np.sqrt(area)
            if usable and name not in seen:
                seen.add(name)
                fold.append(shape)
    compact = np.sort([compactness(shape) for fold in dealt for shape in fold])
    found = [_by_kind(fold, compact) for fold in dealt]
    fewest = min(len(kind) for fold in found for kind in fold)
    if fewest < MINIMUM_SHAPES:
        raise InputError(
            f"--lesions: found {len(compact)} different shapes of {area} pixels, for one of {folds} folds {fewest} of "
            f"a kind; expected at least {MINIMUM_SHAPES}: give more masks, or a larger --area."
        )
    return found


def _by_kind(shapes: CrossSections, compact: NDArray[np.float64]) -> Kinds:
    """Shapes by kind; `compact` are the sorted numbers of all shapes."""
    ragged, low, high, round_ = np.quantile(compact, BETWEEN, method="nearest") if len(compact) else [0.0] * 4
    by_number = [(compactness(shape), shape) for shape in shapes]
    return Kinds(
        regular=[shape for number, shape in by_number if number >= round_],
        neutral=[shape for number, shape in by_number if low <= number <= high and ragged < number < round_],
        irregular=[shape for number, shape in by_number if number <= ragged],
    )


def _canonical(shape: Shape) -> tuple[tuple[int, ...], bytes]:
    """What a shape has in common with its turned and mirrored copies alone."""
    turned = [np.rot90(one, turns) for one in (shape, shape[::-1]) for turns in range(4)]
    return min((one.shape, one.tobytes()) for one in turned)
