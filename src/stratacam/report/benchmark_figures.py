"""Pictures of the benchmark with truth: scores of layers, the map that was picked, and slices with their maps."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.cam.drawing import blend
from stratacam.evidence.localisation import AVERAGE_PRECISION, POINTING
from stratacam.evidence.planting.pick import BOTH, HALVES, Pick
from stratacam.evidence.planting.score import (
    ABOVE_DECOYS,
    DECOYS,
    NONE,
    RANDOM,
    SINGLE,
    SMOOTHGRAD,
    PlantedSlice,
    ScoredSlice,
)
from stratacam.evidence.references import CEILING, EDGES, INTENSITY
from stratacam.evidence.values import Summary
from stratacam.maps.fused import fused_title
from stratacam.report.figure import ReportFigure, chart_style, save_figure
from stratacam.report.figures.layer_lines import COLOURS, GREY, LayerAxis, draw_line, draw_references
from stratacam.report.overlay import OUTLINE, WHITE

Tables = Mapping[str, Mapping[str, Sequence[Summary]]]
Example = tuple[PlantedSlice, ScoredSlice]
Map = tuple[str, str, str]
"""Networks, method, layer."""

LINES = {EDGES: "--", INTENSITY: (0, (5, 1)), RANDOM: ":"}

WHOSE = {SINGLE: "one network", "consensus": "consensus"}

DECOY_OUTLINE = "#ffb000"

MAXIMUM_EXAMPLES = 4

LAYERS_SHOWN = (0.25, 0.5, 0.75, 1.0)
"""Whose heat is shown in an example, of each method: from shallow (0) to deep (1)."""


def draw_benchmark(out: Path, tables: Tables, picked: Pick | None, examples: Sequence[Example]) -> None:
    """Write `scores.png`, `picked.png` and `examples.png` into a folder.

    Args:
        out: the folder.
        tables: scores by class, and by whose maps they are.
        picked: the map that was picked; None where nothing was.
        examples: slices with their maps.
    """
    with chart_style():
        scored = examples[0][1]
        save_figure(_scores(tables, LayerAxis(scored.layers, scored.fused)), out / "scores.png")
        if picked:
            save_figure(_picked(picked, tables), out / "picked.png")
        save_figure(_examples(examples[:MAXIMUM_EXAMPLES], picked), out / "examples.png")


def _scores(tables: Tables, axis: LayerAxis) -> ReportFigure:
    """Scores by layer and method, with their references: a column for each class, a row for each kind of networks."""
    whose = [name for name in next(iter(tables.values())) if name != NONE]
    figure = Figure(figsize=(5.3 * max(len(tables), 1.3), 3.7 * len(whose)), layout="constrained")
    panels = figure.subplots(len(whose), len(tables), sharex=True, sharey=True, squeeze=False)
    for column, (group, of_class) in enumerate(tables.items()):
        references = _by_map(of_class[NONE])
        for row, name in enumerate(whose):
            panel, found = panels[row, column], _by_map(of_class[name])
            methods = dict.fromkeys(method for method, layer in found if layer in axis.layers)
            for colour, method in zip(COLOURS, methods, strict=False):
                draw_line(panel, axis, [found[method, layer] for layer in axis.layers], colour, method)
            draw_references(
                panel,
                axis,
                [references[CEILING, layer] for layer in axis.layers],
                {one: references[one, ""] for one in LINES},
                LINES,
            )
            if (SMOOTHGRAD, "input") in found:
                smooth = found[SMOOTHGRAD, "input"].value
                panel.axhline(smooth, color=COLOURS[2], linewidth=1.1, label=SMOOTHGRAD)
            axis.draw_names(panel)
            panel.set_ylim(-0.3, 1.02)
            panel.set_title(f"Class {group}, {WHOSE[name]}", loc="left")
            panel.legend(ncols=2)
    figure.supylabel("Average precision: targets less decoys", fontsize=8)
    return ReportFigure(
        "How well maps show what tells the classes apart, and not only what is bright",
        "Lines: means over held-out slices that are classified right; bands and bars: 95 % intervals; on the right "
        "means over several layers. Grey: what maps are held against; “attainable” is the truth itself at the layer's "
        "resolution. A network may look for one class only, and know the other by its absence.",
        figure,
    )


def _by_map(table: Sequence[Summary]) -> dict[tuple[str, str], Summary]:
    """Average precision on targets less that on decoys, by method and layer."""
    return {
        (one.method, one.layer): one
        for one in table
        if (one.measure, one.against) == (AVERAGE_PRECISION.name, ABOVE_DECOYS)
    }


def _picked(picked: Pick, tables: Tables) -> ReportFigure:
    """What the picked map scores on each half, which did not pick it, and what maps without a network do."""
    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    labels = [
        *(f"{half}\n{chosen.title}" for half, chosen in zip(HALVES, reversed(picked.chosen), strict=True)),
        BOTH,
        EDGES,
        INTENSITY,
    ]
    for panel, measure in zip(panels, (AVERAGE_PRECISION, POINTING), strict=True):
        for colour, against, label in ((COLOURS[0], "", "targets"), (COLOURS[1], DECOYS, "decoys")):
            rows = [picked.score(measure.name, against, half)[3:6] for half in (*HALVES, BOTH)]
            rows += [_reference(tables, name, measure.name, against) for name in (EDGES, INTENSITY)]
            _draw_rows(panel, rows, colour, label)
        panel.set_xlim(-0.02, 1.02)
        panel.set_xlabel(
            {AVERAGE_PRECISION: "Average precision", POINTING: "Pointing: maximum on it"}[measure]
        )
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].invert_yaxis()
    panels[1].legend()
    return ReportFigure(
        "The map picked on one half, scored on the other",
        "Each half is scored by the map that the other half picked, by average precision on targets less that on "
        "decoys. Means and 95 % intervals; of maps that need no network, means over classes.",
        figure,
    )


def _reference(tables: Tables, method: str, measure: str, against: str) -> tuple[float, float, float]:
    """The mean over classes of a map that needs no network; without an interval."""
    found = [
        one.value
        for of_class in tables.values()
        for one in of_class[NONE]
        if (one.method, one.measure, one.against) == (method, measure, against)
    ]
    return float(np.mean(found)), math.nan, math.nan


def _draw_rows(panel: Axes, rows: Sequence[tuple[float, ...]], colour: str, label: str) -> None:
    for place, (value, low, high) in enumerate(rows):
        panel.plot([low, high], [place, place], color=colour, linewidth=1.2)
        panel.plot(value, place, "o", color=colour, markersize=4, label=label if place == 0 else None)
    panel.axhline(len(rows) - 2.5, color=GREY, linewidth=0.5)


def _examples(examples: Sequence[Example], picked: Pick | None) -> ReportFigure:
    """Slices with targets and decoys outlined, and heat over them."""
    shown = _shown(examples[0][1], picked)
    figure = Figure(figsize=(1.25 * (len(shown) + 1) + 0.5, 1.45 * len(examples) + 0.6), layout="constrained")
    panels = figure.subplots(len(examples), len(shown) + 1, squeeze=False)
    for row, (one, scored) in zip(panels, examples, strict=True):
        grey = (one.picture / WHITE).clip(0, 1)
        for panel, key in zip(row, (None, *shown), strict=True):
            panel.set_axis_off()
            if key is None:
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
                heat = scored.heat[key]
                panel.imshow(blend(grey, heat / heat.max() if heat.max() > 0 else heat))
            panel.contour(one.truth, levels=[0.5], colors=OUTLINE, linewidths=0.6)
            panel.contour(one.decoys, levels=[0.5], colors=DECOY_OUTLINE, linewidths=0.6, linestyles=":")
    titles = [
        "planted",
        *(
            f"{method}\n{fused_title(layer)}" + ("" if name == SINGLE else f"\n{WHOSE[name]}")
            for name, method, layer in shown
        ),
    ]
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(title, fontsize=6)
    return ReportFigure(
        "Slices with targets and decoys, and what maps show of them",
        "Held-out slices that are classified right; targets are outlined, decoys dotted; each map by its own maximum. "
        "On the right the maps that the two halves picked.",
        figure,
    )


def _shown(scored: ScoredSlice, picked: Pick | None) -> list[Map]:
    """One network's maps of some layers by every method, SmoothGrad, and what was picked."""
    layers = scored.layers
    spread = dict.fromkeys(layers[round(share * (len(layers) - 1))] for share in LAYERS_SHOWN)
    methods = dict.fromkeys(method for _, method, _ in scored.heat if method != SMOOTHGRAD)
    shown: list[Map] = [(SINGLE, method, layer) for method in methods for layer in spread]
    shown += [key for key in ((SINGLE, SMOOTHGRAD, "input"),) if key in scored.heat]
    chosen: list[Map] = [(*one,) for one in picked.chosen] if picked else []
    return list(dict.fromkeys([*shown, *chosen]))
