"""Three neighbouring slices of one patient at the layers of a block: of the last one, and of the one before."""

from collections.abc import Sequence

from stratacam.networks import by_block
from stratacam.report.captions import describe_scan, describe_slice, how_drawn
from stratacam.report.choose import choose_patient, choose_slices
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.panels import HEAT_UNIT, draw_anatomy, draw_heat, name_layer
from stratacam.report.overlay import draw_scale, heat_colours
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import open_scan_of


def slices_at_last_block(study: StudyContent, request: Request) -> ReportFigure:
    """Every layer of the last block."""
    block, its_layers = _blocks(study)[-1]
    return _slices_at_layers(study, request, its_layers[::-1], block)


def slices_at_block_before(study: StudyContent, request: Request) -> ReportFigure | None:
    """The last two layers of the block before the last; None where there is one block."""
    blocks = _blocks(study)
    if len(blocks) < 2:
        return None
    block, its_layers = blocks[-2]
    return _slices_at_layers(study, request, its_layers[-2:][::-1], block)


def _blocks(study: StudyContent) -> list[tuple[str, tuple[str, ...]]]:
    """Blocks with their layers, without maps over layers; with late fusion those of one branch."""
    layers = study.layers_in_depth(study.maps[choose_patient(study).name])
    return list(by_block(layers, study.card.branches).items())


def _slices_at_layers(
    study: StudyContent, request: Request, layers: Sequence[str], block: str
) -> ReportFigure:
    """The anatomy, then the layers: side by side, a row for each slice; in one column of a journal the other way."""
    choice = choose_patient(study, request.scans)
    scan = open_scan_of(study, choice.name)
    indices, slice_rule = choose_slices(scan)
    names = [study.sequence, *(name_layer(scan.explained, layer) for layer in layers)]
    rows, columns = (len(indices), len(names)) if request.wide else (len(names), len(indices))
    heading = describe_scan(scan)
    sheet, box = new_sheet(rows, columns, [scan.box_mm], width_mm=request.width_mm, heading=heading)
    numbers, with_heat = [], []
    for along, index in enumerate(indices.tolist()):
        for number, name in enumerate(names):
            row, column = (along, number) if request.wide else (number, along)
            panel = sheet.panel(row, column)
            words = (
                (name, describe_slice(scan, index)) if request.wide else (describe_slice(scan, index), name)
            )
            if row == 0:
                sheet.title(panel, words[0])
            if column == 0:
                sheet.label_row(panel, words[1])
            if number == 0:
                numbers.append(draw_anatomy(panel, scan, study.sequence, index, box=box))
                if along == 0:
                    draw_scale(panel)
                continue
            numbers.append(draw_heat(panel, scan, study.sequence, layers[number - 1], index, box=box))
            with_heat.append(panel)
    sheet.colour_bar(with_heat, heat_colours(), HEAT_UNIT)
    step = scan.position_mm[indices[1]] - scan.position_mm[indices[0]] if len(indices) > 1 else 0.0
    return ReportFigure(
        f"Maps of {len(indices)} neighbouring slices{f': {block}' if block else ''}",
        f"{scan.name}. {'Columns' if request.wide else 'Rows'}: {study.sequence}, then layers from deep to shallow; "
        f"{'rows' if request.wide else 'columns'}: slices {step:.1f} mm apart, with the class given to each.",
        sheet.fit(),
        numbers,
        f"{heading}. Layers: {', '.join(layers)}. Subject: {choice.rule}. Slices: around {slice_rule}. "
        f"{how_drawn(scan)}",
    )
