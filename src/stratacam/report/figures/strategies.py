"""The typical map of every strategy over the MNI152 template, with its members."""

from stratacam.evidence.strategies.tables import strategy_map_file
from stratacam.maps.fused import fused_title
from stratacam.maps.heat import HEAT_SCALE
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.evidence.strategies import counts, shown_analysis
from stratacam.report.figure import ReportFigure
from stratacam.report.figures.on_template import TemplateRow, draw_on_template


def strategies(evidence: EvidenceContent) -> ReportFigure | None:
    """Mean heat of the members of every strategy; None where several strategies were not shown."""
    shown = shown_analysis(evidence)
    if shown is None:
        return None
    key = shown["explained"], shown["method"], shown["layer"]
    layer = fused_title(shown["layer"])
    rows = []
    for one in shown["strategies"]:
        right = one["right"].get("yes", 0)
        words = [
            f"strategy {one['number']}",
            f"{len(one['subjects'])} subjects",
            *counts(one["groups"]).split(", "),
            f"{right} of {right + one['right'].get('no', 0)} right",
        ]
        rows.append(TemplateRow(evidence.folder / strategy_map_file(*key, one["number"]), "\n".join(words)))
    return ReportFigure(
        f"Strategies, {evidence.title}, {layer}",
        f"Mean map of the members of each strategy, maps of {shown['explained']} by {shown['method']} at "
        f"{layer}, each in units of its own {HEAT_SCALE:.0%} quantile in the brain. Beside it the members by "
        "group, how many the network gives their class, and the highest value, up to which heat is coloured. A "
        "strategy is a kind of map: groups whose maps differ are strategies too. One that cuts across groups, lies "
        "where no disease is, or follows a scanner may be a shortcut. Left of the picture is the patient's right.",
        draw_on_template(rows),
    )
