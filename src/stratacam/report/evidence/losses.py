"""Table of what the network loses when a structure is filled."""

from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.numbers import estimate_of
from stratacam.report.tables.table import Table


def losses_table(evidence: EvidenceContent) -> Table | None:
    """Every structure, class by class; None where no structure was filled."""
    if not evidence.losses:
        return None
    rows = [
        (
            one.explained,
            one.structure,
            estimate_of(one.change, one.low, one.high),
            estimate_of(one.sham, one.sham_low, one.sham_high),
            f"{one.first} of {one.subjects}",
            one.verdict,
        )
        for one in evidence.losses
    ]
    return Table(
        "What the network loses when a structure is filled",
        ("class explained", "structure", "fall, logits", "of shams, logits", "first in", "verdict"),
        tuple(rows),
        note="Every structure is filled with plain tissue of the same slice, and so are shams: plain tissue of the "
        "same area and depth. The fall is that of the logit of the class less the mean of the others. In brackets 95 % "
        "intervals over subjects, for each row by itself. “First in”: subjects in whom nothing else that was filled "
        "changes the logit more, up or down. A verdict holds for all rows together (family-wise error of 5 %): the "
        "structure's fall differs from that of its shams.",
    )
