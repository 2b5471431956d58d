"""Maps over anatomy: three slices at chosen layers, and one slice at every layer; figures 3 to 5."""

from collections.abc import Sequence

import numpy as np

from stratacam.maps import ScanMaps
from stratacam.networks import ModelCard, by_block, network_title
from stratacam.report.choose import Choice, choose_patient, choose_slices, probability
from stratacam.report.content import StudyContent, shown_sequence
from stratacam.report.figures import ReportFigure, label_row, panel_inches, place_of
from stratacam.report.overlay import COLOURS, STRONG, WHITE, draw_colour_bar, draw_scale, draw_slice
from stratacam.report.sheet import Sheet
from stratacam.report.shown import ShownScan, drawn_width_mm, open_scan, open_scan_of
from stratacam.scans.prepared import PreparedScan

UNIT = "heat: share of the layer's maximum in this scan"

ACROSS = 6
"""Layers in a row."""

LEAST_ROWS = 4
"""Room for the colour bar with its label under the anatomy."""

LEAST_COLUMNS = 5
"""Room for the heading."""

HEADING = 0.22
"""Inches above the panels for the line that says who is shown."""


def map_figures(study: StudyContent) -> list[ReportFigure]:
    """Maps of one patient: the last block, the end of the block before, and every layer."""
    choice = choose_patient(study)
    scan = open_scan_of(study, choice.name)
    blocks = by_block(scan.explained.layers)
    names = list(blocks)
    figures = [
        _slices_at_layers(
            study, scan, choice, layers=blocks[names[-1]][::-1], name="figure-3-last-block", block=names[-1]
        )
    ]
    if len(names) > 1:
        end = blocks[names[-2]][-2:][::-1]
        figures.append(
            _slices_at_layers(study, scan, choice, layers=end, name="figure-4-block-before", block=names[-2])
        )
    return [
        *figures,
        every_layer(
            scan,
            sequence=study.sequence,
            architecture=network_title(study.card.architecture),
            rule=choice.rule,
        ),
    ]


def layer_strip(scan: PreparedScan, maps: ScanMaps, card: ModelCard) -> ReportFigure:
    """One slice of a scan at every layer, outside a study: nothing is known of the scan but its maps.

    Raises:
        InputError: if a file of the scan is missing or damaged.
    """
    shown = open_scan(scan, maps, width_mm=drawn_width_mm(card))
    sequence = shown_sequence(card)
    return every_layer(
        shown, sequence=sequence, architecture=network_title(card.architecture), rule="this scan"
    )


def describe_scan(scan: ShownScan) -> str:
    """Who is shown, what was predicted, of which class the maps are, and which view of them is drawn."""
    maps = scan.explained
    group = f", group {scan.group}" if scan.group else ""
    return (
        f"{scan.name}{group} · predicted {maps.predicted}, p = {probability(maps, maps.predicted):.2f}"
        f" · maps of {maps.explained} ({maps.method}, ReLU, normalised per volume)"
    )


def describe_slice(scan: ShownScan, index: int) -> str:
    """The place of a slice in the scan, and what the network said of it alone."""
    maps = scan.explained
    probabilities = maps.probabilities[int(np.searchsorted(maps.slices, index))]
    best = int(probabilities.argmax())
    return f"{place_of(scan, index)}\n{maps.classes[best]}, p = {probabilities[best]:.2f}"


def _slices_at_layers(
    study: StudyContent, scan: ShownScan, choice: Choice, *, layers: Sequence[str], name: str, block: str
) -> ReportFigure:
    """Neighbouring slices as columns; the anatomy on top, then one row per layer."""
    maps = scan.explained
    indices, slice_rule = choose_slices(scan)
    sheet = Sheet(
        len(layers) + 1, len(indices), panel_inches(scan.box_mm), left=1.35, right=0.78, top=HEADING + 0.55
    )
    figure = sheet.new_figure()
    figure.suptitle(describe_scan(scan), fontsize=9, y=1 - 0.06 / sheet.size[1], va="top")
    for column, index in enumerate(indices):
        panel = sheet.panel_of(figure, 0, column)
        draw_slice(panel, scan, study.sequence, int(index))
        panel.set_title(describe_slice(scan, int(index)), fontsize=8, pad=4)
        if column == 0:
            label_row(panel, study.sequence)
            draw_scale(panel)
    for row, layer in enumerate(layers, start=1):
        for column, (index, heat) in enumerate(zip(indices, scan.heat(layer, indices), strict=True)):
            panel = sheet.panel_of(figure, row, column)
            blank = maps.blank[layer][int(np.searchsorted(maps.slices, index))]
            draw_slice(panel, scan, study.sequence, int(index), heat=heat, blank=blank, letters=False)
            if column == 0:
                label_row(panel, describe_layer(maps, layer))
    draw_colour_bar(figure, sheet.bar_of(figure, 1), UNIT)
    step = scan.position_mm[indices[1]] - scan.position_mm[indices[0]] if len(indices) > 1 else 0.0
    caption = (
        f"{describe_scan(scan)}. Rows: {study.sequence}, then the layers {', '.join(layers)}, from deep to shallow; "
        f"columns: explained slices {step:.1f} mm apart, with what the network said of each slice alone. "
        f"Subject: {choice.rule}. Slices: around {slice_rule}. {_how_drawn(scan)}"
    )
    return ReportFigure(name, f"Maps of {len(indices)} neighbouring slices: {block}", caption, figure)


