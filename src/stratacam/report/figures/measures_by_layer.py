"""Measures of every layer as small charts: one line a method, layers from shallow to deep."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.evidence import registry
from stratacam.evidence.measures import Measure, Panel
from stratacam.evidence.references import CEILING, CHANCE, EDGES, INTENSITY, PRIOR
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import ReportFigure
from stratacam.report.figures.layer_lines import COLOURS, GREY, LayerAxis, draw_line, draw_references

STYLES = {CHANCE: ":", EDGES: "--", PRIOR: "-.", INTENSITY: (0, (5, 1))}

ACROSS = 3

NAMES_ACROSS = 3
"""Names of lines beside one another above a chart."""

NAME_POINTS = 9
"""Height of a row of names."""


def measures_by_layer(evidence: EvidenceContent) -> ReportFigure:
    """Every registered measure that has a panel and was measured, as charts that share the layers."""
    panels = [
        (measure, measure.panel)
        for measure in registry.measures()
        if measure.panel and any(any(evidence.along(*line[:3])) for line in _lines(evidence, measure))
    ]
    rows = math.ceil(len(panels) / ACROSS)
    figure = Figure(figsize=(10.5, 2.35 * rows + 1.0), layout="constrained")
    axes = figure.subplots(rows, ACROSS, squeeze=False, sharex=True).flatten()
    for unused in axes[len(panels) :]:
        unused.remove()
    shared: dict[str, Any] = {}
    for number, (axis, (measure, panel)) in enumerate(zip(axes, panels, strict=False)):
        shared |= _draw(axis, evidence, measure, panel)
        axis.tick_params(labelbottom=number + ACROSS >= len(panels))
    figure.legend(shared.values(), shared, loc="outside upper left", ncols=len(shared))
    notes = " ".join(panel.note for _, panel in panels if panel.note)
    apart = " Right of the line: means over layers." if evidence.fused_layers else ""
    return ReportFigure(
        f"Evidence for the maps of every layer of {evidence.title}",
        f"Maps by {' and '.join(evidence.methods)}, layers from shallow to deep. Lines: means over subjects; bands: "
        f"95 % intervals over subjects.{apart} Grey: what maps are held against; “attainable” is the truth itself at "
        f"the layer's resolution, the best that it could do. {notes}",
        figure,
    )


def _lines(evidence: EvidenceContent, measure: Measure) -> list[tuple[str, Measure, str, str]]:
    """Method, measure, what it is against, and the name in the legend."""
    against = measure.panel.against if measure.panel else ()
    if len(against) > 1:
        return [(evidence.methods[0], measure, one, one) for one in against]
    return [(method, measure, one, method) for method in evidence.methods for one in against]


def _draw(axes: Axes, evidence: EvidenceContent, measure: Measure, panel: Panel) -> dict[str, Any]:
    """Draw a chart; return what its lines are, by their names, where they are the same in all charts.

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
    title = f"{measure.heading()} ({evidence.methods[0]})" if several else measure.heading(panel.against[0])
    rows = math.ceil(len(named) / NAMES_ACROSS)
    axes.set_title(title, fontsize=8.5, loc="left", pad=4 + NAME_POINTS * rows)
    if named:
        axes.legend(
            named.values(), named, fontsize=6.5, ncols=NAMES_ACROSS, handlelength=1.6, columnspacing=0.9,
            loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.1, borderpad=0.1, labelspacing=0.2,
        )  # fmt: skip
    axes.set_ylabel(measure.unit, fontsize=7)
    if panel.limits:  # nothing that was measured is cut off
        axes.set_ylim(min(panel.limits[0], axes.dataLim.y0), max(panel.limits[1], axes.dataLim.y1))
    layers.draw_names(axes)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    return {label: handle for label, handle in zip(labels, handles, strict=True) if label not in named}
