"""The report: one HTML page that holds everything it shows."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from stratacam.files import write_text
from stratacam.report import result_tables, tables
from stratacam.report.content import StudyContent, read_study
from stratacam.report.evidence import Chapter, chapters
from stratacam.report.figure import Content, FigureEntry, ReportFigure, save_figure, warn
from stratacam.report.figures import EVIDENCE_FIGURES, STUDY_FIGURES
from stratacam.report.summary import limits, summary
from stratacam.study.folders import StudyFolders


@dataclass(frozen=True)
class PageFigure:
    """A figure as the page shows it; `data` is the PNG in base64, also written to `file`."""

    number: int
    title: str
    caption: str
    data: str
    file: Path


@dataclass(frozen=True)
class PageChapter:
    """A chapter of evidence, and its figures as the page shows them."""

    chapter: Chapter
    figures: list[PageFigure]


def write_report(folders: StudyFolders) -> Path:
    """Write the report of a finished study, and its figures as PNG, from what the study left on disk.

    Args:
        folders: of the study.

    Returns:
        The HTML page, which needs no other file and asks for none.

    Raises:
        InputError: if a part of the study is missing or damaged; names the command that makes it.
    """
    study = read_study(folders)
    found = chapters(study)
    drawn = [_draw(STUDY_FIGURES, study, study.warning)]
    drawn += [
        _draw(EVIDENCE_FIGURES, chapter.evidence, study.warning, f"-{chapter.evidence.folder.name}")
        for chapter in found
    ]
    saved, number = [], 0
    for part in drawn:
        saved.append(
            [_save(figure, folders.figures, number + n, name) for n, (name, figure) in enumerate(part, 1)]
        )
        number += len(part)
    written = {figure.file for part in saved for figure in part}
    for earlier in set(folders.figures.glob("figure-*.png")) - written:
        earlier.unlink()
    pages = [PageChapter(chapter, its) for chapter, its in zip(found, saved[1:], strict=True)]
    write_text(folders.report, render(study, saved[0], pages))
    return folders.report


def render(study: StudyContent, figures: list[PageFigure], pages: list[PageChapter]) -> str:
    """The page as HTML."""
    results = [
        result_tables.metrics_table(study),
        result_tables.comparison_table(study),
        result_tables.class_table(study),
        result_tables.probabilities_table(study),
        result_tables.leakage_table(study),
        result_tables.predictions_table(study),
        tables.cohort_table(study),
    ]
    environment = Environment(
        loader=PackageLoader("stratacam.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html.j2").render(
        name=study.configuration.get("name") or folders_name(study),
        sentences=summary(study),
        limits=limits(study),
        figures=figures,
        chapters=pages,
        warning=study.warning,
        results=[table for table in results if table],
        details=[
            tables.left_out_table(study),
            tables.training_table(study),
            tables.methods_table(study),
            tables.settings_table(study),
            tables.provenance_table(study),
            *(table for page in pages for table in page.chapter.details),
        ],
    )


def folders_name(study: StudyContent) -> str:
    """The name of a study that was given none: that of its folder."""
    return study.folders.root.resolve().name


def _draw(
    entries: Sequence[FigureEntry[Content]], content: Content, warning: str, suffix: str = ""
) -> list[tuple[str, ReportFigure]]:
    """Names and figures of the entries that have something to show."""
    return [
        (entry.name + suffix, warn(figure, warning if entry.depends_on_split else ""))
        for entry in entries
        if (figure := entry.draw(content))
    ]


def _save(figure: ReportFigure, folder: Path, number: int, name: str) -> PageFigure:
    file = folder / f"figure-{number}-{name}.png"
    content = save_figure(figure, file)
    return PageFigure(number, figure.title, figure.caption, base64.b64encode(content).decode("ascii"), file)
