"""Lesions of one kind planted into slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.planting.shapes import Shape
from stratacam.evidence.planting.white_matter import Anatomy

Difference = Literal["shape", "place"]

CLASSES: dict[Difference, tuple[str, str]] = {"shape": ("regular", "irregular"), "place": ("deep", "outer")}

BLUR = 0.6
"""Standard deviation in pixels of the partial volume at the edge of a lesion."""

TRIES = 200

DEEP, OUTER = 0.6, 0.4
"""Of the greatest depth below the brain's edge in a slice: beyond the first is deep, below the second outer."""


@dataclass(frozen=True, eq=False)
class Planted:
    """Slices of one scan with lesions of one class.

    Attributes:
        images: (m, 3, rows, columns).
        truth: (m, rows, columns), the planted lesions.
        source: (m,) position of each in the anatomy.
    """

    images: NDArray[np.float32]
    truth: NDArray[np.bool_]
    source: NDArray[np.intp]


def plant_scan(
    anatomy: Anatomy,
    kinds: tuple[Sequence[Shape], Sequence[Shape]],
    number: int,
    *,
    difference: Difference,
    lesions: int,
    copies: int,
    seed: int,
) -> Planted:
    """Plant lesions into every slice of a scan, `copies` times with other lesions.

    Where classes differ by shape, the first has regular and the second irregular lesions, anywhere in white matter;
    where by place, both have shapes of both kinds, the first deep in the brain and the second near its edge. In all
    else they are alike: as many lesions, of one area and intensity. Slices without room for them are left out.

    Args:
        anatomy: of the scan.
        kinds: regular and irregular shapes, of one area.
        number: of the class, 0 or 1.
        difference: what differs between the classes.
        lesions: in each slice.
        copies: of each slice.
        seed: of everything random; with the scan's name and the class.
    """
    random = np.random.default_rng([seed, number, *anatomy.scan.encode()])
    shapes = kinds[number] if difference == "shape" else [*kinds[0], *kinds[1]]
    images, truths, sources = [], [], []
    for index in range(len(anatomy.images)):
        allowed = anatomy.white[index]
        if difference == "place":
            allowed = allowed & _place(anatomy.brain[index], number)
        for _ in range(copies):
            truth = _place_lesions(allowed, anatomy.brain[index], shapes, lesions, random)
            if truth is None:
                continue
            images.append(_blend(anatomy.images[index], truth, anatomy.lesion))
            truths.append(truth)
            sources.append(index)
    empty = anatomy.images[:0]
    return Planted(
        np.stack(images) if images else empty,
        np.stack(truths) if truths else np.zeros((0, *empty.shape[2:]), bool),
        np.array(sources, dtype=np.intp),
    )


def _place(brain: NDArray[np.bool_], number: int) -> NDArray[np.bool_]:
    """Deep in the brain (0), or near its edge (1)."""
    depth = ndimage.distance_transform_edt(brain)
    deepest = depth.max()
    return np.asarray(depth >= DEEP * deepest if number == 0 else (depth > 0) & (depth <= OUTER * deepest))


def _place_lesions(
    allowed: NDArray[np.bool_],
    brain: NDArray[np.bool_],
    shapes: Sequence[Shape],
    count: int,
    random: np.random.Generator,
) -> NDArray[np.bool_] | None:
    """A mask of lesions, turned at random, that neither touch nor leave the brain; None where there is no room."""
    centres = np.argwhere(allowed)
    truth = np.zeros(brain.shape, dtype=bool)
    placed = 0
    for _ in range(TRIES if len(centres) else 0):
        shape = np.rot90(shapes[int(random.integers(len(shapes)))], int(random.integers(4)))
        top, left = centres[random.integers(len(centres))] - np.array(shape.shape) // 2
        box = slice(top, top + shape.shape[0]), slice(left, left + shape.shape[1])
        fits = min(top, left) >= 0 and truth[box].shape == shape.shape
        if not fits or not brain[box][shape].all():
            continue
        around = ndimage.binary_dilation(truth[box], iterations=2) if truth.any() else truth[box]
        if around[shape].any():
            continue
        truth[box] |= shape
        placed += 1
        if placed == count:
            return truth
    return None


def _blend(
    image: NDArray[np.float32], truth: NDArray[np.bool_], lesion: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The image with lesions in it; at their edge partly tissue."""
    share = ndimage.gaussian_filter(truth.astype(np.float32), BLUR)
    return np.asarray((1 - share) * image + share * lesion[:, None, None], dtype=np.float32)
