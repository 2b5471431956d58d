"""The chapter of one network: words and tables."""

from dataclasses import dataclass

from stratacam.errors import InputError
from stratacam.report.content import StudyContent
from stratacam.report.content.evidence import EvidenceContent, evidence_folders, read_evidence
from stratacam.report.evidence import strategies, tables, words
from stratacam.report.evidence.losses import losses_table
from stratacam.report.evidence.sequences import sequences_table
from stratacam.report.tables.table import Table


@dataclass(frozen=True)
class EvidenceChapter:
    """What is shown of one network's evidence.

    Attributes:
        title: with the network's name.
        sentences: paragraphs on top.
        tables: a row for every layer, by method.
        folded: all others.
        details: tables for the appendix.
        evidence: of which the page draws the figures.
    """

    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    folded: tuple[Table, ...]
    details: tuple[Table, ...]
    evidence: EvidenceContent


def evidence_chapters(study: StudyContent) -> tuple[list[EvidenceChapter], list[str]]:
    """A chapter for each network whose evidence can be read, and for each other why it is not shown."""
    shown, left_out = [], []
    for folder, network in evidence_folders(study.folders).items():
        try:
            shown.append(_chapter(read_evidence(folder, network, study.card.classes)))
        except KeyError as fault:
            left_out.append(
                f"{folder}: the evidence was measured by another version, found no {fault}, and is not shown: measure "
                "it again with `stratacam evidence`."
            )
        except InputError as fault:
            left_out.append(f"The evidence is not shown: {fault}")
    return shown, left_out


def _chapter(evidence: EvidenceContent) -> EvidenceChapter:
    folded = [
        tables.rule_table(evidence),
        *(table for method in evidence.methods for table in
          (tables.reasons_table(evidence, method), tables.truth_table(evidence, method),
           tables.claims_table(evidence, method))),
        losses_table(evidence),
        sequences_table(evidence),
        *tables.comparison_tables(evidence),
        tables.voxelwise_table(evidence),
        strategies.strategies_table(evidence),
        strategies.members_table(evidence),
    ]  # fmt: skip
    return EvidenceChapter(
        f"Which layer to believe: {evidence.title}",
        tuple(words.sentences(evidence)),
        tuple(tables.layers_table(evidence, method) for method in evidence.methods),
        tuple(table for table in folded if table),
        tuple(one for one in (tables.measures_table(evidence), tables.seconds_table(evidence)) if one.rows),
        evidence,
    )
