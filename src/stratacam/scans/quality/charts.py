"""The charts of the pages: drawn by matplotlib, embedded as SVG, coloured by the style of the page."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from stratacam.scans.quality.views import SequenceViews
from stratacam.scans.slices import SliceTable

CHART = (520.0, 190.0)  # width and height, points
STRIPS = 420.0  # width
LANE = 46.0  # height of the strip of one group
ROUND = [1, 2, 2.5, 5, 10]  # steps between ticks
MINIMUM_TOP = 0.01  # share of the brain: the least top of a histogram
MAXIMUM_LINKED = 1500  # scans: in larger cohorts only the outliers of a plot are links
GOLDEN = 0.6180339887  # its multiples, modulo 1, spread points evenly over the width of a strip

COLOURS = {"#5b6370": "quiet", "#e6e9ed": "grid", "#2166ac": "blue", "#b2182b": "red", "#1a7f4b": "good"}
"""What matplotlib draws with, and the variable of `style.css.j2` that it becomes."""
QUIET, GRID, BLUE, RED, GREEN = COLOURS

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "stratacam",  # the same chart, the same bytes
    "font.size": 11,
    "text.color": QUIET,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "ytick.left": False,
    "grid.color": GRID,
}


def intensities(view: SequenceViews) -> str:
    """Draw the histograms of a sequence in the brain, as delivered and corrected."""

    def plot(axes: Axes) -> None:
        shown = [(view.corrected, BLUE)] + ([] if view.delivered is None else [(view.delivered, QUIET)])
        edges = np.linspace(view.low, view.high, len(view.corrected) + 1)
        for counts, colour in reversed(shown):
            axes.stairs(_shares(counts), edges, color=colour, linewidth=1.4)
        _limit(axes, [counts for counts, _ in shown], (view.low, view.high))
        _line(axes, view.unit, "becomes 1", RED)
        if view.zero:
            _line(axes, view.zero, "becomes 0", RED)
        axes.set_xlabel("intensity")

    return _draw(plot, f"{view.name} before normalisation")


def normalised(view: SequenceViews, white_matter: float | None) -> str:
    """Draw the histogram of a normalised sequence, and where white matter is meant to be."""

    def plot(axes: Axes) -> None:
        edges = np.linspace(0, 1, len(view.normalised) + 1)
        axes.stairs(_shares(view.normalised), edges, fill=True, color=BLUE, alpha=0.35)
        axes.stairs(_shares(view.normalised), edges, color=BLUE, baseline=None)
        _limit(axes, [view.normalised], (0, 1))
        if white_matter:
            _line(axes, white_matter, "white matter", GREEN, linestyle="--")
        axes.set_xlabel("normalised intensity")

    return _draw(plot, f"{view.name} normalised")


def slice_areas(table: SliceTable) -> str:
    """Draw the brain's area in every slice, cm2; the kept slices are green."""

    def plot(axes: Axes) -> None:
        areas, edges = table.areas_mm2 / 100, np.arange(len(table.areas_mm2) + 1) - 0.5
        first, last = int(table.kept[0]), int(table.kept[-1])
        axes.stairs(areas, edges, fill=True, color=QUIET, alpha=0.5)
        axes.stairs(areas[first : last + 1], edges[first : last + 2], fill=True, color=GREEN)
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, max(1.0, 1.05 * float(areas.max()))), xlabel="slice")

    return _draw(plot, "brain area of every slice")


@dataclass(frozen=True)
class Dots:
    """One measure of N scans, in strips: a strip for each group.

    Attributes:
        values: (N,), NaN where there is none.
        outliers: (N,) Boolean.
        lanes: (N,) index of each scan's strip.
        groups: name of each strip.
        links: of each scan, where its dot leads and the text that hovers over it.
    """

    values: NDArray[np.float64]
    outliers: NDArray[np.bool_]
    lanes: NDArray[np.intp]
    groups: Sequence[str]
    links: Sequence[tuple[str, str]]

    def draw(self, axes: Axes, which: NDArray[np.bool_], colour: str, *, linked: bool) -> None:
        """Draw the dots of some scans."""
        heights = self.lanes + 0.38 + 0.5 * ((np.arange(len(self.values)) * GOLDEN) % 1)
        dots = axes.scatter(
            self.values[which],
            heights[which],
            40,
            color=colour,
            alpha=0.75,
            linewidths=0,
            rasterized=not linked,
        )
        if linked:
            dots.set_urls([self.links[number][0] for number in np.flatnonzero(which).tolist()])


