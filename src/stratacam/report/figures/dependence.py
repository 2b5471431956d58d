"""How alike the maps of layers are, and which layers' weights each map depends on."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stratacam.cam.colours import DIVERGING
from stratacam.evidence.redundancy import correlation_matrix
from stratacam.evidence.sanity import CASCADE
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.layer_lines import counted, in_two_lines, thinned
from stratacam.report.lettering import MM_PER_INCH, SMALL, Lines, fit_titles
from stratacam.report.names import method_title

NOTE = (
    "a row for the map of each layer, a column for each step of the cascade: likeness to the trained network's map "
    "when the layers from the output down to this one are randomised. A map that stays alike does not depend on what "
    "was learned there."
)

MATRIX_MM = 56
"""Side of a matrix."""

NAMES_MM = 24
"""Names of layers beside a matrix, and below it."""

BAR_MM = 14
"""Colour bar with its label."""


def dependence(evidence: EvidenceContent, request: Request) -> ReportFigure | None:
    """Two matrices, the second where it was measured; None for a single layer."""
    method, layers = evidence.methods[0], list(evidence.layers)
    if len(layers) < 2:
        return None
    steps = list(
        dict.fromkeys(key[3] for key in evidence.summaries if key[0] == method and key[2] == CASCADE[0].name)
    )
    found = [evidence.along(method, CASCADE[0], step) for step in steps]
    count = counted(
        summary for key, summary in evidence.summaries.items() if key[0] == method and key[3] in layers
    )
    alike = correlation_matrix(list(evidence.summaries.values()), layers, method)
    matrices = [
        (f"Rank correlation of the maps of two layers{count and f', {count}'}", "layer", layers, alike)
    ]
    if steps:
        cascade = np.array([[one.value if one else np.nan for one in column] for column in found]).T
        title = f"Likeness after randomising, {counted(one for column in found for one in column)}"
        matrices.append(
            (title, "from the output down to", [step.removesuffix(".0") for step in steps], cascade)
        )
    figure, panels = _panels(len(matrices), request)
    titles = []
    numbers: list[Mapping[str, object]] = []
    for panel, (title, across, columns, values) in zip(panels, matrices, strict=True):
        _matrix(panel, values, layers, columns)
        titles.append(Lines(panel.set_title(title), title, panel))
        panel.set_xlabel(across)
        numbers += [
            {
                "matrix": title.split(",")[0],
                "layer": layers[row],
                across: columns[column],
                "value": float(value),
            }
            for (row, column), value in np.ndenumerate(values)
        ]
    if evidence.fused_layers:
        for panel in panels:
            panel.axhline(len(evidence.plain_layers) - 0.5, color="black", linewidth=0.8)
        panels[0].axvline(len(evidence.plain_layers) - 0.5, color="black", linewidth=0.8)
    bar = figure.colorbar(panels[-1].images[0], ax=list(panels), shrink=0.6, aspect=25)
    bar.set_label("Spearman's rank correlation", fontsize=SMALL)
    bar.outline.set_visible(False)
    fit_titles(figure, titles)
    apart = " Past the line: means over layers." if evidence.fused_layers else ""
    second = f" {'Right' if request.wide else 'Below'}: {NOTE}" if steps else ""
    return ReportFigure(
        f"How alike the maps of layers of {evidence.title} are{', and what they depend on' if steps else ''}",
        "Spearman's correlation of heat inside the brain, mean over subjects (n); white where two layers never both "
        f"had heat.{apart}",
        figure,
        numbers,
        f"Maps by {method_title(method)}.{second}",
    )


def _panels(count: int, request: Request) -> tuple[Figure, list[Axes]]:
    """Panels side by side, or below one another in one column of a journal."""
    rows, columns = (1, count) if request.wide else (count, 1)
    width = min(request.width_mm, columns * (MATRIX_MM + NAMES_MM) + BAR_MM)
    size = (width / MM_PER_INCH, rows * (MATRIX_MM + NAMES_MM + 8) / MM_PER_INCH)
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _matrix(axes: Axes, values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.imshow(values, cmap=DIVERGING, vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), _names(columns), rotation=90)
    axes.set_yticks(range(len(rows)), _names(rows))
    for name in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        name.set(linespacing=1)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _names(layers: Sequence[str]) -> list[str]:
    return [in_two_lines(layer) for layer in thinned(layers, MATRIX_MM)]
