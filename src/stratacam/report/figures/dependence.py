"""How alike the maps of layers are, and which layers' weights each map depends on."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.evidence.redundancy import correlation_matrix
from stratacam.evidence.sanity import CASCADE
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import ReportFigure
from stratacam.report.figures.layer_lines import in_two_lines

NOTE = (
    " Right: a row for the map of each layer, a column for each step of the cascade: likeness to the trained "
    "network's map when the layers from the output down to this one are randomised. A map that stays alike does not "
    "depend on what was learned there."
)


def dependence(evidence: EvidenceContent) -> ReportFigure | None:
    """Two matrices, the second where it was measured; None for a single layer."""
    method, layers = evidence.methods[0], list(evidence.layers)
    if len(layers) < 2:
        return None
    steps = list(
        dict.fromkeys(key[3] for key in evidence.summaries if key[0] == method and key[2] == CASCADE[0].name)
    )
    columns = 2 if steps else 1
    side = 0.21 * len(layers)
    figure = Figure(figsize=(min(10.5, columns * (side + 1.6)), side + 1.9), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False)[0]
    alike = correlation_matrix(list(evidence.summaries.values()), layers, method)
    names = [in_two_lines(layer) for layer in layers]
    _matrix(panels[0], alike, names, names, "Rank correlation of the maps of two layers")
    if steps:
        found = [evidence.along(method, CASCADE[0], step) for step in steps]
        cascade = np.array([[one.value if one else np.nan for one in column] for column in found]).T
        _matrix(
            panels[1],
            cascade,
            names,
            [step.removesuffix(".0") for step in steps],
            "Likeness after randomising, from the output down to",
        )
    if evidence.fused_layers:
        for panel in panels:
            panel.axhline(len(evidence.plain_layers) - 0.5, color="black", linewidth=0.8)
        panels[0].axvline(len(evidence.plain_layers) - 0.5, color="black", linewidth=0.8)
    bar = figure.colorbar(panels[-1].images[0], ax=list(panels), shrink=0.6)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("Spearman's rank correlation", fontsize=8)
    apart = " Past the line: means over layers." if evidence.fused_layers else ""
    return ReportFigure(
        f"How alike the maps of layers of {evidence.title} are{', and what they depend on' if steps else ''}",
        f"Maps by {method}. {'Left: ' if steps else ''}Spearman's correlation of heat inside the brain, mean over "
        f"subjects; white where two layers never both had heat.{apart}{NOTE if steps else ''}",
        figure,
    )


def _matrix(axes: Axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str) -> None:
    axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=7)
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    for name in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        if "\n" in name.get_text():
            name.set(fontsize=5.5, linespacing=0.9)
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=8.5)
