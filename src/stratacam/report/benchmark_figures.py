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
from stratacam.report.album import FILES, save_one
from stratacam.report.figure import TWO_COLUMNS, ReportFigure, style
from stratacam.report.figures.layer_lines import (
    COLOURS,
    GREY,
    LayerAxis,
    draw_line,
    draw_references,
    numbers_of,
)
from stratacam.report.lettering import MM_PER_INCH, SMALL, Lines, fit_titles, wrapped
from stratacam.report.names import method_title
from stratacam.report.overlay import OUTLINE, WHITE, heat_colours

Tables = Mapping[str, Mapping[str, Sequence[Summary]]]
Example = tuple[PlantedSlice, ScoredSlice]
Map = tuple[str, str, str]
"""Networks, method, layer."""

LINES = {EDGES: (0, (2, 1.5)), INTENSITY: (0, (9, 2)), RANDOM: ":"}

WHOSE = {SINGLE: "one network", "consensus": "consensus"}

DECOY_OUTLINE = "#ffb000"

MAXIMUM_EXAMPLES = 4

WIDTH = TWO_COLUMNS / MM_PER_INCH
"""Inches."""

NAMES_MM = 45
"""Names of maps left of a chart."""

LAYERS_SHOWN = (0.25, 0.5, 0.75, 1.0)
"""Whose heat is shown in an example, of each method: from shallow (0) to deep (1)."""


def draw_benchmark(out: Path, tables: Tables, picked: Pick | None, examples: Sequence[Example]) -> None:
    """Write `scores`, `picked` and `examples` into a folder, as PNG and SVG, with their numbers as TSV.

    Args:
        out: the folder.
        tables: scores by class, and by whose maps they are.
        picked: the map that was picked; None where nothing was.
        examples: slices with their maps.
    """
    with style():
        scored = examples[0][1]
        save_one(_scores(tables, LayerAxis(scored.layers, scored.fused)), out / "scores", FILES)
        if picked:
            save_one(_picked(picked, tables), out / "picked", FILES)
        save_one(_examples(examples[:MAXIMUM_EXAMPLES], picked), out / "examples", FILES)


def _scores(tables: Tables, axis: LayerAxis) -> ReportFigure:
    """Scores by layer and method, with their references: a column for each class, a row for each kind of networks."""
    whose = [name for name in next(iter(tables.values())) if name != NONE]
    width_mm = TWO_COLUMNS / len(tables)
    figure = Figure(figsize=(WIDTH, 2.9 * len(whose)), layout="constrained")
    panels = figure.subplots(len(whose), len(tables), sharex=True, sharey=True, squeeze=False)
    numbers: list[Mapping[str, object]] = []
    for column, (group, of_class) in enumerate(tables.items()):
        references = _by_map(of_class[NONE])
        for row, name in enumerate(whose):
            panel, found = panels[row, column], _by_map(of_class[name])
            methods = dict.fromkeys(method for method, layer in found if layer in axis.layers)
            for colour, method in zip(COLOURS, methods, strict=False):
                draw_line(
                    panel, axis, [found[method, layer] for layer in axis.layers], colour, method_title(method)
                )
            numbers += [
                {"class": group, "networks": name, **numbers_of(one)}
                for one in (*found.values(), *references.values())
            ]
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
            axis.draw_names(panel, width_mm - 14)
            panel.set_ylim(-0.3, 1.02)
            panel.set_title(f"Class {group}, {WHOSE[name]}", loc="left")
            panel.legend(ncols=2)
    figure.supylabel("Average precision: targets less decoys", fontsize=SMALL)
    return ReportFigure(
        "How well maps show what tells the classes apart, and not only what is bright",
        "Lines: means over held-out slices that are classified right; bands and bars: 95 % intervals; on the right "
        "means over several layers. Grey: what maps are held against; “attainable” is the truth itself at the layer's "
        "resolution. A network may look for one class only, and know the other by its absence.",
        figure,
        numbers,
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
    figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    numbers: list[Mapping[str, object]] = []
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
            numbers += [
                {
                    "measure": measure.name,
                    "of": label,
                    "scored": " ".join(what.split("\n")),
                    **dict(zip(("value", "low", "high"), row, strict=True)),
                }
                for what, row in zip(labels, rows, strict=True)
            ]
        panel.set_xlim(-0.02, 1.02)
        panel.set_xlabel(
            {AVERAGE_PRECISION: "Average precision", POINTING: "Pointing: maximum on it"}[measure]
        )
    panels[0].set_yticks(range(len(labels)), [wrapped(label, NAMES_MM, SMALL) for label in labels])
    panels[0].invert_yaxis()
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return ReportFigure(
        "The map picked on one half, scored on the other",
        "Each half is scored by the map that the other half picked, by average precision on targets less that on "
        "decoys. Means and 95 % intervals; of maps that need no network, means over classes.",
        figure,
        numbers,
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
    side = (WIDTH - 0.6) / (len(shown) + 1)
    figure = Figure(figsize=(WIDTH, (side + 0.05) * len(examples) + 1.0), layout="constrained")
    panels = figure.subplots(len(examples), len(shown) + 1, squeeze=False)
    numbers: list[Mapping[str, object]] = []
    for row, (one, scored) in zip(panels, examples, strict=True):
        grey = (one.picture / WHITE).clip(0, 1)
        row[0].text(
            -0.05,
            0.5,
            f"{one.group}\n{one.scan}",
            transform=row[0].transAxes,
            ha="right",
            va="center",
            fontsize=SMALL,
        )
        for panel, key in zip(row, (None, *shown), strict=True):
            panel.set_axis_off()
            panel.contour(one.truth, levels=[0.5], colors=OUTLINE, linewidths=0.6)
            panel.contour(one.decoys, levels=[0.5], colors=DECOY_OUTLINE, linewidths=0.6, linestyles=":")
            if key is None:
                panel.imshow(grey, cmap="gray", vmin=0, vmax=1)
                continue
            heat = scored.heat[key]
            panel.imshow(blend(grey, heat / heat.max() if heat.max() > 0 else heat))
            about = dict(zip(("networks", "method", "layer"), key, strict=True))
            numbers.append({"class": one.group, "scan": one.scan, **about, "maximum": float(heat.max())})
    titles = [
        "planted",
        *(
            f"{method_title(method)}\n{fused_title(layer)}" + ("" if name == SINGLE else f"\n{WHOSE[name]}")
            for name, method, layer in shown
        ),
    ]
    bar = figure.colorbar(
        heat_colours(),
        ax=list(panels[-1, 1:]),
        location="bottom",
        aspect=60,
        shrink=0.6,
        pad=0.02,
        panchor=False,
    )
    bar.outline.set_visible(False)
    bar.set_label("heat: share of the map's maximum in the slice", fontsize=SMALL)
    fit_titles(
        figure,
        [
            Lines(panel.set_title(title, fontsize=SMALL), title, panel)
            for panel, title in zip(panels[0], titles, strict=True)
        ],
    )
    return ReportFigure(
        "Slices with targets and decoys, and what maps show of them",
        "Held-out slices that are classified right; targets are outlined, decoys dotted; each map by its own maximum. "
        "On the right the maps that the two halves picked.",
        figure,
        numbers,
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
