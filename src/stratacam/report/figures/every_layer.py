"""One slice at every layer of the network."""

from collections.abc import Sequence

from stratacam.maps import ScanMaps, explained_sequence
from stratacam.maps.fused import fused_title, is_fused
from stratacam.networks import ModelCard, by_block, network_title
from stratacam.report.captions import describe_scan, describe_slice, how_drawn
from stratacam.report.choose import choose_patient, choose_slices
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.panels import HEAT_UNIT, WHY_BLANK, draw_anatomy, draw_heat
from stratacam.report.overlay import draw_scale, heat_colours
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import ShownScan, open_scan, open_scan_of
from stratacam.scans.prepared import PreparedScan

ACROSS = 6
"""Layers in a row at most."""

MINIMUM_COLUMNS = 5

MEANS = "means over layers"


def slice_at_every_layer(study: StudyContent, request: Request) -> ReportFigure:
    """Of the patient whose maps the report shows."""
    choice = choose_patient(study, request.scans)
    scan = open_scan_of(study, choice.name)
    return _every_layer(scan, study.sequence, study.card, choice.rule, request)


def layer_strip(scan: PreparedScan, maps: ScanMaps, card: ModelCard) -> ReportFigure:
    """Of a scan that was explained outside a study, so that only its maps are known.

    Raises:
        InputError: if a file of the scan is missing or damaged.
    """
    shown = open_scan(scan, maps, card)
    return _every_layer(shown, explained_sequence(card), card, "this scan", Request())


def _every_layer(
    scan: ShownScan, sequence: str, card: ModelCard, rule: str, request: Request
) -> ReportFigure:
    """Rows of blocks with their names, beside the anatomy; `rule` says why it is this scan."""
    maps = scan.explained
    (index,), slice_rule = choose_slices(scan, count=1)
    index = int(index)
    rows = _rows(maps.layers, card.branches)
    title, fused = network_title(card.architecture), sum(map(is_fused, maps.layers))
    heading = describe_scan(scan)
    columns = max(*(len(layers) + 1 for _, layers in rows), MINIMUM_COLUMNS)
    sheet, box = new_sheet(len(rows), columns, [scan.box_mm], width_mm=request.width_mm, heading=heading)
    anatomy = sheet.panel(0, 0)
    numbers = [draw_anatomy(anatomy, scan, sequence, index, box=box)]
    draw_scale(anatomy)
    sheet.title(anatomy, f"{sequence}\n{describe_slice(scan, index)}")
    with_heat = []
    for row, (block, layers) in enumerate(rows):
        for column, layer in enumerate(layers, start=1):
            panel = sheet.panel(row, column)
            found = draw_heat(panel, scan, sequence, layer, index, box=box)
            size = " x ".join(map(str, maps.raw(layer).shape[1:]))
            peak = "blank" if found[WHY_BLANK] else f"peak {found['peak']:.2f}"
            sheet.title(panel, f"{fused_title(layer)}\n{size}, {peak}")
            if column == 1:
                sheet.name_row(panel, block)
            numbers.append({**found, "block": block})
            with_heat.append(panel)
    sheet.colour_bar(with_heat, heat_colours(), f"{HEAT_UNIT}; peak: the highest share in this slice")
    return ReportFigure(
        "One slice at every layer of the network",
        f"{scan.name}. Above each panel: the map's own resolution, and its peak as a share of the layer's maximum in "
        "the scan.",
        sheet.fit(),
        numbers,
        f"{heading}. The same slice at {len(maps.layers) - fused} layers of {title}, all that were explained, by "
        f"depth, one row per block{', then means over layers' if fused else ''}: "
        f"{describe_slice(scan, index).replace(chr(10), '; ')}. Subject: {rule}. Slice: {slice_rule}. "
        f"{how_drawn(scan)}",
    )


def _rows(layers: Sequence[str], branches: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """The layers of a block in a row, or in several, with its name; without where no two are of one; means last."""
    plain = tuple(layer for layer in layers if not is_fused(layer))
    blocks = by_block(plain, branches)
    if len(blocks) == len(plain):
        blocks = {"": plain}
    fused = tuple(filter(is_fused, layers))
    return [
        (block, of_block[start : start + ACROSS])
        for block, of_block in (*blocks.items(), (MEANS, fused))
        for start in range(0, len(of_block), ACROSS)
    ]
