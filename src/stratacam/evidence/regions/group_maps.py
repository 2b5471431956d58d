"""Maps of a group: mean heat, and the share of its subjects whose heat is high."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
        found[group, MEAN] = mean_where_known(its)
        found[group, SHARE] = mean_where_known(np.where(np.isnan(its), its, its >= HIGH))
    return found


def mean_where_known(volumes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over the first axis of the numbers there; NaN where there are none."""
    known = ~np.isnan(volumes)
    count = known.sum(axis=0)
    total = np.where(known, volumes, 0).sum(axis=0, dtype=np.float32)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan, np.float32), where=count > 0))
