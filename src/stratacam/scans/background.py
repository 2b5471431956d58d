"""The intensity of air: 0 in a magnitude image, and the sign of an offset where it is not."""

import numpy as np
from numpy.typing import NDArray

BORDER = 3  # voxels
MINIMUM_VOXELS = 500
FROM_MEDIAN = 4.93  # median over median absolute deviation of the densest half of a Rayleigh distribution
BELOW = 0.02  # of all voxels may be darker than air
HIGHEST_AIR = 0.15  # of the intensity in the middle of the head: brighter air is offset
LOWEST_AIR = -0.05  # of the same: a magnitude image has no negative air


def background_level(image: NDArray[np.float32]) -> float:
    """Return the intensity that stands for no signal; 0 unless air is clearly offset from 0.

    Air is most of the border of a head's scan. Its noise follows a Rayleigh distribution from 0: in the half of its
    values that lie closest together, the median is 4.93 times the median absolute deviation. What the median exceeds
    that by is the offset. Voxels that are exactly 0 are padding, or a head that was cut out, and say nothing.

    Args:
        image: (X, Y, Z) of a head.

    Returns:
        0 also where too little air is seen, and where it is not darker than nearly everything.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> head = np.hypot(*random.normal(0, 20, (2, 40, 40, 40))).astype(np.float32)
        >>> head[10:30, 10:30, 10:30] += 600
        >>> background_level(head), round(background_level(head + 1000) / 1000, 2)
        (0.0, 1.0)
    """
    inner = tuple(slice(min(BORDER, n // 2), max(n - BORDER, n // 2)) for n in image.shape)
    border = np.ones(image.shape, dtype=bool)
    border[inner] = False
    air = image[border & (image != 0)]
    middle = image[tuple(slice(n // 3, n - n // 3) for n in image.shape)]
    if len(air) < MINIMUM_VOXELS:
        return 0.0
    air = _densest_half(air)
    median = float(np.median(air))
    spread = float(np.median(np.abs(air - median)))
    darkest = float(image[image != 0].min())
    level = max(median - FROM_MEDIAN * spread, darkest if median < 0 else max(darkest, 0.0))
    signal = float(np.median(middle)) - level
    darker = float((image[image != 0] < level - spread).mean())
    offset = signal > 0 and not LOWEST_AIR <= level / signal <= HIGHEST_AIR
    return level if offset and darker < BELOW else 0.0


def _densest_half(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The half of the values that lies in the shortest interval."""
    ordered = np.sort(values)
    half = len(ordered) // 2
    start = int(np.argmin(ordered[half:] - ordered[: len(ordered) - half]))
    return ordered[start : start + half + 1]
