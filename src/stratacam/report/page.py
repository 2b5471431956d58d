"""The report: one HTML page that holds everything it shows."""

import base64
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from stratacam.files import write_text
from stratacam.report import result_tables, tables, wording
from stratacam.report.confusion_figure import confusion_matrices
from stratacam.report.content import StudyContent, read_study
from stratacam.report.curves_figure import learning_curves
from stratacam.report.evidence import Chapter, chapters
from stratacam.report.figures import ReportFigure, example_slices, save_figure, warn
from stratacam.report.map_figures import map_figures
from stratacam.report.reliability_figure import reliability_plot
from stratacam.study.folders import StudyFolders


@dataclass(frozen=True)
class PageFigure:
    """A figure as the page shows it; `data` is the PNG in base64."""

    number: int
    title: str
    caption: str
    data: str


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
    results = [
        confusion_matrices(study),
        *map_figures(study),
        reliability_plot(study),
        learning_curves(study),
    ]
    drawn = [example_slices(study), *(warn(figure, study.warning) for figure in results if figure)]
    figures = [_save(figure, folders.figures, number) for number, figure in enumerate(drawn, start=1)]
    pages, count = [], len(figures)
    for chapter in chapters(study):
        numbered = enumerate((warn(figure, study.warning) for figure in chapter.figures), start=count + 1)
        pages.append(
            PageChapter(chapter, [_save(figure, folders.figures, number) for number, figure in numbered])
        )
        count += len(chapter.figures)
    write_text(folders.report, render(study, figures, pages))
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
        sentences=wording.sentences(study),
        limits=wording.limits(study),
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


def _save(figure: ReportFigure, folder: Path, number: int) -> PageFigure:
    content = save_figure(figure, folder / f"{figure.name}.png")
    return PageFigure(number, figure.title, figure.caption, base64.b64encode(content).decode("ascii"))
