"""The report: one HTML page that holds everything it shows."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console

from stratacam.files import write_text
from stratacam.report import confounds, result_tables, tables
from stratacam.report.album import SavedFigure, figures_of, save_album
from stratacam.report.content import read_study
from stratacam.report.evidence import chapters
from stratacam.report.figure import TWO_COLUMNS
from stratacam.report.map_reliability import map_reliability_table
from stratacam.report.recommended import in_short
from stratacam.report.summary import limits, summary
from stratacam.study.folders import StudyFolders
from stratacam.study.progress import say

RESULTS = (
    result_tables.metrics_table,
    result_tables.comparison_table,
    result_tables.class_table,
    result_tables.probabilities_table,
    result_tables.sample_size_table,
    confounds.confounds_table,
    map_reliability_table,
    result_tables.leakage_table,
    result_tables.predictions_table,
    tables.cohort_table,
)
"""Tables of the study, in their order; one that has nothing to show gives None."""

DETAILS = (
    tables.left_out_table,
    tables.training_table,
    tables.methods_table,
    tables.settings_table,
    tables.provenance_table,
)
"""Tables that are folded away."""


WIDTH = 944
"""Pixels of the screen for a figure as wide as two columns."""

NUMBER = re.compile(r"([-<%0-9. ()]|to)+")
"""Cells that are not wrapped."""


@dataclass(frozen=True)
class PageFigure:
    """A figure as the page shows it; `data` is the WebP in base64, `width` in pixels of the screen."""

    number: int
    title: str
    caption: str
    data: str
    width: int


def write_report(folders: StudyFolders, console: Console | None = None) -> Path:
    """Write the report of a finished study, and its figures as PNG, SVG and TSV, from the study's files.

    Args:
        folders: of the study.
        console: where it is said that evidence is not shown as it cannot be read; the page says so too.

    Returns:
        The HTML page, which needs no other file and asks for none.

    Raises:
        InputError: if a part of the study is missing or damaged; names the command that makes it.
    """
    study = read_study(folders)
    readable, left_out = chapters(study)
    album = {
        of: [_on_page(figure) for figure in saved]
        for of, saved in save_album(figures_of(study, readable), folders.figures).items()
    }
    evidence = [(chapter, album[chapter.evidence.folder.name]) for chapter in readable]
    if console:
        for reason in left_out:
            say(console, f"report: {reason}", "yellow")
    environment = Environment(
        loader=PackageLoader("stratacam.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["number"] = NUMBER.fullmatch
    page = environment.get_template("template.html.j2").render(
        name=study.configuration.get("name") or folders.root.resolve().name,
        summary=[in_short(study.recommended), *summary(study)],
        limits=[*limits(study), *left_out],
        warning=study.warning,
        album=[figure for figures in album.values() for figure in figures],
        figures=album[""],
        chapters=evidence,
        results=[table for make in RESULTS if (table := make(study))],
        details=[
            *(make(study) for make in DETAILS),
            *(table for chapter, _ in evidence for table in chapter.details),
        ],
    )
    write_text(folders.report, page)
    return folders.report


def _on_page(saved: SavedFigure) -> PageFigure:
    figure = saved.figure
    return PageFigure(
        saved.number, figure.title, figure.caption, base64.b64encode(saved.webp).decode("ascii"),
        round(figure.width_mm * WIDTH / TWO_COLUMNS),
    )  # fmt: skip
