"""A region of a slice replaced by what the brain around it would show.

Seamless cloning (P. Pérez et al., "Poisson image editing", 2003) of plain tissue of the same slice: the texture is
copied from elsewhere, and the difference at the rim is carried smoothly across the region, so that no edge shows.
ROAD's imputation, smooth and without texture, is the other choice.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from stratacam.evidence.faithfulness.imputation import impute
from stratacam.evidence.settings import Filling
from stratacam.maps.heat import Heat

Mask = NDArray[np.bool_]

RIM = 2
"""Width of the rim, in pixels, by which the place of the texture is chosen."""

MARGIN = 6
"""Of the box in which a region is filled, in pixels beyond the region."""


def fill(image: Heat, region: Mask, plain: Mask, *, filling: Filling = "texture") -> Heat:
    """Replace a region; the same picture is always filled alike.

    What stands out around the region, such as a lesion beside a ventricle, is not carried into it.

    Args:
        image: (channels, rows, columns).
        region: (rows, columns).
        plain: (rows, columns), see `plain_tissue`; where none of it is outside the region, nothing is replaced.
        filling: "texture", or "imputation" for a smooth filling.

    Returns:
        (channels, rows, columns), the image itself outside the region.
    """
    known = plain & ~region
    if not region.any() or not known.any():
        return image
    source = np.zeros_like(image)
    if filling == "texture":
        source = np.roll(_smoothed_out(image, known), _place(image, region, known), axis=(1, 2))
    box = _box(region, known)
    difference = impute((image - source)[:, *box], ~known[box])
    filled = image.copy()
    inside = region[box]
    filled[:, *box][:, inside] = np.clip((source[:, *box] + difference)[:, inside], 0, 1)
    return filled


def _box(region: Mask, known: Mask) -> tuple[slice, slice]:
    """Around the region, with known pixels in it."""
    box = ndimage.find_objects(region.astype(np.uint8))[0]
    wide = tuple(slice(max(side.start - MARGIN, 0), side.stop + MARGIN) for side in box)
    return (wide[0], wide[1]) if known[wide].any() else (slice(None), slice(None))


def _smoothed_out(image: Heat, known: Mask) -> Heat:
    """The image with the nearest known pixel in place of each other one: it is seldom a part of the source."""
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(image[:, *nearest])


def _place(image: Heat, region: Mask, known: Mask) -> tuple[int, int]:
    """How far to move the image so that plain tissue, with a rim like that of the region, comes to lie in the region.

    All moves are tried at once, by correlation.
    """
    ring = ndimage.binary_dilation(region, iterations=RIM) & known

    def correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
        """Sum over pixels of `first` times `second` moved, by move."""
        product = fft.rfft2(first) * fft.rfft2(second).conj()
        return np.asarray(fft.irfft2(product, s=region.shape))

    usable = known.astype(np.float64)
    covered = np.round(correlation((region | ring).astype(np.float64), usable))
    seen = image * usable
    apart = sum(
        correlation(ring.astype(np.float64), channel**2) - 2 * correlation(ring * channel, channel)
        for channel in seen
    )
    # of the moves that bring the most plain tissue, the one whose rim is most alike
    best = np.argmin(np.where(covered >= 0.95 * covered.max(), apart, np.inf))
    down, right = np.unravel_index(best, region.shape)
    return int(down), int(right)
