"""The figures of one study: their names, drawn, numbered and saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratacam.report.content import StudyContent
from stratacam.report.evidence import EvidenceChapter
from stratacam.report.figure import (
    FigureEntry,
    ReportFigure,
    Request,
    drawn,
    page_picture,
    save_figure,
    save_numbers,
)
from stratacam.report.figures import EVIDENCE_FIGURES, STUDY_FIGURES

CHAPTERS = ("maps", "results", "cohort")
"""Of figures of the study; those of evidence stand after the first."""

FILES = ("png", "svg", "tsv")
"""What the report writes of each figure."""


@dataclass(frozen=True)
class StudyFigure:
    """An entry of the registry, and what it draws of a study.

    Attributes:
        name: of the entry, and of the network if it shows evidence.
        entry: of the registry.
        content: of the study, or of a network's evidence.
        warning: of the split.
    """

    name: str
    entry: FigureEntry[Any]
    content: Any
    warning: str

    def draw(self, request: Request | None = None) -> ReportFigure | None:
        """Draw it; None where there is nothing to show."""
        return drawn(self.entry, self.content, request or Request(self.entry.width_mm), self.warning)


def figures_of(study: StudyContent, evidence: Sequence[EvidenceChapter]) -> dict[str, list[StudyFigure]]:
    """All figures by the chapter of the page, or the folder of the network whose evidence they show; in order."""
    of_study: dict[str, list[StudyFigure]] = {chapter: [] for chapter in CHAPTERS}
    for entry in STUDY_FIGURES:
        of_study[entry.chapter].append(StudyFigure(entry.name, entry, study, study.warning))
    first, *others = of_study.items()
    networks = {
        (name := chapter.evidence.folder.name): [
            StudyFigure(f"{entry.name}-{name}", entry, chapter.evidence, study.warning)
            for entry in EVIDENCE_FIGURES
        ]
        for chapter in evidence
    }
    return dict((first, *networks.items(), *others))


@dataclass(frozen=True)
class SavedFigure:
    """A figure as the report has it: its number, its files but for their ending, and the picture for the page."""

    number: int
    file: Path
    figure: ReportFigure
    webp: bytes


def save_album(figures: Mapping[str, Sequence[StudyFigure]], folder: Path) -> dict[str, list[SavedFigure]]:
    """Draw and number all figures that have something to show, save them, and remove those of earlier reports."""
    saved: dict[str, list[SavedFigure]] = {}
    files = set()
    number = 0
    for of, its_figures in figures.items():
        saved[of] = []
        for one in its_figures:
            figure = one.draw()
            if figure is None:
                continue
            number += 1
            path = folder / f"figure-{number}-{one.name}"
            save_one(figure, path, FILES)
            saved[of].append(SavedFigure(number, path, figure, page_picture(figure)))
            files |= {_with_ending(path, ending) for ending in FILES}
    for file in {file for ending in FILES for file in folder.glob(f"figure-*.{ending}")} - files:
        file.unlink()
    return saved


def save_one(figure: ReportFigure, path: Path, endings: Sequence[str]) -> list[Path]:
    """Save a figure in several formats, and numbers as "tsv"; `path` is without ending. Return the files."""
    files = [_with_ending(path, ending) for ending in endings]
    for file, ending in zip(files, endings, strict=True):
        (save_numbers if ending == "tsv" else save_figure)(figure, file)
    return files


def _with_ending(path: Path, ending: str) -> Path:
    """Names of layers and networks hold dots."""
    return path.with_name(f"{path.name}.{ending}")
