"""The order in which pixels are removed: by heat, exact in number, ties at random."""

import numpy as np
from numpy.typing import NDArray

from stratacam.maps.heat import Heat


def ranks(heat: Heat, brain: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.int64]:
    """Rank of every pixel of the brain, 0 for the hottest; of equal ones at random.

    Maps are full of exact zeros: a threshold at a percentile takes all of them or none, and a plain sort takes them
    from one side of the picture.

    Args:
        heat: (m, rows, columns).
        brain: (rows, columns).
        random: of the order among equals, the same for all maps: it cancels where two are compared.

    Returns:
        (m, rows, columns); outside the brain the number of pixels of the brain, which no rank reaches.
    """
    values = heat[:, brain]
    count = values.shape[1]
    chance = random.permutation(count)
    order = chance[np.argsort(-values[:, chance], axis=1, kind="stable")]
    found = np.full(heat.shape, count, dtype=np.int64)
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(count)[None], axis=1)
    found[:, brain] = places
    return found


def hottest(rank: NDArray[np.int64], brain: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """The hottest share of the brain's pixels, by their ranks (rows, columns)."""
    return np.asarray(rank < round(share * int(brain.sum())))


def coldest(rank: NDArray[np.int64], brain: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """The coldest share of the brain's pixels, by their ranks (rows, columns)."""
    count = int(brain.sum())
    return np.asarray(brain & (rank >= count - round(share * count)))
