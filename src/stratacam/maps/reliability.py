"""How reliable the consensus of several networks is: would other networks, trained alike, show the same?

One half of the networks is held against the other, and the correlation is brought to the number of networks by the
formula of Spearman and Brown (C. Spearman, "Correlation calculated from faulty data"; W. Brown, "Some experimental
results in the correlation of mental abilities", both 1910): the mean of `f` times as many has the reliability
f r / (1 + (f - 1) r).
"""

import math
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch.nn import functional as F

SPLITS = 20
"""Number of splits drawn where there are more than these."""

MAXIMUM_CELLS = 20_000
"""Cells of the brain that are ranked, evenly spaced among all: enough for two decimals."""

WANTED = 0.9


def reliability(maps: NDArray[np.float32], brain: NDArray[np.bool_], *, seed: int = 0) -> float:
    """Reliability of the mean of M networks' maps of one scan.

    The mean over splits of the rank correlation of one half's mean with the other's, over the cells of the brain in
    all slices, brought to M networks. Of an odd number one is left out in each split.

    Args:
        maps: (M, n, h, w), each divided by its scale; signed.
        brain: (n, rows, columns); a cell is brain if any of its pixels is.
        seed: of the splits.

    Returns:
        At most 1; NaN where a half shows the same everywhere.
    """
    cells = F.adaptive_max_pool2d(torch.from_numpy(brain).float()[:, None], maps.shape[2:])[:, 0].numpy() > 0
    values = maps[:, cells]
    values = values[:, :: max(1, math.ceil(values.shape[1] / MAXIMUM_CELLS))]
    members = len(values)
    half = members // 2
    found = []
    for one, other in splits(members, half, seed):
        ranks = [rankdata(values[list(chosen)].mean(axis=0)) for chosen in (one, other)]
        if any(np.ptp(of_half) == 0 for of_half in ranks):
            return math.nan
        found.append(float(np.corrcoef(*ranks)[0, 1]))
    return spearman_brown(float(np.mean(found)), members / half) if found else math.nan


def spearman_brown(reliability: float, times: float) -> float:
    """Reliability of the mean of `times` as many networks.

    A negative correlation is no reliability: it stays as it is.

    Example:
        >>> spearman_brown(0.5, 2), spearman_brown(0.75, 1 / 3)
        (0.6666666666666666, 0.5)
    """
    return reliability if reliability <= 0 else times * reliability / (1 + (times - 1) * reliability)


def networks_needed(reliability: float, networks: int, wanted: float = WANTED) -> int | None:
    """Number of networks whose consensus has the reliability wanted; None where that is not known.

    Args:
        reliability: of the consensus of `networks`.
        networks: M.
        wanted: above 0 and below 1.

    Example:
        >>> networks_needed(0.75, 3), networks_needed(0.95, 6)
        (9, 3)
    """
    if not 0 < reliability < 1:
        return None
    times = wanted * (1 - reliability) / (reliability * (1 - wanted))
    return max(1, math.ceil(round(times * networks, 9)))


def splits(members: int, half: int, seed: int = 0) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pairs of groups of `half` members: every one where there are few, each once, or random ones."""
    if math.comb(members, half) * math.comb(members - half, half) // 2 > SPLITS:
        random = np.random.default_rng(seed)
        drawn = (random.permutation(members).tolist() for _ in range(SPLITS))
        return [(tuple(one[:half]), tuple(one[half : 2 * half])) for one in drawn]
    return [
        (one, other)
        for one in combinations(range(members), half)
        for other in combinations([number for number in range(members) if number not in one], half)
        if one < other
    ]