def every_layer(scan: ShownScan, *, sequence: str, architecture: str, rule: str) -> ReportFigure:
    """One slice at every layer, one row per block; `rule` says why it is this scan."""
    maps = scan.explained
    indices, slice_rule = choose_slices(scan, count=1)
    index = int(indices[0])
    position = int(np.searchsorted(maps.slices, index))
    rows_of_layers = _rows(maps.layers)
    sheet = Sheet(
        max(len(rows_of_layers), LEAST_ROWS),
        max(*(len(layers) + 1 for layers in rows_of_layers), LEAST_COLUMNS),
        panel_inches(scan.box_mm),
        left=0.05,
        right=0.05,
        top=HEADING + 0.33,
        between=(0.04, 0.36),
    )
    figure = sheet.new_figure()
    figure.suptitle(describe_scan(scan), fontsize=9, y=1 - 0.06 / sheet.size[1], va="top")
    anatomy = sheet.panel_of(figure, 0, 0)
    draw_slice(anatomy, scan, sequence, index)
    draw_scale(anatomy)
    anatomy.set_title(sequence, fontsize=7.5, pad=3)
    anatomy.text(
        0.5,
        -0.04,
        describe_slice(scan, index),
        transform=anatomy.transAxes,
        ha="center",
        va="top",
        fontsize=7,
    )
    for row, layers in enumerate(rows_of_layers):
        for column, layer in enumerate(layers, start=1):
            panel = sheet.panel_of(figure, row, column)
            heat = scan.heat(layer, indices)[0]
            blank = maps.blank[layer][position]
            draw_slice(panel, scan, sequence, index, heat=heat, blank=blank, letters=False)
            rows, columns = maps.raw(layer).shape[1:]
            peak = "blank" if blank else f"peak {heat.max():.2f}"
            panel.set_title(f"{layer}\n{rows} x {columns}, {peak}", fontsize=7.5, pad=3)
    draw_colour_bar(figure, sheet.bar_of(figure, 2, left=0.35), UNIT)
    caption = (
        f"{describe_scan(scan)}; {describe_slice(scan, index).replace(chr(10), '; ')}. The same slice at all "
        f"{len(maps.layers)} convolution and pooling layers of {architecture}, in the order in "
        "which the network runs them, one row per block. Above each panel: the map's own resolution, and its peak as a "
        "share of the layer's maximum in the scan. "
        f"Subject: {rule}. Slice: {slice_rule}. {_how_drawn(scan)}"
    )
    return ReportFigure("figure-5-every-layer", "One slice at every layer of the network", caption, figure)


def _rows(layers: Sequence[str]) -> list[tuple[str, ...]]:
    """The layers of a block in a row, or in several; all together where no two are of one block."""
    blocks = list(by_block(layers).values())
    if len(blocks) == len(layers):
        blocks = [tuple(layers)]
    return [block[start : start + ACROSS] for block in blocks for start in range(0, len(block), ACROSS)]


def describe_layer(maps: ScanMaps, layer: str) -> str:
    """Name, resolution, maximum, and on how many slices the map is blank."""
    raw = maps.raw(layer)
    blank = sum(bool(cause) for cause in maps.blank[layer])
    return (
        f"{layer}\n{raw.shape[1]} x {raw.shape[2]}\nmax {max(float(raw.max()), 0):.2g}\n"
        f"blank on {blank} of {len(raw)}"
    )


def _how_drawn(scan: ShownScan) -> str:
    truth = (
        "Thin line: outline of the true lesions."
        if scan.lesions is not None and scan.lesions.any()
        else "The true lesions of this scan are not known."
        if scan.lesions is None
        else "This scan has no lesions."
    )
    return (
        f"Method {scan.explained.method}, after ReLU, upsampled linearly, normalised per volume: each layer by its "
        "one maximum over all explained slices of the scan, so that slices compare and layers do not. Colours: "
        f"{COLOURS}, opacity in proportion to heat up to {STRONG:g}, as in the bar, which shows them over middle grey. "
        f"Grey: the scan as the network is given it, 0 black to {WHITE:g} white. Heat outside the brain is "
        f"shown as it is; the margin is 1 cm. A map that is zero throughout shows the anatomy alone and why. {truth}"
    )
