"""Confusion matrices of all networks side by side."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure

READABLE_ON_DARK = 55

UNITS = ("subjects", "slices")


def confusion_matrices(study: StudyContent) -> ReportFigure:
    """Confusion matrices of the first seed of every network, per subject and per slice.

    A column for each network, subjects above slices; of one network, subjects beside slices.
    """
    models, classes = study.networks, study.metrics["classes"]
    rows, columns = (len(UNITS), len(models)) if len(models) > 1 else (1, len(UNITS))
    side = 1.0 + 0.75 * len(classes)
    figure = Figure(figsize=(columns * (side + 0.3) + 0.3, rows * (side + 0.1) + 0.2), layout="constrained")
    panels = iter(figure.subplots(rows, columns, squeeze=False).flatten())
    for unit in UNITS:
        for model, panel in zip(models, panels, strict=False):
            confusion = np.array(model.metrics[unit]["confusion"])
            _draw(panel, confusion, classes)
            accuracy = model.metrics[unit]["accuracy"]["value"]
            title = f"{network_title(model.network)}, {unit}\nn = {confusion.sum()}, accuracy {accuracy:.2f}"
            panel.set_title(title)
    held_out = "slices" if study.by_slice else "subjects"
    folds = study.main.folds
    who = (
        f"every subject by the one of {folds} folds that held it out"
        if folds
        else f"held-out {held_out} only"
    )
    result = " Slices of one person are not independent: the subjects' matrix is the result."
    return ReportFigure(
        f"Confusion matrices of the held-out {held_out}",
        f"{', '.join(map(study.title_of, models))}; per subject and per slice, {who}. Rows: true group; columns: "
        "predicted group. Counts, and per cent of the row. A subject's group is the one of the highest mean "
        f"probability over its slices.{'' if study.by_slice else result}",
        figure,
    )


def _draw(axes: Axes, confusion: NDArray[np.int_], classes: Sequence[str]) -> None:
    of_row = confusion.sum(axis=1, keepdims=True)
    per_cent = np.divide(100 * confusion, of_row, out=np.zeros(confusion.shape), where=of_row > 0)
    axes.imshow(per_cent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), count in np.ndenumerate(confusion):
        colour = "white" if per_cent[row, column] > READABLE_ON_DARK else "black"
        share = f"\n{per_cent[row, column]:.0f} %" if of_row[row] else ""
        axes.text(column, row, f"{count}{share}", ha="center", va="center", fontsize=9, color=colour)
    rows = [f"{name}\nn = {count}" for name, count in zip(classes, of_row[:, 0], strict=True)]
    axes.set_xticks(range(len(classes)), classes, fontsize=8)
    axes.set_yticks(range(len(classes)), rows, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
