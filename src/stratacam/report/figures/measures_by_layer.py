"""Measures of every layer as small charts: one line a method, layers from shallow to deep."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.evidence import registry
from stratacam.evidence.measures import Measure, Panel
from stratacam.evidence.references import CEILING, CHANCE, EDGES, INTENSITY, PRIOR
from stratacam.evidence.values import Summary
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.layer_lines import (
    COLOURS,
    GREY,
    LayerAxis,
    counted,
    draw_line,
    draw_references,
    numbers_of,
)
from stratacam.report.lettering import MM_PER_INCH, SMALL, Lines, fit_titles
from stratacam.report.names import method_title

STYLES = {CHANCE: ":", EDGES: (0, (2, 1.5)), PRIOR: "-.", INTENSITY: (0, (9, 2))}

PANEL_MM = 40
"""Width of a chart at least, with its numbers."""

HEIGHT_MM = 34
"""Of a chart with its title."""

NAMES_MM = 20
"""Height of the layers' names, and of the legend."""

SIDE_MM = 9
"""Numbers beside a chart."""

NAME_MM = 15
"""Of a line above a chart."""

NAME_POINTS = 8
"""Height of a row of names."""


def measures_by_layer(evidence: EvidenceContent, request: Request) -> ReportFigure:
    """Every registered measure that has a panel and was measured, as charts that share the layers."""
    panels = [
        (measure, measure.panel)
        for measure in registry.measures()
        if measure.panel and any(any(evidence.along(*line[:3])) for line in _lines(evidence, measure))
    ]
    across = max(min(int(request.width_mm // PANEL_MM), 3), 1)
    rows = math.ceil(len(panels) / across)
    size = (request.width_mm / MM_PER_INCH, (HEIGHT_MM * rows + NAMES_MM) / MM_PER_INCH)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, across, squeeze=False, sharex=True).flatten()
    for unused in axes[len(panels) :]:
        unused.remove()
    shared: dict[str, Any] = {}
    titles: list[Lines] = []
    numbers = []
    for number, (axis, (measure, panel)) in enumerate(zip(axes, panels, strict=False)):
        common, title = _draw(axis, evidence, measure, panel, request.width_mm / across - SIDE_MM)
        shared |= common
        titles.append(title)
        axis.tick_params(labelbottom=number + across >= len(panels))
        numbers += [numbers_of(summary) for summary in _shown(evidence, measure)]
    columns = min(len(shared), int(request.width_mm // 24))
    figure.legend(shared.values(), shared, loc="outside upper left", ncols=columns, handlelength=2.6)
    fit_titles(figure, titles)
    notes = " ".join(panel.note for _, panel in panels if panel.note)
    apart = " Right of the line: means over layers." if evidence.fused_layers else ""
    return ReportFigure(
        f"Evidence for the maps of every layer of {evidence.title}",
        "Layers from shallow to deep. Lines: means over subjects; bands: 95 % intervals over subjects; n: subjects."
        f"{apart} Grey: what maps are held against.",
        figure,
        numbers,
        f"Maps by {' and '.join(map(method_title, evidence.methods))}. “Attainable” is the truth itself at the layer's "
        f"resolution, the best that it could do. {notes}",
    )


def _lines(evidence: EvidenceContent, measure: Measure) -> list[tuple[str, Measure, str, str]]:
    """Method, measure, what it is against, and the name in the legend."""
    against = measure.panel.against if measure.panel else ()
    if len(against) > 1:
        return [(evidence.methods[0], measure, one, one) for one in against]
    return [(method, measure, one, method_title(method)) for method in evidence.methods for one in against]


def _shown(evidence: EvidenceContent, measure: Measure) -> list[Summary]:
    """All that a chart shows: lines, and what they are held against."""
    lines = [evidence.along(*line[:3]) for line in _lines(evidence, measure)]
    references = [evidence.of(name, "", measure) for name in STYLES]
    found = [*(one for line in lines for one in line), *evidence.along(CEILING, measure), *references]
    return [one for one in found if one]


def _draw(
    axes: Axes, evidence: EvidenceContent, measure: Measure, panel: Panel, width_mm: float
) -> tuple[dict[str, Any], Lines]:
    """Draw a chart; return what its lines are, by their names, where they are the same in all charts, and its title.

    Lines that are this chart's alone are named between its title and the data, which no name may cover.
    """
    lines = _lines(evidence, measure)
    several = len(panel.against) > 1
    layers = LayerAxis(evidence.plain_layers, evidence.fused_layers)
    for colour, (method, _, against, label) in zip(COLOURS, lines, strict=False):
        found = evidence.along(method, measure, against)
        if any(found):
            draw_line(axes, layers, found, colour, label)
    named = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True)) if several else {}
    references = {name: evidence.of(name, "", measure) for name in STYLES}
    draw_references(axes, layers, evidence.along(CEILING, measure), references, STYLES)
    if panel.level is not None:
        axes.axhline(panel.level, color=GREY, linewidth=0.8, linestyle=":")
    of_first = f", {method_title(evidence.methods[0])}" if several else ""
    heading = measure.heading() if several else measure.heading(panel.against[0])
    count = counted(one for line in lines for one in evidence.along(*line[:3]))
    across = max(int(width_mm // NAME_MM), 1)
    rows = math.ceil(len(named) / across)
    words = f"{heading}{of_first} ({count})"
    title = Lines(axes.set_title(words, loc="left", pad=3 + NAME_POINTS * rows), words, axes)
    if named:
        axes.legend(
            named.values(), named, fontsize=SMALL, ncols=across, handlelength=1.4, columnspacing=0.9,
            loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.1, borderpad=0.1, labelspacing=0.2,
        )  # fmt: skip
    axes.set_ylabel(measure.unit, fontsize=SMALL)
    if panel.limits:  # nothing that was measured is cut off
        axes.set_ylim(min(panel.limits[0], axes.dataLim.y0), max(panel.limits[1], axes.dataLim.y1))
    layers.draw_names(axes, width_mm)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    return {label: handle for label, handle in zip(labels, handles, strict=True) if label not in named}, title
