"""What the group, and the network's outputs within the groups, follow from: a table, and a sentence if flagged."""

import re
from collections.abc import Mapping
from typing import Any

from stratacam.report.content import StudyContent
from stratacam.report.numbers import NOT_KNOWN, decimal, interval, listed, small
from stratacam.report.tables.table import Table
from stratacam.scans.cohort.acquisition import SCANNER

NAMES = {SCANNER[key] for key in ("InstitutionName", "StationName", "DeviceSerialNumber")}
"""Variables whose values name a place or a machine."""

VALUE = re.compile(r"((?:^|; )[^:;]*: ).*?( \(\d+ of \d+\)(?=;|$))")
"""A group, the commonest value in it, and how many have that."""

FOLLOWS = {"group": "the group", "outputs": "the network's output within a group"}


def confounds_table(study: StudyContent) -> Table | None:
    """Every possible confound of the group and of the outputs; None where none was audited."""
    if not study.confounds:
        return None
    varied = [
        (part, row)
        for part in FOLLOWS
        for row in study.confounds[part]
        if row["reason"] != "the same for all"
    ]
    same = [row["name"] for row in study.confounds["group"] if row["reason"] == "the same for all"]
    held_out = study.confounds["outputs_subjects"]
    return Table(
        "Confounds: what should not matter",
        (
            "what",
            "follows from",
            "subjects",
            "by group (median, or commonest value)",
            "association",
            "p",
            "flagged from",
            "verdict",
        ),
        tuple((FOLLOWS[part], *_cells(row)) for part, row in varied),
        otherwise="Nothing differs between the subjects.",
        note="Whatever the group follows from, a network may learn in place of the disease. Association: 0 is none, "
        "1 complete (Cramér's V of words, correlation ratio of numbers, partial correlation within groups; "
        "surroundings: skull, scalp and air outside the brain, of which the group is predicted for subjects left "
        "out). In brackets: 95 % interval. p: of each half of the table together (family-wise), by permutation. "
        "Flagged from: the smallest association that would have been flagged; a smaller one cannot be ruled out. "
        "Names of hospitals, stations and serial numbers are not shown."
        + (f" The same for all: {listed(same)}." if same else "")
        + (f" Outputs: logits of {held_out} held-out subjects." if held_out else " No subject was held out."),
    )


def what_confounds(study: StudyContent) -> str:
    """What is flagged; nothing where nothing is."""
    flagged = {
        part: [row for row in study.confounds.get(part, ()) if row["verdict"] == "flagged"]
        for part in FOLLOWS
    }
    sentences = []
    if flagged["group"]:
        sentences.append(
            f"The groups differ in {_named(flagged['group'])}: the network may have learnt that, not the disease."
        )
    if flagged["outputs"]:
        sentences.append(f"Within a group, what the network says follows from {_named(flagged['outputs'])}.")
    return " ".join(sentences)


def _without_headers(row: Mapping[str, Any]) -> str:
    """What there is of a variable by group; of names in headers, such as a hospital, only how many share one.

    Example:
        >>> _without_headers({"name": "institution", "by_group": "MS: St. Elsewhere (4 of 9)"})
        'MS: one value (4 of 9)'
    """
    if row["name"] not in NAMES:
        return str(row["by_group"])
    return VALUE.sub(r"\1one value\2", row["by_group"])


def _named(rows: list[Mapping[str, Any]]) -> str:
    return listed([f"{row['name']} (association {decimal(row['value'])}, p {_p(row)})" for row in rows])


def _p(row: Mapping[str, Any]) -> str:
    return small(row["p_value"]) if row["p_value"] < 0.001 else f"= {small(row['p_value'])}"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    missing = f" ({row['missing']} missing)" if row["missing"] else ""
    spread = f" ({interval(row['interval'])})" if row["interval"] else ""
    return (
        row["name"],
        f"{row['subjects']}{missing}",
        _without_headers(row) or NOT_KNOWN,
        NOT_KNOWN if row["value"] is None else decimal(row["value"]) + spread,
        small(row["p_value"]),
        NOT_KNOWN if row["smallest"] is None else decimal(row["smallest"]),
        row["verdict"] + (f" ({row['reason']})" if row["reason"] else ""),
    )
