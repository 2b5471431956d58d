"""The chapter of one network: words, figures and tables."""

from dataclasses import dataclass

from stratacam.errors import InputError
from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.evidence import tables, words
from stratacam.report.evidence.content import EvidenceContent, read_evidence
from stratacam.report.tables import Table


@dataclass(frozen=True)
class Chapter:
    """What is shown of one network's evidence.

    Attributes:
        title: with the network's name.
        sentences: paragraphs on top.
        tables: of results.
        evidence: of which the page draws the figures.
        details: tables that are folded away.
    """

    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    evidence: EvidenceContent
    details: tuple[Table, ...]


def chapters(study: StudyContent) -> list[Chapter]:
    """A chapter for each network whose evidence was measured.

    Raises:
        InputError: a part of the evidence is missing, damaged, or of another version.
    """
    found = []
    for evidence in read_evidence(study.folders, study.card.classes):
        try:
            found.append(_chapter(evidence))
        except KeyError as fault:
            raise InputError(
                f"{evidence.folder}: lacks {fault}; expected evidence of this version: measure it again with "
                "`stratacam evidence`."
            ) from fault
    return found


def _chapter(evidence: EvidenceContent) -> Chapter:
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
        evidence,
        (tables.measures_table(evidence), tables.seconds_table(evidence)),
    )
