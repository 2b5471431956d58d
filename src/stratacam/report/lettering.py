"""Letters of figures: their sizes, and text broken into lines that fit a width."""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import TextToPath

MM_PER_INCH = 25.4
POINTS_PER_MM = 72 / MM_PER_INCH

SMALL, NORMAL = 6, 7
"""Sizes of letters in points; journals ask for 6 at least."""

TOGETHER = re.compile(
    r"(?<==) | (?==)|(?<=\d) (?=(?:x|of|mm)\b)|(?<=\bx) (?=\d)|(?<=\bof) (?=\d)|(?<=\bpeak) "
)
"""Spaces at which no line is broken, as in "z = +1 mm", "3 of 9" and "8 x 8"."""

HARD_SPACE = "\u00a0"

PIECES = re.compile(r"\s+|[^\s_+/.-]*[_+/.-]*")
"""Lines are broken at spaces, and in long names after a joining sign."""


def wrapped(text: str, width_mm: float, points: float) -> str:
    """Text in as many lines as it needs; lines that it has are kept, and a name is broken only if it is too long.

    Args:
        text: to write, in matplotlib's font.
        width_mm: of a line.
        points: height of the letters.
    """
    room = width_mm * POINTS_PER_MM / points
    kept = TOGETHER.sub(HARD_SPACE, text)
    return "\n".join(line for given in kept.split("\n") for line in _lines(given, room)).replace(
        HARD_SPACE, " "
    )


def shortened(name: str, width_mm: float, points: float, lines: int) -> str:
    """A name in so many lines at most; a longer one ends with three dots.

    Example:
        >>> shortened("a name of many words", 10, 6, 1), shortened("a", 10, 6, 1)
        ('a name…', 'a')
    """
    found = wrapped(name, width_mm, points).split("\n")
    return "\n".join(found) if len(found) <= lines else "\n".join(found[:lines]) + "…"


LEAST_MM = 7
"""Of a line, however narrow a panel is."""


class Lines(NamedTuple):
    """A text of a figure that may be as wide as its panel.

    Attributes:
        text: as it is drawn.
        words: as they were given.
        panel: whose width it has.
    """

    text: Text
    words: str
    panel: Axes


def break_lines(texts: Sequence[Lines], width: float) -> bool:
    """Wrap texts of a figure of so many inches to the width of their panels; whether any is another than before."""
    changed = False
    for text, words, panel in texts:
        room = panel.get_position().width * width * MM_PER_INCH
        lines = wrapped(words, max(room, LEAST_MM), float(text.get_fontsize()))
        changed |= lines != text.get_text()
        text.set_text(lines)
    return changed


def fit_titles(figure: Figure, texts: Sequence[Lines]) -> None:
    """Lay a figure out with titles that are no wider than their panels."""
    for _ in range(3):
        figure.draw_without_rendering()
        if not break_lines(texts, float(figure.get_figwidth())):
            break
    figure.draw_without_rendering()  # ticks follow the size of their axes, and the axes the ticks


def _lines(text: str, room: float) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if _width(joined) <= room:
            lines[-1] = joined
        elif _width(word) <= room:
            lines.append(word)
        else:
            lines += _broken(word, room)
    return lines if lines[0] or len(lines) == 1 else lines[1:]


def _broken(name: str, room: float) -> list[str]:
    """A name in pieces: after a joining sign where there is one, else anywhere."""
    lines = [""]
    for piece in filter(None, PIECES.findall(name)):
        if _width(lines[-1] + piece) <= room:
            lines[-1] += piece
            continue
        lines.append("")
        for letter in piece:
            if lines[-1] and _width(lines[-1] + letter) > room:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


@cache
def _width(text: str) -> float:
    """Of a line, in heights of its letters."""
    properties = FontProperties(size=1)
    width, _, _ = TextToPath().get_text_width_height_descent(text, properties, ismath=False)
    return float(width)
