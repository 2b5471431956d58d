"""The chapters of the page, in their order: what a radiologist, a statistician and a reviewer look for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stratacam.report.content import StudyContent
from stratacam.report.evidence import EvidenceChapter
from stratacam.report.evidence.recommended import recommended_table
from stratacam.report.page.pictures import PageFigure
from stratacam.report.statements.checklists import claim_table, tripod_table
from stratacam.report.statements.methods import methods_section
from stratacam.report.statements.model_card import CardSection, model_card
from stratacam.report.statements.references import cited, numbered, reference
from stratacam.report.tables import cohort, confounds, provenance, results, training
from stratacam.report.tables.map_reliability import map_reliability_table
from stratacam.report.tables.resources import resources_table
from stratacam.report.tables.table import Table
from stratacam.report.words.done import (
    how_it_was_guided,
    how_it_was_split,
    how_split_was_chosen,
    what_was_left_out,
    whether_training_ended_early,
)
from stratacam.report.words.found import (
    how_all_did,
    what_baselines_do,
    what_leaks,
    what_was_found,
    who_was_wrong,
)
from stratacam.report.words.heat import why_outside
from stratacam.report.words.recommended import how_certain, in_short, to_believe, who_was_judged

Album = Mapping[str, tuple[PageFigure, ...]]

READING = (
    "Colour is heat: where the image raised the network's score for one class, as a share of the highest in that "
    "layer and scan. Compare slices of a scan with one another; neither layers nor people, as each has its own "
    "scale. Grey is the scan itself, and the letters are the patient's sides."
)


@dataclass(frozen=True)
class Section:
    """A part of a chapter under a heading of its own."""

    heading: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Chapter:
    """A chapter of the page.

    Attributes:
        key: of links to it.
        title: its heading.
        reader: whom it is for.
        sentences: paragraphs on top.
        figures: after them.
        tables: after these.
        sections: after these.
        folded: tables that are folded away, at the end.
        references: works that its text cites, in the order of their numbers.
    """

    key: str
    title: str
    reader: str
    sentences: tuple[str, ...] = ()
    figures: tuple[PageFigure, ...] = ()
    tables: tuple[Table, ...] = ()
    sections: tuple[Section, ...] = ()
    folded: tuple[Table, ...] = ()
    references: tuple[str, ...] = ()


def chapters(study: StudyContent, evidence: Sequence[EvidenceChapter], album: Album) -> list[Chapter]:
    """All chapters.

    Args:
        study: whose page it is.
        evidence: chapters of the networks whose evidence can be read.
        album: the figures, by chapter and network, see `figures_of`.
    """
    return [
        _maps(study, evidence, album),
        *(_evidence(one, album) for one in evidence),
        _results(study, album),
        _cohort(study, album),
        _methods(study),
        _model_card(study),
        _checklists(study),
        _appendix(study, evidence),
    ]


def _whose_predictions(study: StudyContent) -> str:
    """That predictions beside maps are those of the networks that made them; "" where there is one."""
    members = max(len(maps.members) for maps in study.maps.values())
    if not members:
        return ""
    return (
        f"Predictions and probabilities beside maps are of the consensus of {members} networks; those of the chapter "
        f"“Results” are of {study.title_of(study.main)}, and may differ."
    )


def _which_map(study: StudyContent) -> str:
    """Which map to believe; of a recommended one without its numbers, which stand in a table."""
    recommended = study.recommended
    if recommended is None or recommended.chosen is None:
        return in_short(recommended)
    return f"{to_believe(recommended, recommended.chosen)} {how_certain(recommended)}"


def _other_classes(study: StudyContent) -> str:
    """How to see maps of other classes, where each scan has those of one; "" where there are others."""
    if any(len(maps.every_explained) > 1 for maps in study.maps.values()):
        return ""
    return (
        "Each scan has maps of one class. For maps of all classes beside each other, set `explain.target` to "
        '"all" and repeat the study with `stratacam run`.'
    )


def _there(*found: str) -> tuple[str, ...]:
    return tuple(text for text in found if text)


def _tables(*found: Table | None) -> tuple[Table, ...]:
    return tuple(table for table in found if table)


def _maps(study: StudyContent, evidence: Sequence[EvidenceChapter], album: Album) -> Chapter:
    outside = why_outside(study, [chapter.evidence for chapter in evidence])
    return Chapter(
        "maps",
        "Maps",
        "for a radiologist",
        _there(
            READING,
            _whose_predictions(study),
            _which_map(study),
            who_was_judged(study),
            f"Heat outside the brain: {' '.join(outside)}",
            how_it_was_guided(study),
            _other_classes(study),
        ),
        album["maps"],
        _tables(recommended_table(study)),
        folded=_tables(map_reliability_table(study)),
    )


def _evidence(chapter: EvidenceChapter, album: Album) -> Chapter:
    name = chapter.evidence.folder.name
    return Chapter(
        f"evidence-{name}",
        chapter.title,
        "for a radiologist and a reviewer",
        chapter.sentences,
        album[name],
        chapter.tables,
        folded=chapter.folded,
    )


def _results(study: StudyContent, album: Album) -> Chapter:
    return Chapter(
        "results",
        "Results",
        "for a statistician",
        _there(
            what_was_found(study),
            how_all_did(study),
            what_baselines_do(study),
            who_was_wrong(study),
            what_leaks(study),
        ),
        album["results"],
        _tables(
            results.metrics_table(study), results.comparison_table(study), results.class_table(study),
        ),
        folded=_tables(
            results.probabilities_table(study), results.sample_size_table(study), results.leakage_table(study),
            results.predictions_table(study), training.training_table(study), provenance.methods_table(study),
        ),
    )  # fmt: skip


def _cohort(study: StudyContent, album: Album) -> Chapter:
    return Chapter(
        "cohort",
        "People and split",
        "for a reviewer",
        _there(how_it_was_split(study), how_split_was_chosen(study), what_was_left_out(study)),
        album["cohort"],
        _tables(cohort.cohort_table(study), confounds.confounds_table(study)),
        folded=_tables(cohort.trained_on_table(study), cohort.left_out_table(study)),
    )


def _methods(study: StudyContent) -> Chapter:
    paragraphs = methods_section(study)
    keys = cited(text for _, text in paragraphs)
    return Chapter(
        "methods",
        "Methods",
        "for a reviewer, and to publish from",
        _there(
            "Generated from the settings, model cards and versions of this study. The works are in `references.bib` "
            "beside this page.",
            whether_training_ended_early(study),
        ),
        sections=tuple(Section(heading, (numbered(text, keys),)) for heading, text in paragraphs),
        references=tuple(map(reference, keys)),
    )


def _model_card(study: StudyContent) -> Chapter:
    def section(found: CardSection) -> Section:
        return Section(found.heading, found.sentences, _tables(found.table))

    return Chapter(
        "model-card",
        "Model card",
        "for whoever wants to use the model; also in `model_card.md`",
        sections=tuple(map(section, model_card(study))),
        references=(reference("cards"),),
    )


def _checklists(study: StudyContent) -> Chapter:
    return Chapter(
        "check-lists",
        "Reporting check-lists",
        "for a reviewer",
        ("Filled where the study's files hold the answer; everything else is open, and for the authors.",),
        folded=(claim_table(study), tripod_table(study)),
        references=(reference("claim"), reference("tripod")),
    )


def _appendix(study: StudyContent, evidence: Sequence[EvidenceChapter]) -> Chapter:
    return Chapter(
        "appendix",
        "Settings, versions and resources",
        "to repeat the study",
        folded=(
            provenance.settings_table(study),
            provenance.provenance_table(study),
            resources_table(study),
            *(table for chapter in evidence for table in chapter.details),
        ),
    )
