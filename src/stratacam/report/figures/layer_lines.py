"""Lines over the layers of a network, shallow to deep, and what maps are held against in grey."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from matplotlib.axes import Axes

from stratacam.evidence.values import Summary
from stratacam.maps.fused import fused_title, is_fused
from stratacam.report.lettering import SMALL

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of Okabe and Ito: distinct with colour blindness."""

GREY = "#6b7280"

NAME_MM = 2.2
"""Between names that stand side by side, turned."""

APART = 1.6
"""Distance of the first mean over layers from the last layer, in layers."""

BETWEEN = 1.6
"""Distance of means over layers from one another: their names have two lines."""


@dataclass(frozen=True)
class LayerAxis:
    """Places of layers across a chart: the network's own in their order, and apart from them means over layers.

    Attributes:
        plain: the network's own, shallow to deep.
        fused: means over layers.
    """

    plain: tuple[str, ...]
    fused: tuple[str, ...]

    @classmethod
    def of(cls, layers: Sequence[str]) -> Self:
        """Layers of both kinds, each kind in its order."""
        return cls(tuple(layer for layer in layers if not is_fused(layer)), tuple(filter(is_fused, layers)))

    @property
    def layers(self) -> tuple[str, ...]:
        """From left to right."""
        return (*self.plain, *self.fused)

    @property
    def places(self) -> list[float]:
        """Of every layer, the network's own first."""
        first = len(self.plain) - 1 + APART
        return [*range(len(self.plain)), *(first + BETWEEN * number for number in range(len(self.fused)))]

    def draw_names(self, axes: Axes, width_mm: float) -> None:
        """Write the layers below, as many as `width_mm` has room for, and draw a line before means over layers."""
        room = width_mm * (len(self.plain) / (self.places[-1] + 1))
        names = [*thinned(self.plain, room), *map(in_two_lines, self.fused)]
        axes.set_xticks(self.places, names, rotation=90, fontsize=SMALL, linespacing=1)
        axes.set_xlim(-0.5, self.places[-1] + 0.5)
        if self.fused:
            axes.axvline(len(self.plain) - 1 + APART / 2, color="#d1d5db", linewidth=0.8)


def thinned(layers: Sequence[str], room_mm: float) -> list[str]:
    """Names of layers, every second, third ... where all would not fit side by side; the others empty.

    Example:
        >>> thinned(["a", "b", "c"], 5)
        ['a', '', 'c']
    """
    step = max(math.ceil(len(layers) * NAME_MM / room_mm), 1)
    return [layer if number % step == 0 else "" for number, layer in enumerate(layers)]


def counted(found: Iterable[Summary | None]) -> str:
    """Write "n = 12", or "n = 6 to 12" where measures are of different numbers of subjects.

    Example:
        >>> counted([Summary("", "", "", "", 0.5, 0.4, 0.6, subjects) for subjects in (6, 12)])
        'n = 6 to 12'
    """
    counts = sorted({summary.subjects for summary in found if summary})
    return f"n = {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))}" if counts else ""


def numbers_of(summary: Summary) -> dict[str, object]:
    """A measure as a row of the table behind a figure."""
    return summary._asdict()


def in_two_lines(layer: str) -> str:
    """A layer's name; of a mean over layers in two lines, the last layer on the second."""
    words = fused_title(layer).rsplit(" ", 2)
    return layer if len(words) < 3 else f"{words[0]}\n{words[1]} {words[2]}"


def draw_line(
    axes: Axes, layers: LayerAxis, found: Sequence[Summary | None], colour: str, label: str
) -> None:
    """Draw a measure of every layer, where it was taken, with its interval: a band, or a bar for means over layers."""
    known = [
        (place, summary, summary.value if math.isnan(summary.low) else summary.low,
         summary.value if math.isnan(summary.high) else summary.high)
        for place, summary in zip(layers.places, found, strict=True)
        if summary
    ]  # fmt: skip
    look: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 2.5}
    own = [one for one in known if one[0] < len(layers.plain)]
    places = [place for place, *_ in own]
    axes.plot(places, [summary.value for _, summary, *_ in own], linewidth=1.1, label=label, **look)
    axes.fill_between(
        places, [one[2] for one in own], [one[3] for one in own], color=colour, alpha=0.16, linewidth=0
    )
    for place, summary, low, high in known[len(own) :]:
        axes.plot([place], [summary.value], **look)
        axes.plot([place, place], [low, high], color=colour, alpha=0.4, linewidth=1.6)


def draw_references(
    axes: Axes,
    layers: LayerAxis,
    attainable: Sequence[Summary | None],
    others: Mapping[str, Summary | None],
    styles: Mapping[str, Any],
) -> None:
    """Draw the best that each layer could do as steps, and other references as level lines of their styles."""
    known = [
        (place, summary.value) for place, summary in zip(layers.places, attainable, strict=True) if summary
    ]
    own = [one for one in known if one[0] < len(layers.plain)]
    if own:
        axes.plot(
            *zip(*own, strict=True), color=GREY, linewidth=1.0, drawstyle="steps-mid", label="attainable"
        )
    for place, value in known[len(own) :]:
        axes.plot([place - 0.4, place + 0.4], [value, value], color=GREY, linewidth=1.0)
    for name, summary in others.items():
        if summary:
            axes.axhline(summary.value, color=GREY, linewidth=0.9, linestyle=styles[name], label=name)
