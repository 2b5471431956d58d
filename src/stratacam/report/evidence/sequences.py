"""Table of what each sequence contributes to the network's answer."""

from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.numbers import estimate_of
from stratacam.report.tables.table import Table


def sequences_table(evidence: EvidenceContent) -> Table | None:
    """Every sequence, class by class; None where they were not measured."""
    if not evidence.sequences:
        return None
    rows = [
        (
            one.explained,
            one.sequence,
            estimate_of(one.value, one.low, one.high),
            estimate_of(one.share, one.share_low, one.share_high),
            f"{one.subjects}; {one.donors}",
        )
        for one in evidence.sequences
    ]
    return Table(
        "What each sequence contributes",
        (
            "class explained",
            "sequence",
            "Shapley value, logits",
            "share (0 to 1)",
            "subjects; people who stood in",
        ),
        tuple(rows),
        note="A sequence is left out by putting that of a person of another class in its place, at the same level of "
        "the brain. The Shapley value is the mean of what the sequence then adds to the logit of the class, less the "
        "mean of the others, over all orders in which sequences may be added. The values add up to “all”: how far the "
        "logit is above that of these people. The share is that of the sizes of all values, mean over subjects. In "
        "brackets 95 % intervals over subjects and the people who stood in, for each row by itself.",
    )
