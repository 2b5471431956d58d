"""Lines over the layers of a network, shallow to deep, and what maps are held against in grey."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from stratacam.evidence.values import Summary

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of Okabe and Ito: distinct with colour blindness."""

GREY = "#6b7280"


def draw_line(axes: Axes, found: Sequence[Summary | None], colour: str, label: str) -> None:
    """Draw a measure of every layer, where it was taken, with its interval as a band."""
    known = {place: summary for place, summary in enumerate(found) if summary}
    values = [summary.value for summary in known.values()]
    axes.plot(list(known), values, color=colour, marker="o", markersize=2.5, linewidth=1.1, label=label)
    lows = [summary.value if math.isnan(summary.low) else summary.low for summary in known.values()]
    highs = [summary.value if math.isnan(summary.high) else summary.high for summary in known.values()]
    axes.fill_between(list(known), lows, highs, color=colour, alpha=0.16, linewidth=0)


def draw_references(
    axes: Axes,
    attainable: Sequence[Summary | None],
    others: Mapping[str, Summary | None],
    styles: Mapping[str, Any],
) -> None:
    """Draw the best that each layer could do as steps, and other references as level lines of their styles."""
    known = {place: summary.value for place, summary in enumerate(attainable) if summary}
    if known:
        axes.plot(
            list(known),
            list(known.values()),
            color=GREY,
            linewidth=1.0,
            drawstyle="steps-mid",
            label="attainable",
        )
    for name, summary in others.items():
        if summary:
            axes.axhline(summary.value, color=GREY, linewidth=0.9, linestyle=styles[name], label=name)


def name_layers(axes: Axes, layers: Sequence[str]) -> None:
    """Write the layers below."""
    axes.set_xticks(range(len(layers)), layers, rotation=90)
