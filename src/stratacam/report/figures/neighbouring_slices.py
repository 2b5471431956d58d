"""Three neighbouring slices of one patient at the layers of a block: of the last one, and of the one before."""

from collections.abc import Sequence

import numpy as np

from stratacam.networks import by_block
from stratacam.report.captions import UNIT, describe_layer, describe_scan, describe_slice, how_drawn
from stratacam.report.choose import choose_patient, choose_slices
from stratacam.report.content import StudyContent, own_layers
from stratacam.report.figure import ReportFigure
from stratacam.report.overlay import draw_colour_bar, draw_scale, draw_slice, label_row
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import open_scan_of


def slices_at_last_block(study: StudyContent) -> ReportFigure:
    """Every layer of the last block."""
    block, its_layers = _blocks(study)[-1]
    return _slices_at_layers(study, its_layers[::-1], block)


def slices_at_block_before(study: StudyContent) -> ReportFigure | None:
    """The last two layers of the block before the last; None where there is one block."""
    blocks = _blocks(study)
    if len(blocks) < 2:
        return None
    block, its_layers = blocks[-2]
    return _slices_at_layers(study, its_layers[-2:][::-1], block)


def _blocks(study: StudyContent) -> list[tuple[str, tuple[str, ...]]]:
    """Blocks with their layers, without maps over layers."""
    return list(by_block(own_layers(study.maps[choose_patient(study).name])).items())


def _slices_at_layers(study: StudyContent, layers: Sequence[str], block: str) -> ReportFigure:
    """Neighbouring slices as columns; the anatomy on top, then one row per layer."""
    choice = choose_patient(study)
    scan = open_scan_of(study, choice.name)
    maps = scan.explained
    indices, slice_rule = choose_slices(scan)
    heading = describe_scan(scan)
    sheet = new_sheet(
        len(layers) + 1, len(indices), scan.box_mm, left=1.35, right=0.78, top=0.77, heading=heading
    )
    for column, index in enumerate(indices):
        panel = sheet.panel(0, column)
        draw_slice(panel, scan, study.sequence, int(index))
        panel.set_title(describe_slice(scan, int(index)), fontsize=8, pad=4)
        if column == 0:
            label_row(panel, study.sequence)
            draw_scale(panel)
    for row, layer in enumerate(layers, start=1):
        agreement = scan.agreement(layer, indices)
        for column, (index, heat) in enumerate(zip(indices, scan.heat(layer, indices), strict=True)):
            panel = sheet.panel(row, column)
            blank = maps.blank[layer][int(np.searchsorted(maps.slices, index))]
            agreed = None if agreement is None else agreement[column]
            draw_slice(
                panel,
                scan,
                study.sequence,
                int(index),
                heat=heat,
                agreement=agreed,
                blank=blank,
                letters=False,
            )
            if column == 0:
                label_row(panel, describe_layer(maps, layer))
    draw_colour_bar(sheet.figure, sheet.bar(1), UNIT)
    step = scan.position_mm[indices[1]] - scan.position_mm[indices[0]] if len(indices) > 1 else 0.0
    return ReportFigure(
        f"Maps of {len(indices)} neighbouring slices: {block}",
        f"{heading}. Rows: {study.sequence}, then the layers {', '.join(layers)}, from deep to shallow; "
        f"columns: explained slices {step:.1f} mm apart, with the class that the network gives to each slice. "
        f"Subject: {choice.rule}. Slices: around {slice_rule}. {how_drawn(scan)}",
        sheet.figure,
    )
