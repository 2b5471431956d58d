"""One slice at every layer of the network."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np

from stratacam.maps import ScanMaps, explained_sequence
from stratacam.maps.fused import fused_title, is_fused
from stratacam.networks import ModelCard, by_block, network_title
from stratacam.report.captions import UNIT, describe_scan, describe_slice, how_drawn
from stratacam.report.choose import choose_patient, choose_slices
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure
from stratacam.report.overlay import draw_colour_bar, draw_scale, draw_slice
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import ShownScan, open_scan, open_scan_of
from stratacam.scans.prepared import PreparedScan

ACROSS = 6
"""Layers in a row."""

LETTERS = 22
"""Of a line above a panel."""

MINIMUM_ROWS = 4
"""Room for the colour bar with its label under the anatomy."""

MINIMUM_COLUMNS = 5
"""Room for the heading."""


def slice_at_every_layer(study: StudyContent) -> ReportFigure:
    """Of the patient whose maps the report shows."""
    choice = choose_patient(study)
    scan = open_scan_of(study, choice.name)
    return _every_layer(scan, study.sequence, network_title(study.card.architecture), choice.rule)


def layer_strip(scan: PreparedScan, maps: ScanMaps, card: ModelCard) -> ReportFigure:
    """Of a scan that was explained outside a study, so that only its maps are known.

    Raises:
        InputError: if a file of the scan is missing or damaged.
    """
    shown = open_scan(scan, maps, card)
    return _every_layer(shown, explained_sequence(card), network_title(card.architecture), "this scan")


def _every_layer(scan: ShownScan, sequence: str, architecture: str, rule: str) -> ReportFigure:
    """A row for each block; `rule` says why it is this scan."""
    maps = scan.explained
    indices, slice_rule = choose_slices(scan, count=1)
    index = int(indices[0])
    position = int(np.searchsorted(maps.slices, index))
    rows_of_layers = _rows(maps.layers)
    fused = sum(map(is_fused, maps.layers))
    heading = describe_scan(scan)
    sheet = new_sheet(
        max(len(rows_of_layers), MINIMUM_ROWS),
        max(*(len(layers) + 1 for layers in rows_of_layers), MINIMUM_COLUMNS),
        scan.box_mm,
        top=0.55,
        between=0.5 if fused else 0.36,
        heading=heading,
    )
    anatomy = sheet.panel(0, 0)
    draw_slice(anatomy, scan, sequence, index)
    draw_scale(anatomy)
    anatomy.set_title(sequence, fontsize=7.5, pad=3)
    anatomy.text(
        0.5, -0.04, describe_slice(scan, index), transform=anatomy.transAxes, ha="center", va="top", fontsize=7
    )  # fmt: skip
    for row, layers in enumerate(rows_of_layers):
        for column, layer in enumerate(layers, start=1):
            panel = sheet.panel(row, column)
            heat, agreement = scan.heat(layer, indices)[0], scan.agreement(layer, indices)
            blank = maps.blank[layer][position]
            draw_slice(
                panel, scan, sequence, index, heat=heat, agreement=None if agreement is None else agreement[0],
                blank=blank, letters=False,
            )  # fmt: skip
            rows, columns = maps.raw(layer).shape[1:]
            peak = "blank" if blank else f"peak {heat.max():.2f}"
            title = "\n".join(wrap(fused_title(layer), LETTERS))
            panel.set_title(f"{title}\n{rows} x {columns}, {peak}", fontsize=7.5, pad=3)
    draw_colour_bar(sheet.figure, sheet.bar(2, left=0.35), UNIT)
    return ReportFigure(
        "One slice at every layer of the network",
        f"{heading}; {describe_slice(scan, index).replace(chr(10), '; ')}. The same slice at all "
        f"{len(maps.layers) - fused} layers of {architecture}, in the order in which the network runs them, one row "
        f"per block{', then means over layers' if fused else ''}. Above each panel: the map's own resolution, and its "
        f"peak as a share of the layer's maximum in the scan. Subject: {rule}. Slice: {slice_rule}. {how_drawn(scan)}",
        sheet.figure,
    )


def _rows(layers: Sequence[str]) -> list[tuple[str, ...]]:
    """The layers of a block in a row, or in several; all together where no two are of one block; fused maps last."""
    plain = tuple(layer for layer in layers if not is_fused(layer))
    blocks = list(by_block(plain).values())
    if len(blocks) == len(plain):
        blocks = [plain]
    blocks.append(tuple(filter(is_fused, layers)))
    return [block[start : start + ACROSS] for block in blocks for start in range(0, len(block), ACROSS)]
