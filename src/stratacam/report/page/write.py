"""The report: one HTML page that holds everything it shows."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console

from stratacam.files import write_text
from stratacam.report.content import read_study
from stratacam.report.evidence import chapters
from stratacam.report.figure import Content, FigureEntry, chart_style, save_figure, warn
from stratacam.report.figures import EVIDENCE_FIGURES, STUDY_FIGURES
from stratacam.report.tables import cohort, confounds, provenance, results, training
from stratacam.report.tables.map_reliability import map_reliability_table
from stratacam.report.words.recommended import in_short
from stratacam.report.words.summary import limits, summary
from stratacam.study.folders import StudyFolders
from stratacam.study.progress import say

RESULTS = (
    results.metrics_table,
    results.comparison_table,
    results.class_table,
    results.probabilities_table,
    results.sample_size_table,
    confounds.confounds_table,
    map_reliability_table,
    results.leakage_table,
    results.predictions_table,
    cohort.cohort_table,
)
"""Tables of the study, in their order; one that has nothing to show gives None."""

DETAILS = (
    cohort.left_out_table,
    training.training_table,
    provenance.methods_table,
    provenance.settings_table,
    provenance.provenance_table,
)
"""Tables that are folded away."""


NUMBER = re.compile(r"([-<%0-9. ()]|to)+")
"""Cells that are not wrapped."""


@dataclass(frozen=True)
class PageFigure:
    """A figure as the page shows it; `data` is the PNG in base64, also written to `file`."""

    number: int
    title: str
    caption: str
    data: str
    file: Path


class _Album:
    """Draws, numbers and saves figures into a folder."""

    def __init__(self, folder: Path, warning: str) -> None:
        self.folder, self.warning = folder, warning
        self.figures: list[PageFigure] = []

    def add(
        self, entries: Sequence[FigureEntry[Content]], content: Content, suffix: str = ""
    ) -> list[PageFigure]:
        """Add the figures of all entries that have something to show; return them."""
        first = len(self.figures)
        for entry in entries:
            with chart_style():
                figure = entry.draw(content)
            if figure is None:
                continue
            number = len(self.figures) + 1
            file = self.folder / f"figure-{number}-{entry.name}{suffix}.png"
            shown = warn(figure, self.warning if entry.depends_on_split else "")
            data = base64.b64encode(save_figure(shown, file)).decode("ascii")
            self.figures.append(PageFigure(number, shown.title, shown.caption, data, file))
        return self.figures[first:]

    def remove_others(self) -> None:
        """Remove what earlier reports left in the folder."""
        for file in set(self.folder.glob("figure-*.png")) - {figure.file for figure in self.figures}:
            file.unlink()


def write_report(folders: StudyFolders, console: Console | None = None) -> Path:
    """Write the report of a finished study, and its figures as PNG, from the study's files.

    Args:
        folders: of the study.
        console: where it is said that evidence is not shown as it cannot be read; the page says so too.

    Returns:
        The HTML page, which needs no other file and asks for none.

    Raises:
        InputError: if a part of the study is missing or damaged; names the command that makes it.
    """
    study = read_study(folders)
    album = _Album(folders.figures, study.warning)
    figures = album.add(STUDY_FIGURES, study)
    readable, left_out = chapters(study)
    evidence = [
        (chapter, album.add(EVIDENCE_FIGURES, chapter.evidence, f"-{chapter.evidence.folder.name}"))
        for chapter in readable
    ]
    if console:
        for reason in left_out:
            say(console, f"report: {reason}", "yellow")
    album.remove_others()
    environment = Environment(
        loader=PackageLoader("stratacam.report", package_path="page"),
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
        album=album.figures,
        figures=figures,
        chapters=evidence,
        results=[table for make in RESULTS if (table := make(study))],
        details=[
            *(make(study) for make in DETAILS),
            *(table for chapter, _ in evidence for table in chapter.details),
        ],
    )
    write_text(folders.report, page)
    return folders.report
