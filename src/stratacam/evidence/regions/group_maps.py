"""Maps of a group: mean heat, and the share of its subjects whose heat is high."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HIGH = 0.5
"""Heat at or above this share of the subject's highest of that layer is high."""


@dataclass(frozen=True, eq=False)
class GroupMap:
    """One group's maps of one layer.

    Attributes:
        group: its name.
        subjects: how many.
        mean: (X, Y, Z) mean heat, in shares of each subject's highest.
        share: (X, Y, Z) share of the subjects with high heat.
    """

    group: str
    subjects: int
    mean: NDArray[np.float32]
    share: NDArray[np.float32]


def group_maps(maps: NDArray[np.float32], groups: Sequence[str]) -> list[GroupMap]:
    """Maps of every group.

    Args:
        maps: (subjects, X, Y, Z) heat; each is taken in shares of its own highest.
        groups: of the subjects.
    """
    highest = maps.max(axis=(1, 2, 3), keepdims=True)
    scaled = maps / np.where(highest > 0, highest, 1)
    found = []
    for group in dict.fromkeys(groups):
        own = scaled[[number for number, name in enumerate(groups) if name == group]]
        found.append(
            GroupMap(group, len(own), own.mean(axis=0), (own >= HIGH).mean(axis=0, dtype=np.float32))
        )
    return found
