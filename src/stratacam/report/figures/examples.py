"""Every sequence of one subject of each group, at the same level."""

import numpy as np

from stratacam.report.captions import place_of
from stratacam.report.choose import choose_examples, choose_level, slice_at
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure
from stratacam.report.overlay import WHITE, draw_scale, draw_slice, label_row
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import open_scan_of
from stratacam.scans.planes import SIDES


def example_slices(study: StudyContent) -> ReportFigure:
    """A row for each group, a column for each sequence."""
    scans = [open_scan_of(study, name) for name in choose_examples(study)]
    level, rule = choose_level(scans)
    sequences, plane = scans[0].sequences, scans[0].volume.plane
    left, right, bottom, top = np.array([scan.box_mm for scan in scans]).T
    box = (left.min(), right.max(), bottom.min(), top.max())
    sheet = new_sheet(len(scans), len(sequences), box, left=1.5, top=0.25)
    for row, scan in enumerate(scans):
        index = slice_at(scan, level)
        for column, sequence in enumerate(sequences):
            panel = sheet.panel(row, column)
            draw_slice(panel, scan, sequence, index, outline=False, box=box)
            if row == 0:
                panel.set_title(sequence, fontsize=9, pad=4)
            if column == 0:
                label_row(panel, f"{scan.group}\n{scan.name}\n{place_of(scan, index)}")
                if row == 0:
                    draw_scale(panel)
    first = "the first by name" if study.by_slice else "the first held-out one by name"
    sides = "anterior and posterior side" if plane == "sagittal" else "right and left"
    return ReportFigure(
        "Example slices of every sequence and group",
        f"One subject of each group ({', '.join(scan.name for scan in scans)}): {first}, "
        f"whatever its result. Level: {rule}. The prepared scans as the network sees them, 0 black to "
        f"{WHITE:g} white. {' and '.join(SIDES[plane])} are the patient's {sides}.",
        sheet.figure,
    )
