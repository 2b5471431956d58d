"""Pictures of the benchmark with truth: scores of every layer by class, and slices with targets and decoys."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from stratacam.cam.drawing import blend
from stratacam.evidence.localisation import AVERAGE_PRECISION
from stratacam.evidence.planting.score import ABOVE_DECOYS, RANDOM, SMOOTHGRAD, PlantedSlice, ScoredSlice
from stratacam.evidence.references import CEILING, EDGES, INTENSITY
from stratacam.evidence.values import Summary
from stratacam.report.figure import ReportFigure, chart_style, save_figure
from stratacam.report.figures.layer_lines import COLOURS, LayerAxis, draw_line, draw_references
from stratacam.report.overlay import OUTLINE, WHITE

LINES = {EDGES: "--", INTENSITY: (0, (5, 1)), RANDOM: ":"}

DECOY_OUTLINE = "#ffb000"

MAXIMUM_EXAMPLES = 4

MAXIMUM_LAYERS = 4
"""Whose heat is shown in an example, of each method: spread from shallow to deep."""


def draw_benchmark(
    out: Path,
    tables: Mapping[str, Sequence[Summary]],
    examples: Sequence[tuple[PlantedSlice, ScoredSlice]],
) -> None:
    """Write `scores.png` and `examples.png` into a folder.

    Args:
        out: the folder.
        tables: scores by class.
        examples: slices with their maps.
    """
    layers = examples[0][1].layers
    with chart_style():
        save_figure(_scores(tables, layers), out / "scores.png")
        save_figure(_examples(examples[:MAXIMUM_EXAMPLES], layers), out / "examples.png")


def _scores(tables: Mapping[str, Sequence[Summary]], layers: Sequence[str]) -> ReportFigure:
    """Scores by layer and method, with their references, a panel for each class."""
    axis = LayerAxis.of(layers)
    figure = Figure(figsize=(10.5, 3.9), layout="constrained")
    panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for panel, (group, table) in zip(panels, tables.items(), strict=True):
        found = {
            (one.method, one.layer): one
            for one in table
            if (one.measure, one.against) == (AVERAGE_PRECISION.name, ABOVE_DECOYS)
        }
        methods = dict.fromkeys(one.method for one in table if one.layer in layers and one.method != CEILING)
        for colour, method in zip(COLOURS, methods, strict=False):
            draw_line(panel, axis, [found[method, layer] for layer in axis.layers], colour, method)
        references = {name: found[name, ""] for name in LINES}
        draw_references(panel, axis, [found[CEILING, layer] for layer in axis.layers], references, LINES)
        panel.axhline(found[SMOOTHGRAD, "input"].value, color=COLOURS[2], linewidth=1.1, label=SMOOTHGRAD)
        axis.draw_names(panel)
        panel.set_ylim(-0.3, 1.02)
        panel.set_title(f"Class {group}", loc="left")
    panels[0].set_ylabel("Average precision: targets less decoys")
    panels[-1].legend(ncols=2)
    return ReportFigure(
        "How well maps show what tells the classes apart, and not only what is bright",
        "Lines: means over held-out slices that are classified right; bands: 95 % intervals. Grey: what maps are held "
        "against; “attainable” is the truth itself at the layer's resolution. A network may look for one class only, "
        "and know the other by its absence.",
        figure,
    )


def _examples(examples: Sequence[tuple[PlantedSlice, ScoredSlice]], layers: Sequence[str]) -> ReportFigure:
    """Slices with targets and decoys outlined, and heat over them."""
    spread = [layers[round(share * (len(layers) - 1))] for share in (0.25, 0.5, 0.75, 1.0)][:MAXIMUM_LAYERS]
    methods = dict.fromkeys(method for method, _ in examples[0][1].heat if method != SMOOTHGRAD)
    shown = [(method, layer) for method in methods for layer in dict.fromkeys(spread)] + [
        (SMOOTHGRAD, "input")
    ]
    figure = Figure(figsize=(1.25 * (len(shown) + 1) + 0.5, 1.45 * len(examples) + 0.4), layout="constrained")
    panels = figure.subplots(len(examples), len(shown) + 1, squeeze=False)
    for row, (one, scored) in zip(panels, examples, strict=True):
        grey = (one.picture / WHITE).clip(0, 1)
        for number, panel in enumerate(row):
            panel.set_axis_off()
            if number == 0:
                panel.imshow(grey, cmap="gray", vmin=0, vmax=1)
                panel.text(
                    -0.05,
                    0.5,
                    f"{one.group}\n{one.scan}",
                    transform=panel.transAxes,
                    ha="right",
                    va="center",
                    fontsize=7,
                )
            else:
                heat = scored.heat[shown[number - 1]]
                panel.imshow(blend(grey, heat / heat.max() if heat.max() > 0 else heat))
            panel.contour(one.truth, levels=[0.5], colors=OUTLINE, linewidths=0.6)
            panel.contour(one.decoys, levels=[0.5], colors=DECOY_OUTLINE, linewidths=0.6, linestyles=":")
    for panel, name in zip(
        panels[0], ["planted", *(f"{method}\n{layer}" for method, layer in shown)], strict=True
    ):
        panel.set_title(name, fontsize=6.5)
    return ReportFigure(
        "Slices with targets and decoys, and what maps show of them",
        "Held-out slices that are classified right; targets are outlined, decoys dotted; each map by its own maximum.",
        figure,
    )
