"""How alike the maps of the subjects of one group are, region by region."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stratacam.evidence.measures import Kind, Measure, Need, Panel

GROUP_LIKENESS = Measure(
    name="group_likeness",
    title="likeness within groups",
    definition="rank correlation of a subject's heat over regions with the mean of the others in its group",
    panel=Panel(limits=(-0.55, 1.02)),
)


def group_likeness(means: NDArray[np.float64], groups: Sequence[str]) -> NDArray[np.float64]:
    """Rank correlation of each row with the mean of the other rows of its group.

    Args:
        means: (subjects, regions), NaN where a subject lacks a region, which is then left out.
        groups: of the subjects.

    Returns:
        (subjects,), NaN for the only subject of a group, and for fewer than three regions or constant values.
    """
    found = np.full(len(means), np.nan)
    for row, group in enumerate(groups):
        others = [other for other, its in enumerate(groups) if its == group and other != row]
        if not others:
            continue
        known = ~np.isnan(means[[row, *others]]).any(axis=0)
        subject, mean = means[row, known], means[others][:, known].mean(axis=0)
        if known.sum() > 2 and np.ptp(subject) > 0 and np.ptp(mean) > 0:
            found[row] = stats.spearmanr(subject, mean).statistic
    return found


KIND = Kind(
    name="group likeness",
    question="how alike maps within a group are (no place in MNI152 space, or no two subjects of a group)",
    needs=Need.REGIONS,
    measures=(GROUP_LIKENESS,),
    of_subjects=lambda means, groups: {GROUP_LIKENESS: group_likeness(means, groups)},
)
