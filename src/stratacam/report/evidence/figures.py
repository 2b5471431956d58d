"""Measures of every layer as charts: one line a method, layers from shallow to deep."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.evidence.redundancy import correlation_matrix
from stratacam.evidence.references import CEILING
from stratacam.evidence.values import Summary
from stratacam.report.evidence.content import EvidenceContent
from stratacam.report.figure import ReportFigure
from stratacam.report.models import network_title

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of Okabe and Ito: told apart with colour blindness."""

GREY = "#6b7280"

REFERENCES = {"chance": ":", "edges": "--", "lesion prior": "-.", "intensity": (0, (5, 1))}

CHANGES = ("neighbour", "shift", "noise", "seed", "fold", "network")

ACROSS = 3

CASCADE = (
    " Right: a row for the map of each layer, a column for each step of the cascade: likeness to the trained "
    "network's map when the layers from the output down to this one are drawn anew. A map that keeps its likeness "
    "does not depend on what was learned there."
)


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        title: what it shows.
        lines: of what: method, measure, against, and the name in the legend.
        references: whether what maps are held against is drawn too.
        measure: of the references.
        limits: of the axis; None: those of the data.
    """

    title: str
    lines: Sequence[tuple[str, str, str, str]]
    references: bool = False
    measure: str = ""
    limits: tuple[float, float] | None = None


def layers_figure(evidence: EvidenceContent) -> ReportFigure:
    """All measures of every layer, as small charts that share the layers."""
    panels = [panel for panel in _panels(evidence) if _has_data(evidence, panel)]
    rows = math.ceil(len(panels) / ACROSS)
    figure = Figure(figsize=(10.5, 2.35 * rows + 0.75), layout="constrained")
    axes = figure.subplots(rows, ACROSS, squeeze=False, sharex=True)
    for number, axis in enumerate(axes.flatten()):
        if number >= len(panels):
            axis.remove()
            continue
        _draw(axis, evidence, panels[number])
        last_of_column = number + ACROSS >= len(panels)
        axis.tick_params(labelbottom=last_of_column)
        axis.set_xticks(range(len(evidence.layers)), evidence.layers, rotation=90, fontsize=7)
    methods = " and ".join(evidence.methods)
    return ReportFigure(
        f"Evidence for the maps of every layer of {network_title(evidence.network)}",
        f"Maps by {methods}, layers from shallow to deep. Lines: means over subjects; bands: 95 % intervals over "
        "subjects. Grey: what maps are held against; the grey band-less line of each layer is the truth itself at "
        "the layer's resolution, the best that it could do. “Above control” is how much more faithful a map is than a "
        "random map of the same blur and area; above 0 is good. “If all above is random” is the likeness to the map of "
        "the network whose layers above are drawn anew: low is good, above the dotted line the layer is marked.",
        figure,
    )


def dependence_figure(evidence: EvidenceContent) -> ReportFigure | None:
    """Which layers say the same, and what each map depends on; None where neither was measured."""
    method, layers = evidence.methods[0], list(evidence.layers)
    alike = correlation_matrix(list(evidence.summaries.values()), layers, method)
    steps = list(
        dict.fromkeys(key[3] for key in evidence.summaries if key[0] == method and key[2] == "cascade_rank")
    )
    cascade = np.array(
        [
            [
                found.value if (found := evidence.of(method, layer, "cascade_rank", step)) else np.nan
                for step in steps
            ]
            for layer in layers
        ]
    )
    if len(layers) < 2:
        return None
    columns = 2 if steps else 1
    side = 0.21 * len(layers)
    figure = Figure(figsize=(min(10.5, columns * (side + 1.6)), side + 1.9), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False)[0]
    _matrix(panels[0], alike, layers, layers, "Rank correlation of the maps of two layers")
    if steps:
        names = [step.removesuffix(".0") for step in steps]
        _matrix(panels[1], cascade, layers, names, "Likeness after randomising, from the output down to")
    image = panels[-1].images[0]
    bar = figure.colorbar(image, ax=list(panels), shrink=0.6)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("Spearman's rank correlation", fontsize=8)
    return ReportFigure(
        f"Layers of {network_title(evidence.network)} that say the same, and what their maps depend on",
        f"Maps by {method}. {'Left: ' if steps else ''}Spearman's correlation of heat inside the brain, mean over "
        f"subjects; white where two layers were never both to be seen.{CASCADE if steps else ''}",
        figure,
    )


def _panels(evidence: EvidenceContent) -> list[Panel]:
    def by_method(measure: str, against: str = "") -> list[tuple[str, str, str, str]]:
        return [(method, measure, against, method) for method in evidence.methods]

    first = evidence.methods[0]
    return [
        Panel("Share of blank maps", by_method("blank"), limits=(-0.02, 1.02)),
        Panel("Share of the brain that is lit", by_method("lit_share"), limits=(0, 1)),
        Panel("Concentration (Gini index)", by_method("gini"), limits=(0, 1)),
        Panel("Share of heat inside the brain", by_method("inside_brain"), limits=(0, 1.02)),
        Panel("Average precision for the truth", by_method("average_precision"), True, "average_precision", (0, 1.02)),
        Panel("Maximum on the truth (pointing)", by_method("pointing"), True, "pointing", (-0.02, 1.02)),
        Panel("ROAD, above control", by_method("road", "above control")),
        Panel("Deletion, above control", by_method("deletion", "above control")),
        Panel("Insertion, above control", by_method("insertion", "above control")),
        Panel("Likeness if all above is random", by_method("above_rank"), limits=(-0.55, 1.02)),
        Panel(f"Repeats ({first})", [(first, "repeat_rank", what, what) for what in CHANGES], limits=(-0.3, 1.02)),
        Panel("Likeness within groups", by_method("group_likeness"), limits=(-0.55, 1.02)),
    ]  # fmt: skip


def _has_data(evidence: EvidenceContent, panel: Panel) -> bool:
    return any(any(evidence.along(*line[:3])) for line in panel.lines)


def _draw(axes: Axes, evidence: EvidenceContent, panel: Panel) -> None:
    colours = iter(COLOURS)
    for method, measure, against, label in panel.lines:
        found = evidence.along(method, measure, against)
        colour = next(colours)
        if any(found):
            draw_line(axes, found, colour, label)
    if panel.references:
        _references(axes, evidence, panel.measure)
    if "above control" in {line[2] for line in panel.lines}:
        axes.axhline(0, color=GREY, linewidth=0.8)
    if panel.lines[0][1] == "above_rank":
        axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_title(panel.title, fontsize=8.5, loc="left")
    if panel.limits:
        axes.set_ylim(panel.limits)
    axes.set_xlim(-0.5, len(evidence.layers) - 0.5)
    axes.tick_params(labelsize=7)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if len(panel.lines) > 1 or panel.references:
        axes.legend(
            fontsize=6.5,
            ncols=2,
            loc="best",
            handlelength=1.6,
            columnspacing=0.9,
            framealpha=0.9,
            edgecolor="none",
        )


def draw_line(axes: Axes, found: Sequence[Summary | None], colour: str, label: str) -> None:
    """Draw a measure of every layer, where it was taken, with its interval as a band."""
    places = [number for number, summary in enumerate(found) if summary]
    known = [summary for summary in found if summary]
    axes.plot(
        places,
        [summary.value for summary in known],
        color=colour,
        marker="o",
        markersize=2.5,
        linewidth=1.1,
        label=label,
    )
    lows = [summary.value if math.isnan(summary.low) else summary.low for summary in known]
    highs = [summary.value if math.isnan(summary.high) else summary.high for summary in known]
    axes.fill_between(places, lows, highs, color=colour, alpha=0.16, linewidth=0)


def _references(axes: Axes, evidence: EvidenceContent, measure: str) -> None:
    ceiling = evidence.along(CEILING, measure)
    if any(ceiling):
        places = [number for number, summary in enumerate(ceiling) if summary]
        values = [summary.value for summary in ceiling if summary]
        axes.plot(places, values, color=GREY, linewidth=1.0, drawstyle="steps-mid", label="attainable")
    for name, style in REFERENCES.items():
        found = evidence.of(name, "", measure)
        if found:
            axes.axhline(found.value, color=GREY, linewidth=0.9, linestyle=style, label=name)


def _matrix(axes: Axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str) -> None:
    axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7)
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=8.5)
