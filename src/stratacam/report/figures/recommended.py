"""The map to believe on scans of a few subjects, beside the abstract's figure of the same slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes

from stratacam.maps import ScanMaps
from stratacam.maps.fused import fused_title
from stratacam.report.captions import how_drawn, place_of
from stratacam.report.choose import choose_examples, choose_slices, explained_scans
from stratacam.report.content import StudyContent
from stratacam.report.content.recommended import PASSED, networks_words
from stratacam.report.figure import WARNING, ReportFigure
from stratacam.report.names import method_title
from stratacam.report.overlay import AGREEMENT_COLOURS, draw_colour_bar, draw_scale, draw_slice, label_row
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import Box, ShownScan, open_scan_of
from stratacam.report.words.recommended import how_good, in_short

ABSTRACT = "gradcam"
"""The method of the abstract, which shows it at the last convolution."""

FAILED = "not recommended"

HEAT = "heat: share of the map's maximum in the scan"
AGREEMENT = "share of networks that agree"

BAR_WIDTH = 0.75
"""Inches for a colour bar with its label."""

LINE = 0.135
"""Inches for a line above a panel."""

LETTERS = 24
"""Of a line above a panel."""


@dataclass(frozen=True)
class Shown:
    """A layer's maps of several scans.

    Attributes:
        maps: by the name of their scan.
        layer: that is shown.
        verdict: by the rule, or "not measured".
    """

    maps: Mapping[str, ScanMaps]
    layer: str
    verdict: str

    @property
    def believed(self) -> bool:
        """Whether it meets every criterion."""
        return self.verdict in PASSED

    @property
    def words(self) -> tuple[str, str, str]:
        """Method, layer and networks."""
        maps = next(iter(self.maps.values()))
        return method_title(maps.method), fused_title(self.layer), networks_words(len(maps.members))

    @property
    def is_consensus(self) -> bool:
        """Whether maps are of several networks."""
        return any(maps.members for maps in self.maps.values())


def recommended_map(study: StudyContent) -> ReportFigure:
    """A row for each group; the recommended map, if any, with its agreement, and the abstract's figure."""
    shown = _shown(study)
    scans = _open(study, shown)
    indices, rules = zip(*(choose_slices(of_scan[0], count=1) for of_scan in scans), strict=True)
    boxes = np.array([of_scan[0].box_mm for of_scan in scans])
    box = (boxes[:, 0].min(), boxes[:, 1].max(), boxes[:, 2].min(), boxes[:, 3].max())
    agreement = shown[0].is_consensus
    columns = 1 + len(shown) + agreement
    top = LINE * max(len(_heading(one).splitlines()) for one in shown) + 0.1
    sheet = new_sheet(
        len(scans), columns, box, left=1.55, right=BAR_WIDTH * (1 + agreement), top=top, between=0.06
    )
    for row, (of_scan, (index,)) in enumerate(zip(scans, indices, strict=True)):
        panels = [sheet.panel(row, column) for column in range(columns)]
        anatomy, *with_maps = panels
        draw_slice(anatomy, of_scan[0], study.sequence, int(index), box=box)
        label_row(anatomy, _row_label(of_scan[0], int(index)))
        agreed = with_maps.pop(1) if agreement else None
        if agreed:
            share = of_scan[0].agreement(shown[0].layer, index[None])
            draw_slice(
                agreed, of_scan[0], study.sequence, int(index), heat=share[0] if share is not None else None,
                colours=AGREEMENT_COLOURS, box=box, letters=False,
            )  # fmt: skip
        for panel, scan, one in zip(with_maps, of_scan, shown, strict=True):
            _draw(panel, scan, one, study.sequence, index=int(index), box=box)
        if row == 0:
            draw_scale(anatomy)
            anatomy.set_title(study.sequence, fontsize=8, pad=4)
            for panel, one in zip(with_maps, shown, strict=True):
                _head(panel, one)
            if agreed:
                agreed.set_title("agreement\nof the networks", fontsize=7.5, pad=4)
    draw_colour_bar(sheet.figure, sheet.bar(0), HEAT)
    if agreement:
        right = sheet.figure.get_figwidth() - BAR_WIDTH + 0.12
        draw_colour_bar(sheet.figure, sheet.bar(0, left=right), AGREEMENT, colours=AGREEMENT_COLOURS)
    names = [of_scan[0].name for of_scan in scans]
    which = "the first by name" if study.by_slice else "the first held-out one by name"
    caption = (
        f"{_about(study)} From left to right: {study.sequence}; {_columns(shown, agreement=agreement)}. "
        f"One subject of each group ({', '.join(names)}): {which}, whatever its result. Slice: "
        f"{' or '.join(dict.fromkeys(rules))}. {how_drawn(*(scan for of_scan in scans for scan in of_scan))}"
    )
    return ReportFigure(_title(study), caption, sheet.figure)


