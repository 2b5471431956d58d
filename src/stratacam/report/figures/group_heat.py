"""Mean heat of every group over the MNI152 template."""

from stratacam.evidence.groups import group_map_file
from stratacam.evidence.regions.group_maps import HIGH, MEAN, SHARE
from stratacam.maps.fused import fused_title
from stratacam.maps.heat import HEAT_SCALE
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.on_template import Part, TemplateRow, draw_on_template
from stratacam.report.names import method_title

SCALE = f"{HEAT_SCALE:.0%} quantile of heat in the brain"

KINDS = {
    MEAN: ("mean heat", f"mean heat, in units of each scan's {SCALE}", None),
    SHARE: ("share of subjects", f"share of subjects whose heat is at least {HIGH:g} of that quantile", 1.0),
}
"""Words beside a map, its unit, and where its colours end."""


def group_heat(evidence: EvidenceContent, request: Request) -> ReportFigure | None:
    """Mean heat, and the share of subjects with high heat, of every group; None where there are no such maps."""
    explained, method, layer = evidence.group_class, evidence.methods[0], evidence.last_convolution
    subjects = evidence.groups.get("subjects", {})
    parts = []
    for kind, (words, unit, maximum) in KINDS.items():
        rows = [
            TemplateRow(
                file,
                f"{group}{f', n = {subjects[group]}' if group in subjects else ''}\n{words}",
                {"map": words, "group": group, "subjects": subjects.get(group, "n/a")},
            )
            for group in evidence.classes
            if (file := evidence.folder / group_map_file(explained, method, layer, group, kind)).is_file()
        ]
        parts += [Part(unit, rows, maximum)] if rows else []
    if not parts:
        return None
    drawing, numbers = draw_on_template(parts, request)
    return ReportFigure(
        f"Heat of every group in MNI152 space, {evidence.title}, {fused_title(layer)}",
        f"Maps of {explained} in everybody. Above: mean heat, on one scale for all groups. Below: the share of the "
        "group's subjects (n) with high heat. Left of the picture is the patient's right.",
        drawing,
        numbers,
        f"{method_title(method)} at {fused_title(layer)}, each map in units of its own {HEAT_SCALE:.0%} quantile in "
        "the brain, carried to the template by the affine of the preparation. High heat: at least half of that "
        "quantile. Each voxel is of the subjects whose slices reach it.",
    )
