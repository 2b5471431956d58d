"""Every measure: tables, figures, the rule, the report and the documentation are made from this list.

To add a measure, write its module with a `Kind` and name that here.
"""

from stratacam.evidence import focus, group_likeness, localised_scan, redundancy, repeatability, sanity
from stratacam.evidence.counterfactual import kind as counterfactuals
from stratacam.evidence.faithfulness import curves
from stratacam.evidence.measures import Kind, Measure, Need
from stratacam.evidence.sequences import values as sequences

KINDS: tuple[Kind, ...] = (
    focus.KIND,
    localised_scan.KIND,
    curves.KIND,
    counterfactuals.KIND,
    sequences.KIND,
    sanity.KIND,
    repeatability.KIND,
    redundancy.KIND,
    group_likeness.KIND,
)


def measures() -> tuple[Measure, ...]:
    """Every measure, in the order of the tables."""
    return tuple(measure for kind in KINDS for measure in kind.measures)


def measures_of_truth() -> tuple[Measure, ...]:
    """Those that need masks of the truth."""
    return tuple(measure for kind in KINDS if kind.needs is Need.TRUTH for measure in kind.measures)


def limits() -> dict[str, tuple[float, float]]:
    """By measure, the lowest and highest value that it can have, where there are such."""
    return {measure.name: measure.limits for measure in measures() if measure.limits}


def documentation_table() -> str:
    """The measures as a Markdown table."""
    rows = ["| measure | what it is | better | needs | held against |", "|---|---|---|---|---|"]
    rows += [
        f"| `{measure.name}` | {measure.definition}{f', in {measure.unit}' if measure.unit else ''} | "
        f"{measure.better} | {kind.needs} | {measure.held_against} |"
        for kind in KINDS
        for measure in kind.measures
    ]
    return "\n".join(rows) + "\n"
