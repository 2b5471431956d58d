"""The kind of measures that fill regions, and which of them a study takes."""

from stratacam.evidence.counterfactual.agreement import REGION_AGREEMENT, agreement_rows
from stratacam.evidence.counterfactual.hottest import hottest_rows
from stratacam.evidence.counterfactual.structures import LOGIT_CHANGE, structure_rows
from stratacam.evidence.measures import ExplainedScan, Kind, Need
from stratacam.evidence.values import Value

ROWS = {"structures": structure_rows, "hottest": hottest_rows, "parcels": agreement_rows}
"""By what is filled."""


def counterfactuals(explained: ExplainedScan) -> list[Value]:
    """Rows of everything that the settings fill."""
    return [row for kind in explained.settings.filled for row in ROWS[kind](explained)]


KIND = Kind(
    name="counterfactuals",
    question="what the network loses when a region is filled",
    needs=Need.NETWORK,
    measures=(LOGIT_CHANGE, REGION_AGREEMENT),
    of_scan=counterfactuals,
)
