"""Plain tissue of a slice: neither bright nor dark, found by intensity, whether or not a truth is known."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.maps.heat import Heat

Mask = NDArray[np.bool_]

OUTLYING = 2.5
"""Tissue is plain up to this many robust standard deviations from the brain's median, in every channel."""

BLUR = 0.8
"""Standard deviation, in pixels, of the blur that keeps noise from standing out."""


def plain_tissue(image: Heat, brain: Mask) -> Mask:
    """The part of the brain that holds no fluid, no lesion and nothing else that stands out.

    Pixels beside something that stands out hold a part of it, and are left out too.

    Args:
        image: (channels, rows, columns).
        brain: (rows, columns).
    """
    if not brain.any():
        return brain
    weight = ndimage.gaussian_filter(brain.astype(np.float32), BLUR)[brain]
    values = ndimage.gaussian_filter(image * brain, (0, BLUR, BLUR))[:, brain] / weight
    middle = np.median(values, axis=1, keepdims=True)
    distance = np.abs(values - middle)
    outlying = np.zeros_like(brain)
    outlying[brain] = (distance > OUTLYING * 1.4826 * np.median(distance, axis=1, keepdims=True)).any(axis=0)
    return np.asarray(brain & ~ndimage.binary_dilation(outlying))
