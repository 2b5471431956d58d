"""Maps of a group: mean heat, and the share of its subjects whose heat is high."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.inference.means import mean_known

HIGH = 0.5
"""Heat at or above this share of the layer's scale in the subject's scan (see `heat_scale`) is high."""

MEAN, SHARE = "mean", "share"


def group_maps(
    maps: NDArray[np.float32], groups: Sequence[str]
) -> dict[tuple[str, str], NDArray[np.float32]]:
    """Maps of every group.

    Args:
        maps: (subjects, X, Y, Z) heat in units of each scan's scale; NaN where a subject's slices do not reach.
        groups: of the subjects.

    Returns:
        By group and `MEAN` or `SHARE`, (X, Y, Z): mean heat, and the share of the subjects with high heat, both of the
        subjects whose slices reach the voxel; NaN where there are none.
    """
    found = {}
    for group in dict.fromkeys(groups):
        its = maps[[name == group for name in groups]]
        found[group, MEAN] = mean_known(its).astype(np.float32)
        found[group, SHARE] = mean_known(np.where(np.isnan(its), its, its >= HIGH)).astype(np.float32)
    return found