def _shown(study: StudyContent) -> list[Shown]:
    """The recommended map, if there is one, and the abstract's; once where it is the same."""
    maps = {maps.name: maps for maps in explained_scans(study)}
    believed = {name: found for name, found in study.recommended_maps.items() if name in maps}
    abstract = Shown(maps, study.last_convolution, _verdict(study))
    if not believed or study.recommended is None or study.recommended.chosen is None:
        return [abstract]
    chosen = Shown(believed, study.recommended.chosen.layer, "recommended")
    return [chosen] if abstract.words == chosen.words else [chosen, abstract]


def _verdict(study: StudyContent) -> str:
    """What the rule says of the abstract's figure."""
    if study.recommended is None:
        return "not measured"
    maps = next(iter(study.maps.values()))
    verdict = study.recommended.verdict(len(maps.members), maps.method, study.last_convolution)
    return verdict if verdict in (*PASSED, FAILED) else f"{FAILED} ({verdict})"


def _open(study: StudyContent, shown: Sequence[Shown]) -> list[list[ShownScan]]:
    """For each scan, itself with each of the maps shown, of one class."""
    opened = []
    for name in choose_examples(study, shown[0].maps) or list(shown[0].maps)[:1]:  # where no group is known
        scan, explained = open_scan_of(study, name), shown[0].maps[name].explained
        opened.append(
            [
                replace(scan, maps=found.of(explained) if explained in found.every_explained else found)
                for found in (one.maps[name] for one in shown)
            ]
        )
    return opened


def _draw(panel: Axes, scan: ShownScan, one: Shown, sequence: str, *, index: int, box: Box) -> None:
    """The heat of a slice; the anatomy alone where the slice was not explained."""
    maps, indices = scan.explained, np.array([index])
    if index not in maps.slices:
        draw_slice(panel, scan, sequence, index, blank="slice not explained", box=box, letters=False)
        return
    share = scan.agreement(one.layer, indices)
    draw_slice(
        panel, scan, sequence, index, heat=scan.heat(one.layer, indices)[0],
        agreement=None if share is None else share[0],
        blank=maps.blank[one.layer][int(np.searchsorted(maps.slices, index))], box=box, letters=False,
    )  # fmt: skip


def _head(panel: Axes, one: Shown) -> None:
    """What a column shows, with its verdict."""
    panel.set_title(_heading(one), fontsize=7.5, pad=4, color="black" if one.believed else WARNING)


def _heading(one: Shown) -> str:
    return "\n".join((*(line for words in one.words for line in wrap(words, LETTERS)), one.verdict))


def _row_label(scan: ShownScan, index: int) -> str:
    maps = scan.explained
    probability = maps.scan_probabilities[maps.predicted]
    return (
        f"{scan.group}\n{scan.name}\n{place_of(scan, index)}\npredicted {maps.predicted},\np = {probability:.2f}"
        f"\nmap of {maps.explained}"
    )


def _about(study: StudyContent) -> str:
    """Reliability and numbers of the recommended map, or why there is none."""
    if study.recommended is None or study.recommended.chosen is None:
        return in_short(study.recommended)
    return how_good(study.recommended)


def _columns(shown: Sequence[Shown], *, agreement: bool) -> str:
    """What stands beside the anatomy."""
    found = []
    for number, one in enumerate(shown):
        what = ", ".join(one.words)
        if one.verdict == "recommended":
            found.append(f"the recommended map ({what})")
        elif one.maps and next(iter(one.maps.values())).method == ABSTRACT:
            found.append(f"the abstract's figure ({what}; {one.verdict})")
        else:
            found.append(f"the study's map of the last convolution ({what}; {one.verdict})")
        if agreement and number == 0:
            found.append("the share of networks that agree on it")
    return "; ".join(found)


def _title(study: StudyContent) -> str:
    if study.recommended is None:
        return "The abstract's figure; which map to believe was not measured"
    if study.recommended.chosen is None:
        return "The abstract's figure, which is not recommended; no map is"
    return f"The map to believe: {study.recommended.title(study.recommended.chosen)}"
