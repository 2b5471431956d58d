"""Examples of the cohort and confusion matrices: figures 1 and 2 of the report."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stratacam.files import whole_file
from stratacam.report.choose import choose_examples, choose_level, slice_at
from stratacam.report.content import StudyContent
from stratacam.report.overlay import WHITE, draw_scale, draw_slice
from stratacam.report.sheet import Sheet
from stratacam.report.shown import Box, ShownScan, open_scan_of
from stratacam.scans.planes import AXES, SIDES

INCHES_PER_MM = 1 / 105
"""Size of anatomy in the figures: a brain of 14 cm is 1.3 inches wide."""

READABLE_ON_DARK = 55

DOTS_PER_INCH = 170


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report.

    Attributes:
        name: of its file, without suffix.
        title: what it shows, in a few words.
        caption: what is seen, by which rule, in which units.
        figure: the drawing.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def example_slices(study: StudyContent) -> ReportFigure:
    """Every sequence of one subject of each group, at the same level."""
    scans = [open_scan_of(study, name) for name in choose_examples(study)]
    level, rule = choose_level(scans)
    sequences, plane = scans[0].sequences, scans[0].volume.plane
    boxes = np.array([scan.box_mm for scan in scans])
    box = (*boxes.min(axis=0)[[0]], *boxes.max(axis=0)[[1]], *boxes.min(axis=0)[[2]], *boxes.max(axis=0)[[3]])
    sheet = Sheet(len(scans), len(sequences), panel_inches(box), left=1.5, right=0.05, top=0.25)
    figure = sheet.new_figure()
    for row, scan in enumerate(scans):
        index = slice_at(scan, level)
        for column, sequence in enumerate(sequences):
            panel = sheet.panel_of(figure, row, column)
            draw_slice(panel, scan, sequence, index, outline=False, box=box)
            if row == 0:
                panel.set_title(sequence, fontsize=9, pad=4)
            if column == 0:
                label_row(panel, f"{scan.group}\n{scan.name}\n{place_of(scan, index)}")
                if row == 0:
                    draw_scale(panel)
    caption = (
        f"One subject of each group ({', '.join(scan.name for scan in scans)}): the first held-out one by name, "
        f"whatever its result. Level: {rule}. The prepared scans as the network is given them, 0 black to "
        f"{WHITE:g} white. {' and '.join(SIDES[plane])} are the patient's "
        f"{'anterior and posterior side' if plane == 'sagittal' else 'right and left'}."
    )
    return ReportFigure("figure-1-examples", "Example slices of every sequence and group", caption, figure)


def confusion_matrices(study: StudyContent) -> ReportFigure:
    """Confusion matrices per slice and per subject."""
    classes = study.metrics["classes"]
    side = 1.0 + 0.75 * len(classes)
    figure = Figure(figsize=(2 * side + 1.2, side + 0.5), layout="constrained")
    for panel, unit in zip(figure.subplots(1, 2), ("slices", "subjects"), strict=True):
        confusion = np.array(study.metrics[unit]["confusion"])
        _draw_confusion(panel, confusion, classes)
        accuracy = study.metrics[unit]["accuracy"]["value"]
        panel.set_title(f"{unit.capitalize()} (n = {confusion.sum()}), accuracy {accuracy:.2f}", fontsize=9)
    caption = (
        f"{study.card.architecture.upper()} with global average pooling on the held-out subjects only. Rows: true "
        "group; columns: predicted. Counts, and per cent of the row. A subject is given the group of the highest "
        "mean probability over its slices. Slices of one person are not independent: the subjects' matrix is the "
        "result."
    )
    return ReportFigure("figure-2-confusion", "Confusion matrices of the held-out subjects", caption, figure)


def panel_inches(box_mm: Box) -> tuple[float, float]:
    """Width and height of a panel that shows a box (left, right, bottom, top)."""
    left, right, bottom, top = box_mm
    return (right - left) * INCHES_PER_MM, (top - bottom) * INCHES_PER_MM


def place_of(scan: ShownScan, index: int) -> str:
    """Where a slice is: counted among the kept ones, in the volume, and in the world."""
    kept = scan.volume.kept
    number = int(np.searchsorted(kept, index)) + 1
    axis = "xyz"[AXES[scan.volume.plane][0]]
    return f"slice {number} of {len(kept)}\nindex {index}, {axis} = {scan.position_mm[index]:+.0f} mm"


def label_row(axes: Axes, text: str) -> None:
    """Write what a row of panels is to the left of its first panel."""
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8, labelpad=6)


def _draw_confusion(axes: Axes, confusion: NDArray[np.int_], classes: Sequence[str]) -> None:
    of_row = confusion.sum(axis=1, keepdims=True)
    per_cent = np.divide(100 * confusion, of_row, out=np.zeros(confusion.shape), where=of_row > 0)
    axes.imshow(per_cent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), count in np.ndenumerate(confusion):
        colour = "white" if per_cent[row, column] > READABLE_ON_DARK else "black"
        share = f"\n{per_cent[row, column]:.0f} %" if of_row[row] else ""
        axes.text(column, row, f"{count}{share}", ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(classes)), classes, fontsize=8)
    axes.set_yticks(
        range(len(classes)),
        [f"{name}\nn = {count}" for name, count in zip(classes, of_row[:, 0], strict=True)],
        fontsize=8,
    )
    axes.set_xlabel("predicted", fontsize=8)
    axes.set_ylabel("true", fontsize=8)
    axes.tick_params(length=0)


def save_figure(figure: ReportFigure, path: Path) -> bytes:
    """Write a figure as PNG, with title and caption in its metadata; return the bytes written."""
    buffer = io.BytesIO()
    metadata = {"Title": figure.title, "Description": figure.caption}
    figure.figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, facecolor="white", metadata=metadata)
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return buffer.getvalue()
