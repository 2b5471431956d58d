"""The map to believe on scans of a few subjects, beside the usual map of the same slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stratacam.maps import ScanMaps
from stratacam.maps.fused import fused_title
from stratacam.report.captions import how_drawn
from stratacam.report.choose import choose_examples, choose_slices, explained_scans
from stratacam.report.content import StudyContent
from stratacam.report.content.recommended import PASSED, networks_words
from stratacam.report.figure import WARNING, ReportFigure, Request
from stratacam.report.figures.panels import (
    HEAT_UNIT,
    draw_anatomy,
    draw_heat,
    name_scan,
    numbers_of_map,
    numbers_of_slice,
)
from stratacam.report.names import method_title
from stratacam.report.overlay import AGREEMENT_COLOURS, draw_scale, draw_slice, heat_colours
from stratacam.report.sheet import new_sheet
from stratacam.report.shown import ShownScan, open_scan_of
from stratacam.report.words.recommended import how_good, in_short

USUAL = "gradcam"
"""The method that the field mostly shows, as the abstract does: at the last convolution."""

AGREEMENT = "share of networks that agree"


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


def recommended_map(study: StudyContent, request: Request) -> ReportFigure:
    """A row for each group; the recommended map, if any, with its agreement, and the usual one."""
    shown = _shown(study)
    scans = _open(study, shown, request.scans)
    indices, rules = zip(*(choose_slices(of_scan[0], count=1) for of_scan in scans), strict=True)
    agreement = shown[0].is_consensus
    columns = 1 + len(shown) + agreement
    boxes = [of_scan[0].box_mm for of_scan in scans]
    sheet, box = new_sheet(len(scans), columns, boxes, width_mm=request.width_mm)
    numbers, with_heat, with_agreement = [], [], []
    for row, (of_scan, chosen) in enumerate(zip(scans, indices, strict=True)):
        first, index = of_scan[0], int(chosen[0])
        panels = [sheet.panel(row, column) for column in range(columns)]
        anatomy, *with_maps = panels
        numbers.append(draw_anatomy(anatomy, first, study.sequence, index, box=box))
        wrong = first.explained.predicted != first.group and first.group in first.explained.classes
        sheet.label_row(
            anatomy,
            f"{name_scan(first, index)}{' (wrong)' if wrong else ''}\nmap of {first.explained.explained}",
            colour=WARNING if wrong else "black",
        )
        if agreement:
            agreed = with_maps.pop(1)
            with_agreement.append(agreed)
            share = first.agreement(shown[0].layer, np.array([index]))
            below = first.under(shown[0].layer, study.sequence)
            draw_slice(
                agreed, first, below, index, heat=share[0] if share is not None else None,
                colours=AGREEMENT_COLOURS, box=box, letters=False,
            )  # fmt: skip
            highest = float("nan") if share is None else float(share[0].max())
            about = {**numbers_of_slice(first, index), **numbers_of_map(first.explained, shown[0].layer)}
            numbers.append({**about, "shown": "agreement", "peak": highest})
        for panel, scan, one in zip(with_maps, of_scan, shown, strict=True):
            found = draw_heat(panel, scan, study.sequence, one.layer, index, box=box)
            numbers.append({**found, "verdict": one.verdict})
        with_heat.append(with_maps)
        if row == 0:
            draw_scale(anatomy)
            sheet.title(anatomy, study.sequence)
            for panel, one in zip(with_maps, shown, strict=True):
                sheet.title(
                    panel,
                    "\n".join((*one.words, _in_words(one.verdict))),
                    colour="black" if one.believed else WARNING,
                )
            if agreement:
                sheet.title(agreed, "agreement\nof the networks")
    every = [panel for of_row in with_heat for panel in of_row]
    for of_bar in (
        zip(*with_heat, strict=True) if agreement else [every]
    ):  # that of agreement stands between them
        sheet.colour_bar(of_bar, heat_colours(), HEAT_UNIT)
    if agreement:
        sheet.colour_bar(with_agreement, heat_colours(AGREEMENT_COLOURS), AGREEMENT)
    names = ", ".join(of_scan[0].name for of_scan in scans)
    which = "the first by name" if study.by_slice else "the first held out, by name"
    who = f"As asked for: {names}" if request.scans else f"One subject of each group: {which}"
    caption = f"{study.sequence}; {_columns(shown, agreement=agreement, short=True)}. {who}."
    how = (
        f"{_about(study)} Columns: {study.sequence}; {_columns(shown, agreement=agreement)}. Subjects: {names}. "
        f"Nobody is chosen by the result. Slice: {' or '.join(dict.fromkeys(rules))}. "
        f"{how_drawn(*(scan for of_scan in scans for scan in of_scan))}"
    )
    return ReportFigure(_title(study), caption, sheet.fit(), numbers, how)


def _shown(study: StudyContent) -> list[Shown]:
    """The recommended map, if there is one, and the usual one; once where it is the same."""
    maps = {maps.name: maps for maps in explained_scans(study)}
    believed = {name: found for name, found in study.recommended_maps.items() if name in maps}
    usual = Shown(maps, study.last_convolution, _verdict(study))
    if not believed or study.recommended is None or study.recommended.chosen is None:
        return [usual]
    chosen = Shown(believed, study.recommended.chosen.layer, "recommended")
    return [chosen] if usual.words == chosen.words else [chosen, usual]


def _verdict(study: StudyContent) -> str:
    """What the rule says of the usual map."""
    if study.recommended is None:
        return "not measured"
    maps = next(iter(study.maps.values()))
    return study.recommended.verdict(len(maps.members), maps.method, study.last_convolution)


def _open(study: StudyContent, shown: Sequence[Shown], asked: Sequence[str]) -> list[list[ShownScan]]:
    """For each scan, itself with each of the maps shown, of one class."""
    opened = []
    chosen = (
        asked or choose_examples(study, shown[0].maps) or list(shown[0].maps)[:1]
    )  # where no group is known
    for name in chosen:
        scan, explained = open_scan_of(study, name), shown[0].maps[name].explained
        opened.append(
            [
                replace(scan, maps=found.of(explained) if explained in found.every_explained else found)
                for found in (one.maps[name] for one in shown)
            ]
        )
    return opened


def _about(study: StudyContent) -> str:
    """Reliability and numbers of the recommended map, or why there is none."""
    if study.recommended is None or study.recommended.chosen is None:
        return in_short(study.recommended)
    return how_good(study.recommended)


def _columns(shown: Sequence[Shown], *, agreement: bool, short: bool = False) -> str:
    """What stands beside the anatomy; short without method, layer and networks, which stand above the panels."""
    found = []
    for number, one in enumerate(shown):
        what = ", ".join(one.words)
        judged = _in_words(one.verdict) if short else f"{what}; {_in_words(one.verdict)}"
        if one.verdict == "recommended":
            found.append("the recommended map" if short else f"the recommended map ({what})")
        else:
            found.append(f"{_usual(one.maps, short=short)} ({judged})")
        if agreement and number == 0:
            found.append("the share of networks that agree on it")
    return "; ".join(found)


def _usual(maps: Mapping[str, ScanMaps], *, short: bool = False) -> str:
    """What is shown where it is not the recommended map; short without its method."""
    method = next(iter(maps.values())).method
    if short:
        return "the usual map" if method == USUAL else "that of the last convolution"
    words = f"{method_title(method)} at the last convolution"
    return f"{words}, the usual map" if method == USUAL else words


def _in_words(verdict: str) -> str:
    return "trust cannot be said" if verdict == "cannot say" else verdict


def _title(study: StudyContent) -> str:
    usual = _usual(study.maps)
    if study.recommended is None:
        return f"{usual}; which map to believe was not measured"
    if study.recommended.chosen is None:
        return f"{usual}; no map is recommended"
    return f"The map to believe: {study.recommended.title(study.recommended.chosen)}"
