"""Signed maps of all classes of one scan beside each other, on one scale."""

from dataclasses import replace

import numpy as np

from stratacam.cam.colours import DIVERGING
from stratacam.maps.fused import fused_title
from stratacam.report.captions import describe_slice
from stratacam.report.choose import choose_patient, choose_slices
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.panels import (
    WHY_BLANK,
    draw_anatomy,
    name_scan,
    numbers_of_map,
    numbers_of_slice,
    probability_of,
    unit_of,
)
from stratacam.report.names import method_title
from stratacam.report.overlay import draw_scale, draw_slice, heat_colours
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import open_scan_of


def maps_of_classes(study: StudyContent, request: Request) -> ReportFigure | None:
    """A column for each class; None where one class was explained."""
    choice = choose_patient(study, request.scans)
    scan = open_scan_of(study, choice.name)
    maps = scan.explained
    if len(maps.every_explained) < 2:
        return None
    (index,), slice_rule = choose_slices(scan, count=1)
    index = int(index)
    layer = study.last_convolution
    of_class = {name: maps.of(name) for name in maps.every_explained}
    signed = {
        name: replace(scan, maps=its).signed(layer, np.array([index]))[0] for name, its in of_class.items()
    }
    highest = max(float(np.abs(one).max()) for one in signed.values()) or 1.0
    columns = 1 + len(of_class)
    sheet, box = new_sheet(1, columns, [scan.box_mm], width_mm=request.width_mm)
    anatomy = sheet.panel(0, 0)
    numbers = [draw_anatomy(anatomy, scan, study.sequence, index, box=box)]
    draw_scale(anatomy)
    sheet.title(anatomy, study.sequence)
    sheet.label_row(anatomy, name_scan(scan, index))
    panels = []
    position = int(np.searchsorted(maps.slices, index))
    for column, (name, its) in enumerate(of_class.items(), start=1):
        panel = sheet.panel(0, column)
        blank = its.blank[layer][position]
        blank = "" if blank == "all negative" else blank
        draw_slice(
            panel, scan, scan.under(layer, study.sequence), index, heat=signed[name] / highest, signed=True,
            blank=blank, box=box, letters=False,
        )  # fmt: skip
        own = " (its group)" if name == scan.group else ""
        sheet.title(panel, f"for {name}{own}\np = {maps.scan_probabilities[name]:.2f}")
        about = {**numbers_of_slice(scan, index), **numbers_of_map(its, layer), "shown": "signed map"}
        lowest, peak = float(signed[name].min()), float(signed[name].max())
        numbers.append({**about, "minimum_in_slice": lowest, "maximum_in_slice": peak, WHY_BLANK: blank})
        panels.append(panel)
    sheet.colour_bar(panels, heat_colours(maximum=highest, signed=True), f"signed map ({unit_of(maps)})")
    return ReportFigure(
        f"Maps of all classes of one scan, {fused_title(layer)}",
        f"{scan.name}, group {scan.group}, predicted {maps.predicted}, p = {probability_of(maps):.2f}. "
        f"{method_title(maps.method)} for each class, signed: red raises the logit of the class, blue lowers it; one "
        "scale for all classes.",
        sheet.fit(),
        numbers,
        f"Layer: {fused_title(layer)}. {describe_slice(scan, index).replace(chr(10), '; ')}. Colours: {DIVERGING}. "
        f"Subject: {choice.rule}. Slice: {slice_rule}.",
    )
