"""Confusion matrices of all networks side by side."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.lettering import MM_PER_INCH, SMALL, Lines, fit_titles, shortened

READABLE_ON_DARK = 65

UNITS = ("subjects", "slices")

COLOURS = "Blues"

CELL_MM = 9
"""Of a matrix, which holds a count and per cent."""

NAMES_MM = 18
"""Names left of a matrix."""


def confusion_matrices(study: StudyContent, request: Request) -> ReportFigure:
    """Confusion matrices of the first seed of every network, per subject and per slice.

    A column for each network, subjects above slices; subjects beside slices where there is one network, or no room.
    """
    models, classes = study.networks, study.metrics["classes"]
    long = any("…" in _beside(name) or "…" in _below(name) for name in classes)
    side = NAMES_MM + CELL_MM * len(classes)
    found = [(unit, model) for unit in UNITS for model in models]
    columns = len(models)
    if len(models) == 1 or columns * side > request.width_mm:
        found, columns = [(unit, model) for model, unit in product(models, UNITS)], len(UNITS)
    columns = 1 if columns * side > request.width_mm else columns
    rows = -(-len(found) // columns)
    width = min(request.width_mm, columns * max(side, 40) + 12) / MM_PER_INCH
    height = rows * (width - 0.45) / columns * 0.92 + 0.2
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    numbers, titles = [], []
    for panel, (unit, model) in zip(panels, found, strict=True):
        confusion = np.array(model.metrics[unit]["confusion"])
        numbers += [
            {"network": model.name, "unit": unit, **row}
            for row in _draw(panel, confusion, classes, long=long)
        ]
        accuracy = model.metrics[unit]["accuracy"]["value"]
        words = f"{network_title(model.network)}, {unit}\nn = {confusion.sum()}, accuracy {accuracy:.2f}"
        titles.append(Lines(panel.set_title(words), words, panel))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 100), COLOURS), ax=list(panels), aspect=30, pad=0.02)
    bar.set_label("per cent of the true group", fontsize=SMALL)
    bar.outline.set_visible(False)
    fit_titles(figure, titles)
    held_out = "slices" if study.by_slice else "subjects"
    folds = study.main.folds
    who = (
        f"every subject by the one of {folds} folds that held it out"
        if folds
        else f"held-out {held_out} only"
    )
    key = "; ".join(f"{number}: {name}" for number, name in enumerate(classes, start=1))
    result = " Slices of one person are not independent: the subjects' matrix is the result."
    return ReportFigure(
        f"Confusion matrices of the held-out {held_out}",
        "Rows: true group; columns: predicted group. Counts, and per cent of the row."
        f"{'' if study.by_slice else result}{f' {key}.' if long else ''}",
        figure,
        numbers,
        f"{', '.join(map(study.title_of, models))}; per subject and per slice, {who}. A subject's group is the one of "
        "the highest mean probability over its slices.",
    )


def _beside(name: str) -> str:
    """A name left of a row, above which nothing else fits but the number of subjects."""
    return shortened(name, NAMES_MM - 6, SMALL, 2)


def _below(name: str) -> str:
    """A name below a column."""
    return shortened(name, CELL_MM + 2, SMALL, 3)


def _draw(
    axes: Axes, confusion: NDArray[np.int_], classes: Sequence[str], *, long: bool
) -> list[Mapping[str, object]]:
    """Draw a matrix; where names are too long, their numbers stand for them, and the caption has the key."""
    of_row = confusion.sum(axis=1, keepdims=True)
    per_cent = np.divide(100 * confusion, of_row, out=np.zeros(confusion.shape), where=of_row > 0)
    axes.imshow(per_cent, cmap=COLOURS, vmin=0, vmax=100)
    numbers: list[Mapping[str, object]] = []
    for (row, column), count in np.ndenumerate(confusion):
        colour = "white" if per_cent[row, column] > READABLE_ON_DARK else "black"
        share = f"\n{per_cent[row, column]:.0f} %" if of_row[row] else ""
        axes.text(column, row, f"{count}{share}", ha="center", va="center", fontsize=SMALL, color=colour)
        numbers.append(
            {
                "true": classes[row],
                "predicted": classes[column],
                "count": count,
                "per_cent": float(per_cent[row, column]),
            }
        )
    beside, below = ([str(number) for number in range(1, len(classes) + 1)],) * 2
    if not long:
        beside, below = [_beside(name) for name in classes], [_below(name) for name in classes]
    rows = [f"{name}\nn = {count}" for name, count in zip(beside, of_row[:, 0], strict=True)]
    axes.set_xticks(range(len(classes)), below)
    axes.set_yticks(range(len(classes)), rows)
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return numbers
