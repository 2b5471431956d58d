"""Targets, decoys and noise planted into slices, in pairs that differ by the targets alone.

The targets tell two classes apart: by their shape, by their place, or by being there. Decoys are lesions as bright, as
large and as many, which both slices of a pair have in common. Smooth noise lies over brain and lesions alike: it says
nothing of the class, but a network that subtracts it sees lesions better (a suppressor).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.draws import generator
from stratacam.evidence.planting.shapes import Kinds
from stratacam.evidence.planting.stamp import Stamp, make_stamps, turn
from stratacam.evidence.planting.white_matter import Anatomy

Difference = Literal["shape", "place", "presence"]
Mask = NDArray[np.bool_]

CLASSES: dict[Difference, tuple[str, str]] = {
    "shape": ("regular", "irregular"),
    "place": ("deep", "outer"),
    "presence": ("present", "absent"),
}

WITH_TARGETS: dict[Difference, tuple[str, ...]] = {**CLASSES, "presence": ("present",)}
"""The classes that have targets: of the others there is nothing that a map could show."""

FIRST, SECOND, DECOY = range(3)
"""What a lesion is: a target of the first class, one of the second, or a decoy."""

TRIES, ATTEMPTS = 50, 4
"""Centres that are tried for a lesion, and draws of all lesions of a slice, before it is left out."""

DEEP, OUTER = 0.6, 0.4
"""Of the greatest depth below the brain's edge in a slice: beyond the first is deep, below the second outer."""

CONTRAST = 0.7
"""Of planted lesions, over that of real ones: room for the noise below full scale."""

NOISE, STRONGEST = 0.25, 0.5
"""Standard deviation and limit of the smooth noise, over the contrast of planted lesions."""

SMOOTHNESS = 6.0
"""Standard deviation in pixels of the kernel that smooths the noise."""


@dataclass(frozen=True, eq=False)
class Planted:
    """Slices of one scan, of one class.

    Attributes:
        images: (m, 3, rows, columns).
        truth: (m, rows, columns), the targets.
        decoys: (m, rows, columns).
        source: (m,) position of each in the anatomy.
    """

    images: NDArray[np.float32]
    truth: Mask
    decoys: Mask
    source: NDArray[np.intp]


class _Slot(NamedTuple):
    """Room for a lesion.

    Attributes:
        allowed: (rows, columns), where its centre may lie.
        pools: of each, one lesion is drawn; there must be room for all of them.
        uses: by what the lesion is, the pool that it is of.
    """

    allowed: Mask
    pools: Sequence[Sequence[Stamp]]
    uses: dict[int, int]


class _Lesions(NamedTuple):
    """Lesions of a pair of slices.

    Attributes:
        masks: (3, rows, columns), by what they are.
        signals: (3, rows, columns), likewise.
        sites: (rows, columns), number of the lesion for which room was made, or 0.
    """

    masks: Mask
    signals: NDArray[np.float32]
    sites: NDArray[np.int_]


def plant_scan(
    anatomy: Anatomy,
    kinds: Kinds,
    *,
    difference: Difference,
    lesions: int,
    copies: int,
    seed: int,
    shuffled: bool = False,
) -> tuple[Planted, Planted]:
    """Plant pairs of slices, one of each class, into every slice of a scan, `copies` times with other lesions.

    Where classes differ by shape, the first has regular and the second irregular targets at the same places; decoys
    are neutral. Where by place, the first has targets deep in the brain, the second near its edge; decoys lie
    between, and all have shapes of all kinds. Where by presence, the first has targets deep in the brain, the second
    has none; decoys lie near the edge, and all have shapes of all kinds. A pair has all else in common: anatomy,
    decoys, noise, and the level tissue below targets. Slices without room are left out.

    Args:
        anatomy: of the scan.
        kinds: shapes, of one area.
        difference: what differs between the classes.
        lesions: targets in each slice, and as many decoys.
        copies: of each slice.
        seed: of everything random, with the scan's name, the slice and the copy.
        shuffled: swap the classes of each pair at random, so that there is nothing to learn.
    """
    stamps = [make_stamps(kind) for kind in kinds]
    pairs = []
    for index in range(len(anatomy.images)):
        slots = _slots(anatomy.white[index], anatomy.brain[index], stamps, difference, lesions)
        for copy in range(copies):
            random = generator(seed, "plant", anatomy.scan, index, copy)
            attempts = (_place(slots, anatomy.brain[index], random) for _ in range(ATTEMPTS))
            placed = next((one for one in attempts if one is not None), None)
            if placed is not None:
                images = _blend(anatomy, index, placed, random)
                order = [SECOND, FIRST] if shuffled and random.integers(2) else [FIRST, SECOND]
                pairs.append((images[order], placed.masks[order], placed.masks[DECOY], index))
    return _class_of(pairs, 0, anatomy), _class_of(pairs, 1, anatomy)


