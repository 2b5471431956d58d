"""Mean heat of every group over the MNI152 template."""

from stratacam.evidence.groups import group_map_file
from stratacam.evidence.regions.group_maps import MEAN, SHARE
from stratacam.maps.heat import HEAT_SCALE
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import ReportFigure
from stratacam.report.figures.on_template import TemplateRow, draw_on_template

KINDS = {MEAN: "mean heat", SHARE: "share of subjects with high heat"}


def group_heat(evidence: EvidenceContent) -> ReportFigure | None:
    """Mean heat, and the share of subjects with high heat, of every group; None where there are no such maps."""
    explained, method, layer = evidence.group_class, evidence.methods[0], evidence.last_convolution
    rows = [
        TemplateRow(file, f"{group}\n{words}", "up to" if kind == MEAN else "highest", kind == MEAN)
        for group in evidence.classes
        for kind, words in KINDS.items()
        if (file := evidence.folder / group_map_file(explained, method, layer, group, kind)).is_file()
    ]
    if not rows:
        return None
    return ReportFigure(
        f"Heat of every group in MNI152 space, {evidence.title}, {layer}",
        f"Maps of {explained} in everybody by {method} at {layer}, each in units of its own {HEAT_SCALE:.0%} quantile "
        "in the brain, carried to the template by the affine of the preparation. Mean: coloured up to the highest of "
        "the group, which is written beside it. Share: of the group's subjects whose heat is at least half of that "
        "quantile. Each voxel is of the subjects whose slices reach it. Left of the picture is the patient's right.",
        draw_on_template(rows),
    )
