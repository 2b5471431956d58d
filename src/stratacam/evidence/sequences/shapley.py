"""Exact Shapley values (L. S. Shapley, "A value for n-person games", 1953), from the worth of every coalition."""

from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def coalitions(players: int) -> list[tuple[int, ...]]:
    """Every set of players, as ascending positions; player p is in the coalition at place i if bit p of i is set.

    Example:
        >>> coalitions(2)
        [(), (0,), (1,), (0, 1)]
    """
    return [tuple(player for player in range(players) if place >> player & 1) for place in range(2**players)]


def shapley_values(worth: Floats) -> Floats:
    """How much each player adds to the worth, as a mean over all orders in which the players may come together.

    The values of all players add up to the worth of all of them less that of none.

    Args:
        worth: (2 ** players, ...), in the order of `coalitions`.

    Returns:
        (players, ...).

    Raises:
        ValueError: the number of coalitions is no power of two.

    Example:
        >>> shapley_values(np.array([0.0, 1.0, 2.0, 7.0])).tolist()  # together 4 more than one by one
        [3.0, 4.0]
    """
    players = len(worth).bit_length() - 1
    if len(worth) != 2**players:
        raise ValueError(f"worth: found {len(worth)} coalitions; expected a power of two, one for each set.")
    places = np.arange(len(worth))
    found = []
    for player in range(players):
        without = places[places >> player & 1 == 0]
        weights = np.array([1 / comb(players - 1, int(place).bit_count()) for place in without]) / players
        found.append(np.tensordot(weights, worth[without + 2**player] - worth[without], 1))
    return np.reshape(found, (players, *worth.shape[1:]))
