"""The first screen: what anybody asks of a study, each question with its answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.numbers import counted, decimal, estimate, interval, listed, sentence_case
from stratacam.report.tables.confounds import what_confounds
from stratacam.report.words.done import (
    UNKNOWN_TRAINING,
    how_split_was_chosen,
    judged_pictures,
    pictures_in_words,
    whether_training_ended_early,
    who_is_judged,
)
from stratacam.report.words.found import does_it_work, outcome
from stratacam.report.words.heat import why_outside
from stratacam.report.words.recommended import how_far, which_map, who_was_judged
from stratacam.report.words.taken import how_it_is_taken, sequences_taken


@dataclass(frozen=True)
class Answer:
    """A question, its answer in one line, and what must be known beside it.

    Attributes:
        question: as a reader asks it.
        short: the answer.
        more: sentences after it.
        chapter: where the rest is, by its key.
    """

    question: str
    short: str
    more: str
    chapter: str


def summary(study: StudyContent, evidence: Sequence[EvidenceContent]) -> list[Answer]:
    """What was asked, on whom, whether it works, which map to read and how far to trust it, and why air is hot."""
    short, why = why_outside(study, evidence)
    who = who_was_judged(study)
    return [
        _what_was_asked(study),
        _on_whom(study),
        Answer("Does it work?", does_it_work(study), _numbers(study), "results"),
        Answer(
            "Which map to read?",
            which_map(study.recommended),
            f"{how_far(study.recommended)} {who}".strip(),
            "maps",
        ),
        Answer("Why is heat outside the brain?", short, why, "maps"),
    ]


def _what_was_asked(study: StudyContent) -> Answer:
    networks = listed([network_title(model.network) for model in study.networks], last="or")
    groups, sequences = listed(study.card.classes, last="or"), listed(sequences_taken(study))
    seeds = len({model.seed for model in study.models})
    trained = f" Each was trained with {seeds} seeds." if seeds > 1 and len(study.networks) > 1 else ""
    trained = f" It was trained with {seeds} seeds." if seeds > 1 and not trained else trained
    return Answer(
        "What was asked?",
        f"Which group is a brain of: {groups}?",
        f"{networks[0].upper()}{networks[1:]} "
        f"classifies {pictures_in_words(study)} of {sequences}; a person's class is that of the highest "
        f"mean probability.{trained} {how_it_is_taken(study)}".strip(),
        "methods",
    )


def _on_whom(study: StudyContent) -> Answer:
    of_group = [
        f"{sum(group == name for group in study.group.values())} {name}" for name in study.card.classes
    ]
    slices = sum(study.metrics["slices_per_class"].values())
    if study.given:
        split = who_is_judged(study)
    elif study.by_slice:
        parts = study.slices_of_part
        split = f"slices split at random: {parts['train']} trained on, {parts['validation']} for validation, {slices} "
        "held out"
    elif study.main.folds:
        split = f"{study.main.folds} folds by subject, everybody held out once"
    else:
        counts = [list(study.part.values()).count(part) for part in ("train", "validation", "test")]
        split = "one split by subject: {} trained on, {} for validation, {} held out".format(*counts)
    of_slices = (
        f" {sentence_case(judged_pictures(study))}. {UNKNOWN_TRAINING}"
        if study.given
        else ""
        if study.by_slice
        else f" {counted(slices, study.picture)} {'was' if slices == 1 else 'were'} held out."
    )
    return Answer(
        "How many people, split how?",
        f"{counted(len(study.group), 'person')}, {split}.",
        f"{', '.join(of_group)}. {how_split_was_chosen(study)}{of_slices}",
        "cohort",
    )


def _numbers(study: StudyContent) -> str:
    """Result with interval beside chance, other seeds, and the best baseline."""
    found, score = outcome(study), study.metrics["subjects"]["balanced_accuracy"]
    people = "person" if found.count == 1 else "people"
    whom = f"{people} by their held-out slices" if study.by_slice else f"held-out {people}"
    first = f"{study.title_of(study.main)}: " if len(study.models) > 1 else ""
    sentences = [
        (
            f"{first}{found.right} of {found.count} {whom} right; balanced accuracy {decimal(score['value'])} (95 % "
            f"interval {interval(score['interval'])}; chance {decimal(score['chance'])})."
        )
    ]
    values = [
        model.metrics["subjects"]["balanced_accuracy"]["value"]
        for model in study.models
        if model.network == study.main.network
    ]
    if len(values) > 1:
        mean, low, high = (decimal(value) for value in (sum(values) / len(values), min(values), max(values)))
        spread = f"{low} to {high}, mean {mean}" if low != high else f"all {mean}"
        sentences.append(f"Its {len(values)} seeds: {spread}.")
    if found.baselines:
        best = found.best
        difference = best["against_first"]["balanced_accuracy"]
        sentences.append(
            f"Best simple measure: {best['title']}, {estimate(best['balanced_accuracy'])}; difference "
            f"{estimate(difference)}."
        )
    return " ".join(sentences)


def warnings(study: StudyContent, unreadable: Sequence[str] = ()) -> list[str]:
    """What the reader must know before believing the page.

    Args:
        study: of the page.
        unreadable: why evidence is not shown.
    """
    found = [f"The split was by slice: {study.warning}."] if study.warning else []
    found.append("For research only, not for diagnosis.")
    if study.synthetic:
        found.append(
            "The scans are synthetic: they test that the method runs, and say nothing about a disease."
        )
    found.append(
        "A map shows what raised the score of a class. It does not show that the network is right, nor that the place "
        "matters in the disease."
    )
    found += [
        _whom_nobody_stands_for(study),
        what_confounds(study),
        whether_training_ended_early(study),
        _left_out(study),
        *unreadable,
    ]
    return [text for text in found if text]


def _whom_nobody_stands_for(study: StudyContent) -> str:
    """Groups of which nobody was held out; "" where there are none."""
    tested = study.metrics["subjects_per_class"]
    absent = [name for name in study.card.classes if not tested.get(name)]
    if not absent:
        return ""
    return f"Nobody of {listed(absent, last='or')} was held out: results say nothing of them."


def _left_out(study: StudyContent) -> str:
    return f"{counted(len(study.left_out), 'scan')} could not be used." if study.left_out else ""
