"""What the page says first: which map to believe and how far, or why none; in few words, with the rest to unfold."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from stratacam.report.content.recommended import Recommended
from stratacam.report.words.recommended import (
    UNMEASURED,
    cross_fitted,
    how_far,
    in_the_way,
    remedy,
    which_map,
    whose_numbers,
)


class Trust(NamedTuple):
    """Which map to believe.

    Attributes:
        in_short: which map and how far to trust it; or why none is recommended, and what to do.
        numbers: of the recommended map: whose they are, then one a line; none where there is none.
    """

    in_short: str
    numbers: Sequence[str]


def trust_of(recommended: Recommended | None) -> Trust:
    """Which map a study recommends, in words."""
    if recommended is None:
        return Trust(_plain(UNMEASURED), ())
    if recommended.chosen is None:
        why = f"No map is recommended. {in_the_way(recommended, '')} {remedy(recommended)}"
        return Trust(_plain(why.strip()), ())
    numbers = [cross_fitted(asdict(one)) for one in recommended.numbers]
    return Trust(
        f"{which_map(recommended)} {how_far(recommended)}",
        [f"{whose_numbers(recommended)} In brackets 95 % intervals:", *numbers] if numbers else (),
    )


def _plain(words: str) -> str:
    """Words without the marks of code, which the page would show."""
    return words.replace("`", "")
