"""A model card (Mitchell et al. 2019): what the model is for, whom it saw, how well it does, and where it ends."""

from dataclasses import dataclass

from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.content.subgroups import subgroups
from stratacam.report.numbers import counted, decimal, interval, listed, sentence_case
from stratacam.report.tables.table import Table, warned
from stratacam.report.words.done import (
    late_fusion_in_words,
    pictures_in_words,
    what_was_left_out,
    who_is_judged,
)
from stratacam.report.words.found import does_it_work, what_baselines_do, what_was_found
from stratacam.report.words.recommended import how_far, which_map, who_was_judged
from stratacam.report.words.summary import warnings
from stratacam.report.words.taken import how_it_is_taken, sequences_taken, taken


@dataclass(frozen=True)
class CardSection:
    """A section of the card: sentences, then a table where there is one."""

    heading: str
    sentences: tuple[str, ...]
    table: Table | None = None


def model_card(study: StudyContent) -> list[CardSection]:
    """The sections, in the order of the paper."""
    network, classes = network_title(study.main.network), listed(study.card.classes)
    sequences = listed(sequences_taken(study))
    confounded = [row["name"] for row in study.confounds.get("group", ()) if row["verdict"] == "flagged"]
    trust = f"{which_map(study.recommended)} {how_far(study.recommended)} {who_was_judged(study)}"
    return [
        CardSection(
            "Model",
            (
                _files(study),
                (
                    f"Input: {pictures_in_words(study)} of {sequences} as stratacam prepares them. Output: a "
                    f"logit for each of {classes}."
                ),
                *filter(None, [how_it_is_taken(study), late_fusion_in_words(study)]),
            ),
        ),
        CardSection(
            "Intended use",
            (
                (
                    f"Research on how {network} tells {classes} apart, and on what its maps show. Users: researchers "
                    "who know the limits below."
                ),
                (
                    "Not for diagnosis, prognosis or treatment, nor for scans of other sequences, planes, diseases or "
                    "ages than those of the study."
                ),
            ),
        ),
        CardSection("People", (_people(study), what_was_left_out(study)), _by_group(study)),
        CardSection(
            "Performance",
            tuple(filter(None, (does_it_work(study), what_was_found(study), what_baselines_do(study)))),
            subgroup_table(study),
        ),
        CardSection("Maps", (" ".join(trust.split()),)),
        CardSection(
            "Limits",
            (
                *warnings(study),
                "People of one study: nothing is known of other hospitals, scanners or groups."
                + (f" Groups differ in {listed(confounded)}." if confounded else ""),
                "Where the interval of a subgroup is wide, nothing can be said of fairness.",
            ),
        ),
    ]


def _files(study: StudyContent) -> str:
    """Which model it is, and where its weights are."""
    models, files = len(study.models), len(study.main.runs)
    which = f", one of {models} models of the study" if models > 1 else ", the only model of the study"
    if found := taken(study):
        name = sentence_case(study.title_of(study.main))
        return f"{name}, {found['file']}, as it was given; what was done with it is in the card in `models/`."
    weights = (
        f"{files} files of weights (safetensors), one of each fold, each with a card"
        if files > 1
        else "weights (safetensors) and card"
    )
    return sentence_case(f"{study.title_of(study.main)}{which}; {weights} in `models/`.")


def subgroup_table(study: StudyContent) -> Table:
    """Share of people classified right, by group, sex, age and site."""
    rows = tuple(
        (
            one.by,
            one.name,
            f"{one.right} of {one.subjects}",
            decimal(one.right / one.subjects),
            interval(one.interval),
        )
        for one in subgroups(study)
    )
    held_out = "people by their held-out slices" if study.by_slice else "held-out people"
    return Table(
        warned("Performance by subgroup", study),
        ("by", "subgroup", "right", "share right", "95 % interval"),
        rows,
        note=f"{sentence_case(study.title_of(study.main))} on {held_out}. Ages are cut at their median. Columns "
        "that somebody lacks, or in which all are alike, are left out. By group, the share right is the sensitivity.",
    )


def as_markdown(title: str, sections: list[CardSection]) -> str:
    """The card as a Markdown file."""
    lines = [f"# Model card: {title}", ""]
    for section in sections:
        lines += [f"## {section.heading}", ""]
        for sentence in section.sentences:
            lines += [sentence, ""]
        if section.table and section.table.rows:
            lines += [_row(section.table.columns), _row(["---"] * len(section.table.columns))]
            lines += [_row(row) for row in section.table.rows]
            lines += ["", section.table.note, ""] if section.table.note else [""]
    return "\n".join(lines)


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in cells)} |"


def _people(study: StudyContent) -> str:
    people = counted(len(study.group), "person")
    who = f"Synthetic scans of {people} who do not exist" if study.synthetic else people
    who += f", {who_is_judged(study)}" if study.given else ""
    return f"{who}; the groups are those of the cohort's tables."


def _by_group(study: StudyContent) -> Table:
    """How many are in each part, and what is known of them by group."""
    known = [row for row in study.confounds.get("group", ()) if row["kind"] == "person" and row["by_group"]]
    counts = (
        "number",
        "; ".join(
            f"{name}: {sum(group == name for group in study.group.values())}" for name in study.card.classes
        ),
    )
    return Table(
        "People of the study",
        ("what", "by group"),
        (counts, *((row["name"], row["by_group"]) for row in known)),
    )
