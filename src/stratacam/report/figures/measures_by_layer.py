"""Measures of every layer as small charts: one line a method, layers from shallow to deep."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.evidence import registry
from stratacam.evidence.measures import Measure, Panel
from stratacam.evidence.references import CEILING, CHANCE, EDGES, INTENSITY, PRIOR
from stratacam.networks import network_title
from stratacam.report.evidence.content import EvidenceContent
from stratacam.report.figure import ReportFigure
from stratacam.report.figures.layer_lines import COLOURS, GREY, draw_line, draw_references, name_layers

STYLES = {CHANCE: ":", EDGES: "--", PRIOR: "-.", INTENSITY: (0, (5, 1))}

ACROSS = 3


def measures_by_layer(evidence: EvidenceContent) -> ReportFigure:
    """Every registered measure that has a panel and was measured, as charts that share the layers."""
    panels = [
        (measure, measure.panel)
        for measure in registry.measures()
        if measure.panel and any(any(evidence.along(*line[:3])) for line in _lines(evidence, measure))
    ]
    rows = math.ceil(len(panels) / ACROSS)
    figure = Figure(figsize=(10.5, 2.35 * rows + 0.75), layout="constrained")
    axes = figure.subplots(rows, ACROSS, squeeze=False, sharex=True).flatten()
    for unused in axes[len(panels) :]:
        unused.remove()
    for number, (axis, (measure, panel)) in enumerate(zip(axes, panels, strict=False)):
        _draw(axis, evidence, measure, panel)
        axis.tick_params(labelbottom=number + ACROSS >= len(panels))
    notes = " ".join(panel.note for _, panel in panels if panel.note)
    return ReportFigure(
        f"Evidence for the maps of every layer of {network_title(evidence.network)}",
        f"Maps by {' and '.join(evidence.methods)}, layers from shallow to deep. Lines: means over subjects; bands: "
        "95 % intervals over subjects. Grey: what maps are held against; “attainable” is the truth itself at the "
        f"layer's resolution, the best that it could do. {notes}",
        figure,
    )


def _lines(evidence: EvidenceContent, measure: Measure) -> list[tuple[str, Measure, str, str]]:
    """Method, measure, what it is against, and the name in the legend."""
    against = measure.panel.against if measure.panel else ()
    if len(against) > 1:
        return [(evidence.methods[0], measure, one, one) for one in against]
    return [(method, measure, one, method) for method in evidence.methods for one in against]


def _draw(axes: Axes, evidence: EvidenceContent, measure: Measure, panel: Panel) -> None:
    lines = _lines(evidence, measure)
    for colour, (method, _, against, label) in zip(COLOURS, lines, strict=False):
        found = evidence.along(method, measure, against)
        if any(found):
            draw_line(axes, found, colour, label)
    references = {name: evidence.of(name, "", measure) for name in STYLES}
    draw_references(axes, evidence.along(CEILING, measure), references, STYLES)
    if panel.level is not None:
        axes.axhline(panel.level, color=GREY, linewidth=0.8, linestyle=":")
    several = len(panel.against) > 1
    title = f"{measure.heading()} ({evidence.methods[0]})" if several else measure.heading(panel.against[0])
    axes.set_title(title, fontsize=8.5, loc="left")
    axes.set_ylabel(measure.unit, fontsize=7)
    if panel.limits:  # nothing that was measured is cut off
        axes.set_ylim(min(panel.limits[0], axes.dataLim.y0), max(panel.limits[1], axes.dataLim.y1))
    name_layers(axes, evidence.layers)
    axes.set_xlim(-0.5, len(evidence.layers) - 0.5)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(
            fontsize=6.5,
            ncols=2,
            handlelength=1.6,
            columnspacing=0.9,
            frameon=True,
            framealpha=1,
            edgecolor="none",
        )
