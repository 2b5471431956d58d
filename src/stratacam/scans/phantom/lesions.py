"""Multiple sclerosis lesions in the white matter of the template head.

A lesion is an ellipsoid whose surface a smooth random field roughens. Periventricular ones stretch away from
the ventricle (Dawson's fingers); others sit under the cortex, in deep white matter and below the tentorium.
Overlapping lesions merge, so a large burden becomes confluent around the ventricles by itself.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.scans.phantom.anatomy import Array, Head, axes
from stratacam.scans.phantom.disease import Disease

_PLACES = ("periventricular", "juxtacortical", "deep", "infratentorial")
_SHARES = (0.60, 0.18, 0.18, 0.04)
_BOX = 20  # voxels to each side of a lesion's centre that it may reach
_MAXIMUM_TRIES = 3000  # lesions tried, so that a burden that does not fit ends
_CORE = 0.75  # radius of a black hole over that of its lesion


@dataclass(frozen=True)
class Lesions:
    """Fractions (X, Y, Z) of lesion, black holes included, and of black hole, on the template grid."""

    lesion: Array
    black_hole: Array


def grow_lesions(template: Head, disease: Disease, random: np.random.Generator) -> Lesions:
    """Place lesions until their volume reaches the burden, then the spots."""
    lesion = np.zeros(template.brain.shape, np.float32)
    black_hole = np.zeros_like(lesion)
    wanted = disease.lesion_ml * 1000
    volume = 0.0
    for _ in range(_MAXIMUM_TRIES):
        missing = wanted - volume
        if missing < 20:
            break
        place = int(random.choice(len(_PLACES), p=_SHARES))
        usual = (3.3 if place == 0 else 2.4) * (1 + disease.lesion_ml / 60)
        radius = min(usual * random.lognormal(0, 0.35), 1.1 * (3 * missing / (4 * np.pi)) ** (1 / 3), 8.0)
        cored = random.random() < disease.black_hole_chance
        volume += _add_lesion(
            template, lesion, black_hole if cored else None, place=place, radius=radius, random=random
        )
    for _ in range(disease.spots):
        _add_lesion(template, lesion, None, place=2, radius=random.uniform(1.1, 1.6), random=random)
    return Lesions(lesion, black_hole)


def _add_lesion(
    template: Head,
    lesion: Array,
    black_hole: Array | None,
    *,
    place: int,
    radius: float,
    random: np.random.Generator,
) -> float:
    """Merge one lesion into `lesion` and its core into `black_hole`; return the volume gained (mm3)."""
    candidates = _candidates(template)[place]
    centre = np.array(np.unravel_index(candidates[random.integers(len(candidates))], lesion.shape))
    low = np.clip(centre - _BOX, 0, None)
    box = tuple(slice(a, min(b, n)) for a, b, n in zip(low, centre + _BOX + 1, lesion.shape, strict=True))
    offset = (
        np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"))
        - centre[:, None, None, None]
    )
    axis = random.normal(size=3)
    if place == 0:
        axis = template.push[:, *(centre // 2)] + 0.15 * axis
    axis /= np.linalg.norm(axis)
    stretch = random.uniform(1.3, 2.2) if place == 0 else random.uniform(1.0, 1.5)
    along = np.tensordot(axis, offset, 1)
    across = np.sqrt(np.maximum((offset**2).sum(axis=0) - along**2, 0))
    across_radius = radius / stretch ** (1 / 3)
    distance = np.hypot(along / stretch, across) / across_radius
    start = random.integers(0, _roughness().shape[0] - 2 * _BOX - 1, size=3)
    rough = _roughness()[tuple(slice(a, a + n) for a, n in zip(start, distance.shape, strict=True))]
    distance = distance + 0.3 * rough
    grey, white, _ = template.tissue[:3, *box]
    room = np.clip(1.2 * white + 0.3 * grey, 0, 1) * np.clip(1 - template.ventricles[box], 0, 1)
    edge = across_radius / 1.3
    before = float(lesion[box].sum())
    lesion[box] = np.maximum(lesion[box], np.clip((1 - distance) * edge + 0.5, 0, 1) * room)
    if black_hole is not None:
        core = np.clip((_CORE - distance) * edge + 0.5, 0, 1) * room
        black_hole[box] = np.minimum(np.maximum(black_hole[box], core), lesion[box])
    return float(lesion[box].sum()) - before


@lru_cache(maxsize=1)
def _roughness() -> Array:
    """A smooth random field of unit variance, correlated over about 2 mm."""
    field = ndimage.gaussian_filter(np.random.default_rng(9).normal(size=(72, 72, 72)), 2.0)
    return np.asarray(field / field.std(), dtype=np.float32)


@lru_cache(maxsize=1)
def _candidates(template: Head) -> tuple[NDArray[np.int_], ...]:
    """Return, for each of the places, the flat indices of the voxels where a lesion may be centred."""
    white = template.tissue[1] > 0.6
    ventricle, cortex = template.ventricle_distance, template.cortex_distance
    above = axes()[2] > -15
    near = (ventricle > 0) & (ventricle < 7)
    under = (cortex > 0.5) & (cortex < 4)
    masks = (
        white & above & near,
        white & above & under & (ventricle > 12),
        white & above & (ventricle > 7) & (cortex > 4),
        white & ~above & (axes()[2] > -55),
    )
    return tuple(np.flatnonzero(mask) for mask in masks)
