"""Every sequence of one subject of each group, at the same level."""

from stratacam.report.captions import place_of
from stratacam.report.choose import choose_examples, choose_level, slice_at
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.panels import draw_anatomy
from stratacam.report.overlay import WHITE, draw_scale
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import open_scan_of
from stratacam.scans.planes import SIDES


def example_slices(study: StudyContent, request: Request) -> ReportFigure:
    """A row for each group, a column for each sequence."""
    scans = [open_scan_of(study, name) for name in request.scans or choose_examples(study)]
    level, rule = choose_level(scans)
    sequences, plane = scans[0].sequences, scans[0].volume.plane
    boxes = [scan.box_mm for scan in scans]
    sheet, box = new_sheet(len(scans), len(sequences), boxes, width_mm=request.width_mm)
    numbers = []
    for row, scan in enumerate(scans):
        index = slice_at(scan, level)
        for column, sequence in enumerate(sequences):
            panel = sheet.panel(row, column)
            numbers.append(draw_anatomy(panel, scan, sequence, index, box=box, outline=False))
            if row == 0:
                sheet.title(panel, sequence)
            if column == 0:
                sheet.label_row(panel, f"{scan.group}\n{scan.name}\n{place_of(scan, index)}")
                if row == 0:
                    draw_scale(panel)
    first = "the first by name" if study.by_slice else "the first held-out one by name"
    names = ", ".join(scan.name for scan in scans)
    who = (
        f"As asked for: {names}"
        if request.scans
        else f"One subject of each group ({names}): {first}, whatever its result"
    )
    sides = "anterior and posterior side" if plane == "sagittal" else "right and left"
    return ReportFigure(
        "Example slices of every sequence and group",
        f"{who}. {' and '.join(SIDES[plane])} are the patient's {sides}.",
        sheet.fit(),
        numbers,
        f"Level: {rule}. The prepared scans as the network sees them, 0 black to {WHITE:g} white.",
    )
