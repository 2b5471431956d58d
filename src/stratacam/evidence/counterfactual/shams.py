"""Sham regions: plain tissue of the same area, at the same depth, of the tissue around a region."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.counterfactual.fall import SliceToFill
from stratacam.evidence.counterfactual.filling import RIM
from stratacam.maps.heat import Heat

Mask = NDArray[np.bool_]

COMMON = (5, 95)
"""Percentiles of the rim between which tissue is of its kind."""

ROOM = 3
"""Tissue of the rim's kind is asked for where there is as many times the region's area of it."""

MARGINS = (2, 1)
"""Pixels between a sham and what is not allowed: the first for which twice the region's area is left."""

STEEPEST = 64.0
"""Of the preference for depth, in standard deviations of the random field for one of depth."""


HOTTEST = "hottest"
"""What rows of the hottest region of a layer's map are against; those of structures are against their names."""

COUNT = 2
"""Shams of a region."""


def sham_of(region: str) -> str:
    """What rows of a region's shams are against."""
    return f"sham of {region}"


def above_sham(region: str) -> str:
    """What rows of a region less its shams are against."""
    return f"{region} above sham"


def sham_regions(
    one: SliceToFill, region: Mask, allowed: Mask, name: str, *, count: int = COUNT
) -> list[Mask]:
    """Several draws of `sham_region` in a slice; none where too little is allowed.

    Shams keep away from what is not allowed while there is room: pixels beside fluid hold a little of it, and filling
    these would be no sham.
    """
    for margin in MARGINS:
        inner = allowed & ~ndimage.binary_dilation(one.brain & ~allowed, iterations=margin)
        if inner.sum() >= 2 * region.sum():
            allowed = inner
            break
    drawn = (
        sham_region(one.image, one.brain, region, allowed, random=one.random("sham", name, number))
        for number in range(count)
    )
    return [sham for sham in drawn if sham is not None]


def sham_region(
    image: Heat, brain: Mask, region: Mask, allowed: Mask, *, random: np.random.Generator
) -> Mask | None:
    """A region that shows what filling does by itself.

    The highest pixels of a smooth random field, as coarse as the region. A preference for depth below the brain's edge
    is added to the field, of such a strength that the mean depth is the region's, as nearly as can be.

    Args:
        image: (channels, rows, columns).
        brain: (rows, columns).
        region: (rows, columns), not empty.
        allowed: (rows, columns), where the sham may lie.
        random: draws the field.

    Returns:
        (rows, columns), of the region's area; None where too little is allowed.
    """
    area = int(region.sum())
    allowed = allowed & ~region
    allowed = _of_the_rim(image, region, allowed, ROOM * area)
    if allowed.sum() < area:
        return None
    depth = ndimage.distance_transform_edt(brain)
    coarseness = max(1.0, 1.5 * float(ndimage.distance_transform_edt(region)[region].mean()))
    field = ndimage.gaussian_filter(random.normal(size=brain.shape), coarseness)[allowed]
    field /= field.std() or 1.0
    deep = depth[allowed]
    wanted = float(depth[region].mean())
    slope = (deep - deep.mean()) / (deep.std() or 1.0)
    low, high = -STEEPEST, STEEPEST
    for _ in range(24):  # the mean depth grows with the preference
        preference = (low + high) / 2
        chosen = np.argpartition(field + preference * slope, -area)[-area:]
        low, high = (preference, high) if deep[chosen].mean() < wanted else (low, preference)
    found = np.zeros_like(brain)
    places = np.argwhere(allowed)[chosen]
    found[tuple(places.T)] = True
    return found


def _of_the_rim(image: Heat, region: Mask, allowed: Mask, room: int) -> Mask:
    """The allowed pixels whose tissue is that of the region's rim; all where these are too few."""
    rim = ndimage.binary_dilation(region, iterations=RIM) & allowed
    if not rim.any():
        return allowed
    smooth = ndimage.gaussian_filter(image, (0, 1, 1))
    low, high = np.percentile(smooth[:, rim], COMMON, axis=1)[..., None, None]
    alike = allowed & ((smooth >= low) & (smooth <= high)).all(axis=0)
    return alike if alike.sum() >= room else allowed
