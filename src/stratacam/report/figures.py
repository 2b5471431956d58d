"""Figures of the report as files, and the first of them: examples of the cohort."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.files import whole_file
from stratacam.report.choose import choose_examples, choose_level, slice_at
from stratacam.report.content import StudyContent
from stratacam.report.overlay import WHITE, draw_scale, draw_slice
from stratacam.report.sheet import Sheet
from stratacam.report.shown import Box, ShownScan, open_scan_of
from stratacam.scans.planes import AXES, SIDES

INCHES_PER_MM = 1 / 105
"""Size of anatomy in the figures: a brain of 14 cm is 1.3 inches wide."""

DOTS_PER_INCH = 170

WARNING = "#8a4b00"


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report.

    Attributes:
        name: of its file, without suffix.
        title: what it shows, in a few words.
        caption: what is seen, by which rule, in which units.
        figure: the drawing.
        warning: what must be known before the figure is believed; stands under the drawing and in the caption.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    warning: str = ""


def warn(figure: ReportFigure, warning: str) -> ReportFigure:
    """Write a warning under the drawing and before the caption; an empty one changes nothing."""
    if not warning:
        return figure
    figure.figure.text(0.5, 0, warning, ha="center", va="top", fontsize=8, color=WARNING)
    return replace(figure, caption=f"{warning[0].upper()}{warning[1:]}. {figure.caption}", warning=warning)


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
    first = "the first by name" if study.by_slice else "the first held-out one by name"
    caption = (
        f"One subject of each group ({', '.join(scan.name for scan in scans)}): {first}, "
        f"whatever its result. Level: {rule}. The prepared scans as the network is given them, 0 black to "
        f"{WHITE:g} white. {' and '.join(SIDES[plane])} are the patient's "
        f"{'anterior and posterior side' if plane == 'sagittal' else 'right and left'}."
    )
    return ReportFigure("figure-1-examples", "Example slices of every sequence and group", caption, figure)


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


def save_figure(figure: ReportFigure, path: Path) -> bytes:
    """Write a figure as PNG, with title and caption in its metadata; return the bytes written."""
    buffer = io.BytesIO()
    metadata = {"Title": figure.title, "Description": figure.caption}
    figure.figure.savefig(
        buffer,
        format="png",
        dpi=DOTS_PER_INCH,
        facecolor="white",
        metadata=metadata,
        bbox_inches="tight" if figure.warning else None,
    )
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return buffer.getvalue()
