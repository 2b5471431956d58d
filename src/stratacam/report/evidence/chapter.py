"""The chapter of one network: words, figures and tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.evidence import figures, tables, words
from stratacam.report.evidence.content import EvidenceContent, read_evidence
from stratacam.report.evidence.group_figure import group_figure
from stratacam.report.figures import ReportFigure
from stratacam.report.tables import Table


@dataclass(frozen=True)
class Chapter:
    """What is shown of one network's evidence.

    Attributes:
        title: with the network's name.
        sentences: paragraphs on top.
        tables: of results.
        figures: drawn.
        details: tables that are folded away.
    """

    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    figures: tuple[ReportFigure, ...]
    details: tuple[Table, ...]


def chapters(study: StudyContent) -> list[Chapter]:
    """A chapter for each network whose evidence was measured.

    Raises:
        InputError: a part of the evidence is missing or damaged.
    """
    return [_chapter(evidence, study.card.classes) for evidence in read_evidence(study.folders)]


def _chapter(evidence: EvidenceContent, groups: Sequence[str]) -> Chapter:
    drawn = [
        figures.layers_figure(evidence),
        figures.dependence_figure(evidence),
        group_figure(evidence, groups),
    ]
    shown = [
        *(table for method in evidence.methods for table in
          (tables.claims_table(evidence, method), tables.layers_table(evidence, method))),
        tables.comparison_table(evidence),
        tables.voxelwise_table(evidence),
    ]  # fmt: skip
    return Chapter(
        f"Which layer to believe: {network_title(evidence.network)}",
        tuple(words.sentences(evidence)),
        tuple(table for table in shown if table),
        tuple(figure for figure in drawn if figure),
        (tables.seconds_table(evidence),),
    )