def strips(label: str, dots: Dots, *, whole: bool) -> str:
    """Draw a measure: a dot for each scan, outliers in red, and a line at the median of each group.

    Args:
        label: of the measure.
        dots: see `Dots`.
        whole: whether the values are whole numbers.
    """
    seen = np.isfinite(dots.values)

    def plot(axes: Axes) -> None:
        dots.draw(axes, seen & ~dots.outliers, BLUE, linked=len(seen) <= MAXIMUM_LINKED)
        dots.draw(axes, seen & dots.outliers, RED, linked=True)
        for lane, group in enumerate(dots.groups):
            axes.annotate(
                group, (0, lane + 0.02), (6, 0), ("axes fraction", "data"), "offset points", va="top"
            )
            if (group_dots := seen & (dots.lanes == lane)).any():
                median = np.median(dots.values[group_dots])
                axes.vlines(median, lane + 0.3, lane + 0.94, color=QUIET, linewidth=1.5)
        axes.set_ylim(len(dots.groups), 0)
        axes.margins(x=0.05)
        axes.grid(visible=True, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=ROUND, integer=whole))

    size = (STRIPS, len(dots.groups) * LANE + 22)
    return _draw(plot, label, size, (0.02, 0.98, 22, 0), dict(dots.links))


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(counts / max(1, counts.sum()))


def _limit(axes: Axes, histograms: Sequence[NDArray[np.int64]], across: tuple[float, float]) -> None:
    """Fit the axes; the outermost bins, which hold all that lies beyond, may be cut off."""
    top = max(MINIMUM_TOP, *(float(_shares(counts)[1:-1].max()) for counts in histograms))
    axes.set(xlim=across, ylim=(0, 1.08 * top))


def _line(axes: Axes, at: float, text: str, colour: str, linestyle: str = "-") -> None:
    axes.axvline(at, color=colour, linestyle=linestyle, linewidth=1.4)
    axes.annotate(text, (at, 1), (5, -4), ("data", "axes fraction"), "offset points", color=colour, va="top")


def _draw(
    plot: Callable[[Axes], Any],
    label: str,
    size: tuple[float, float] = CHART,
    inside: tuple[float, float, float, float] = (0.09, 0.98, 40, 10),
    titles: Mapping[str, str] | None = None,
) -> str:
    """Draw a chart.

    Args:
        plot: draws into the axes.
        label: for readers who do not see the chart.
        size: width and height, points.
        inside: left and right of the axes, as shares of the width; their distance from bottom and top, in points.
        titles: by link, the text that hovers over it.
    """
    (width, height), (left, right, below, above) = size, inside
    with mpl.rc_context(STYLE):
        figure = Figure((width / 72, height / 72))
        axes = figure.add_axes((left, below / height, right - left, (height - below - above) / height))
        axes.grid(visible=True, axis="y")
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=ROUND))
        plot(axes)
        if titles is not None:
            axes.set_yticks([])
        content = io.StringIO()
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    svg = content.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' id="[a-z]+(?:_[a-z]+)*_\d+"', "", svg)  # would be there once for each chart
    svg = re.sub(
        r' width="[\d.]+pt" height="[\d.]+pt"| height="[\d.]+pt"| width="[\d.]+pt"', "", svg, count=2
    )
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", svg)
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, f"var(--{variable})")
    if titles:
        svg = re.sub(
            r'<a xlink:href="([^"]+)"[^>]*>',
            lambda found: f"{found[0]}<title>{escape(titles[found[1]])}</title>",
            svg,
        )
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