def _class_of(
    pairs: Sequence[tuple[NDArray[np.float32], Mask, Mask, int]], number: int, anatomy: Anatomy
) -> Planted:
    """The slices of one class of all pairs."""
    shape = anatomy.brain.shape[1:]
    return Planted(
        np.array([images[number] for images, *_ in pairs], np.float32).reshape(-1, 3, *shape),
        np.array([truth[number] for _, truth, *_ in pairs], bool).reshape(-1, *shape),
        np.array([decoys for *_, decoys, _ in pairs], bool).reshape(-1, *shape),
        np.array([index for *_, index in pairs], np.intp),
    )


def _slots(
    white: Mask, brain: Mask, stamps: Sequence[Sequence[Stamp]], difference: Difference, count: int
) -> list[_Slot]:
    """Room for the lesions of a pair.

    Where classes differ by shape, all places have room for all kinds, so that targets and decoys lie alike.
    """
    if difference == "shape":
        target = _Slot(white, stamps, {FIRST: 0, SECOND: 2})
        decoy = _Slot(white, stamps, {DECOY: 1})
        return [target, decoy] * count
    depth = ndimage.distance_transform_edt(brain)
    deepest = depth.max()
    deep, outer = depth >= DEEP * deepest, depth <= OUTER * deepest
    every = [[stamp for kind in stamps for stamp in kind]]
    where = {FIRST: deep, DECOY: outer}
    if difference == "place":
        where = {FIRST: deep, SECOND: outer, DECOY: ~(deep | outer)}
    return [_Slot(white & place, every, {part: 0}) for part, place in where.items()] * count


def _place(slots: Sequence[_Slot], brain: Mask, random: np.random.Generator) -> _Lesions | None:
    """Lesions that neither touch nor leave the brain; None where there is no room."""
    placed = _Lesions(
        np.zeros((3, *brain.shape), bool), np.zeros((3, *brain.shape), np.float32), np.zeros(brain.shape, int)
    )
    free = brain.copy()
    for number, which in enumerate(random.permutation(len(slots)), start=1):
        slot = slots[which]
        drawn = [turn(pool[int(random.integers(len(pool)))], random) for pool in slot.pools]
        site = np.any([stamp.signal > 0 for stamp in drawn], axis=0)
        box = _find_room(slot.allowed, free, site, random)
        if box is None:
            return None
        placed.sites[box][site] = number
        free[box] &= ~ndimage.binary_dilation(site, iterations=2)
        for part, pool_number in slot.uses.items():
            placed.masks[part][box] |= drawn[pool_number].mask
            placed.signals[part][box] += drawn[pool_number].signal
    return placed


def _find_room(
    allowed: Mask, free: Mask, site: Mask, random: np.random.Generator
) -> tuple[slice, slice] | None:
    """Where there is room for a site, centred in the allowed pixels."""
    centres = np.argwhere(allowed & free)
    for _ in range(TRIES if len(centres) else 0):
        top, left = centres[random.integers(len(centres))] - len(site) // 2
        box = slice(top, top + len(site)), slice(left, left + len(site))
        if min(top, left) >= 0 and free[box].shape == site.shape and free[box][site].all():
            return box
    return None


def _blend(
    anatomy: Anatomy, index: int, placed: _Lesions, random: np.random.Generator
) -> NDArray[np.float32]:
    """The pair of pictures, (2, 3, rows, columns).

    Tissue and noise below every site are level, so that what lies under a lesion says nothing of its shape.
    """
    noise = ndimage.gaussian_filter(random.normal(size=anatomy.brain.shape[1:]), SMOOTHNESS)
    noise = np.clip(noise * NOISE / noise.std(), -STRONGEST, STRONGEST)
    numbers = np.arange(1, placed.sites.max() + 1)
    level = np.append(0, ndimage.mean(noise, placed.sites, numbers))[placed.sites]
    inside = placed.sites > 0
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    around = ndimage.gaussian_filter(ndimage.binary_dilation(inside, iterations=2).astype(np.float32), 1.0)
    share = np.where(inside, 1, around)
    noise = (1 - share) * noise + share * level[tuple(nearest)]
    tissue = (1 - share) * anatomy.images[index] + share * anatomy.normal[:, None, None]
    contrast = CONTRAST * (anatomy.lesion - anatomy.normal)[:, None, None]
    common = tissue + contrast * (noise * anatomy.brain[index] + placed.signals[DECOY])
    pair = np.stack([common + contrast * placed.signals[part] for part in (FIRST, SECOND)])
    return pair.clip(0, 1).astype(np.float32)
