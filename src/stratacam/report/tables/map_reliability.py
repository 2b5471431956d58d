"""Table of how reliable the maps of several networks are, layer by layer."""

from stratacam.maps.fused import fused_title
from stratacam.maps.reliability import WANTED
from stratacam.report.content import StudyContent
from stratacam.report.content.files import Row
from stratacam.report.names import method_title
from stratacam.report.numbers import NOT_KNOWN, estimate_of
from stratacam.report.tables.table import Table, warned


def map_reliability_table(study: StudyContent) -> Table | None:
    """Every layer, with the number of networks needed; None where maps are of one network."""
    if not study.reliability:
        return None
    rows = [
        (
            fused_title(row["layer"]),
            method_title(row["method"]),
            row["networks"],
            estimate_of(*(_number(row, column) for column in ("reliability", "low", "high"))),
            row["subjects"],
            row[f"networks_for_{WANTED}"] or NOT_KNOWN,
        )
        for row in {(row["method"], row["layer"]): row for row in study.reliability}.values()
    ]
    return Table(
        warned("Reliability of the maps", study),
        ("layer", "method", "networks", "reliability", "subjects", f"networks for {WANTED}"),
        tuple(rows),
        note="Reliability: the rank correlation over the brain that the consensus of so many other networks, trained "
        "alike, would have with this one: of one half of the networks with the other, brought to all by the formula of "
        "Spearman and Brown; mean over subjects, in brackets its 95 % interval. Last column: the networks that a "
        f"consensus needs for a reliability of {WANTED}. A reliable map repeats; it need not be right.",
    )


def _number(row: Row, column: str) -> float | None:
    return float(row[column]) if row[column] else None
