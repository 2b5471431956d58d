"""Maps of a group: mean heat, and the share of its subjects whose heat is high."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HIGH = 0.5
"""Heat at or above this share of the subject's highest of that layer is high."""

MEAN, SHARE = "mean", "share"


def group_maps(
    maps: NDArray[np.float32], groups: Sequence[str]
) -> dict[tuple[str, str], NDArray[np.float32]]:
    """Maps of every group.

    Args:
        maps: (subjects, X, Y, Z) heat; each is taken in shares of its highest.
        groups: of the subjects.

    Returns:
        By group and `MEAN` or `SHARE`, (X, Y, Z): mean heat, and the share of the subjects with high heat.
    """
    highest = maps.max(axis=(1, 2, 3), keepdims=True)
    scaled = maps / np.where(highest > 0, highest, 1)
    found = {}
    for group in dict.fromkeys(groups):
        its = scaled[[name == group for name in groups]]
        found[group, MEAN] = its.mean(axis=0)
        found[group, SHARE] = (its >= HIGH).mean(axis=0, dtype=np.float32)
    return found
