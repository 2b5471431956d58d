"""Scans that are classified right and scans that are classified wrong, of every group."""

from collections.abc import Sequence
from dataclasses import replace

from stratacam.maps import ScanMaps
from stratacam.maps.fused import fused_title
from stratacam.report.captions import how_drawn
from stratacam.report.choose import choose_slices, explained_scans
from stratacam.report.content import StudyContent, subject_label
from stratacam.report.figure import WARNING, ReportFigure, Request
from stratacam.report.figures.panels import HEAT_UNIT, draw_anatomy, draw_heat, name_scan, probability_of
from stratacam.report.names import method_title
from stratacam.report.numbers import counted
from stratacam.report.overlay import draw_scale, heat_colours
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import ShownScan, open_scan_of

RULE = "the held-out scan with the highest probability of its predicted class, so that errors are the surest ones"


def right_and_wrong(study: StudyContent, request: Request) -> ReportFigure | None:
    """Two rows for each group, one classified right and one wrong, as far as there are; None without known groups.

    Columns: the anatomy, the map for the class predicted and, where every class was explained, for the true one.
    """
    scans = [_predicted(open_scan_of(study, name)) for name in request.scans or _choose(study)]
    if not scans:
        return None
    layer = _layer(study)
    both = all(scan.group in scan.explained.every_explained for scan in scans) and any(
        scan.group != scan.explained.predicted for scan in scans
    )
    boxes = [scan.box_mm for scan in scans]
    sheet, box = new_sheet(len(scans), 2 + both, boxes, width_mm=request.width_mm)
    numbers, with_heat, rules = [], [], []
    for row, scan in enumerate(scans):
        (index,), rule = choose_slices(scan, count=1)
        index, right = int(index), scan.explained.predicted == scan.group
        rules.append(rule)
        verdict = "right" if right else "wrong"
        panel = sheet.panel(row, 0)
        numbers.append({**draw_anatomy(panel, scan, study.sequence, index, box=box), "classified": verdict})
        sheet.label_row(panel, f"{name_scan(scan, index)}\n{verdict}", colour="black" if right else WARNING)
        shown = [
            scan,
            *([replace(scan, maps=scan.explained.of(scan.group or ""))] if both and not right else []),
        ]
        if row == 0:
            draw_scale(panel)
            sheet.title(panel, study.sequence)
        for column, one in enumerate(shown, start=1):
            panel = sheet.panel(row, column)
            found = draw_heat(panel, one, study.sequence, layer, index, box=box)
            numbers.append({**found, "classified": verdict})
            with_heat.append(panel)
            which = "the class predicted" if column == 1 else "the true class"
            sheet.title(panel, f"for {one.explained.explained}, {which}")
    sheet.colour_bar(with_heat, heat_colours(), HEAT_UNIT)
    method = method_title(scans[0].explained.method)
    wrong = sum(scan.explained.predicted != scan.group for scan in scans)
    members = len(scans[0].explained.members)
    by = f" by the consensus of {members} networks" if members else ""
    return ReportFigure(
        "Scans classified right and wrong",
        f"{counted(len(scans), 'scan')}, of which {wrong} classified wrong{by}"
        f"{'' if wrong else ': there is no error to show'}. "
        f"{method} at {fused_title(layer)}, for the class predicted{' and for the true class' if both else ''}.",
        sheet.fit(),
        numbers,
        f"{'Subjects: as asked for' if request.scans else f'Of each group and outcome {RULE}'}. "
        f"Slice: {' or '.join(dict.fromkeys(rules))}. {how_drawn(*scans)}",
    )


def _layer(study: StudyContent) -> str:
    """The recommended layer where the study's own maps have it, else the last convolution."""
    chosen = study.recommended.chosen if study.recommended else None
    maps = explained_scans(study)[0]
    fits = chosen and chosen.layer in maps.layers and chosen.method == maps.method
    return chosen.layer if chosen and fits else study.last_convolution


def _predicted(scan: ShownScan) -> ShownScan:
    """With the maps for the class predicted, where they were made."""
    maps = scan.explained
    return replace(scan, maps=maps.of(maps.predicted)) if maps.predicted in maps.every_explained else scan


def _choose(study: StudyContent) -> Sequence[str]:
    """Of each group one scan that is classified right, then one that is classified wrong."""
    held_out = [
        maps
        for maps in explained_scans(study)
        if study.by_slice or subject_label(maps.name) in study.held_out
    ]
    found = []
    for group in study.card.classes:
        for right in (True, False):
            such = [
                maps
                for maps in held_out
                if study.group.get(subject_label(maps.name)) == group and (maps.predicted == group) == right
            ]
            found += [max(such, key=_sure).name] if such else []
    return found


def _sure(maps: ScanMaps) -> tuple[float, str]:
    return probability_of(maps), maps.name
