"""The typical map of every strategy over the MNI152 template, with its members."""

from stratacam.evidence.strategies.tables import strategy_map_file
from stratacam.maps.fused import fused_title
from stratacam.maps.heat import HEAT_SCALE
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.evidence.strategies import counts, explained_words, shown_analysis
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.group_heat import SCALE
from stratacam.report.figures.on_template import Part, TemplateRow, draw_on_template
from stratacam.report.names import method_title


def strategies(evidence: EvidenceContent, request: Request) -> ReportFigure | None:
    """Mean heat of the members of every strategy; None where several strategies were not shown."""
    shown = shown_analysis(evidence)
    if shown is None:
        return None
    key = shown["explained"], shown["method"], shown["layer"]
    layer = fused_title(shown["layer"])
    rows = []
    for one in shown["strategies"]:
        right = one["right"].get("yes", 0)
        known = right + one["right"].get("no", 0)
        words = (
            f"strategy {one['number']}, n = {len(one['subjects'])}",
            *counts(one["groups"]).split(", "),
            f"{right} of {known} right",
        )
        about = {
            "strategy": one["number"],
            "subjects": len(one["subjects"]),
            "groups": counts(one["groups"]),
            "right": right,
            "of": known,
        }
        file = evidence.folder / strategy_map_file(*key, one["number"])
        rows.append(TemplateRow(file, "\n".join(words), about))
    drawing, numbers = draw_on_template([Part(f"mean heat, in units of each scan's {SCALE}", rows)], request)
    return ReportFigure(
        f"Strategies, {evidence.title}, {layer}",
        "Mean map of the members of each kind of maps, with their groups and how many the network gives their class. "
        "One that cuts across groups, or lies where no disease is, may be a shortcut.",
        drawing,
        numbers,
        f"Maps of {explained_words(shown)} by {method_title(shown['method'])} at {layer}, each in units of its own "
        f"{HEAT_SCALE:.0%} quantile in the brain; one scale for all. A strategy is a kind of map: groups whose maps "
        "differ are strategies too, and one may follow a scanner. Left of the picture is the patient's right.",
    )
