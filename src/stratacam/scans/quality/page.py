"""The quality page of one prepared scan: one HTML file that holds everything it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from stratacam.errors import InputError
from stratacam.files import write_text
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.quality import pictures, wording
from stratacam.scans.quality.charts import Axis, histogram_line
from stratacam.scans.quality.measures import flags_of
from stratacam.scans.quality.planes import Planes
from stratacam.scans.quality.views import SequenceViews

CHART = (520.0, 190.0)  # width and height of a chart
INSIDE = (46.0, 508.0, 150.0, 12.0)  # left, right, bottom and top of its axes
GAPS_FROM = 6.0  # width of a bar: narrower ones stand without gaps
LEAST_TOP = 0.01  # share of the brain: the least top of a histogram


@dataclass(frozen=True)
class Frame:
    """What all pictures of one plane share."""

    name: str
    letters: tuple[str, str, str]
    height: float  # mm
    width: float
    mask: str  # SVG paths, in mm
    edges: tuple[str, str]
    left_out: list[tuple[float, float, float, float]]


@dataclass(frozen=True)
class Histograms:
    """Two charts: intensities as delivered and corrected, and normalised."""

    x: Axis
    y: Axis
    delivered: str | None  # SVG paths
    corrected: str
    unit: float
    zero: float
    x_normalised: Axis
    y_normalised: Axis
    normalised: str
    share_at_one: float
    white_matter: float | None  # where the white matter is meant to be


@dataclass(frozen=True)
class Areas:
    """The chart of the brain's area in every slice."""

    x: Axis
    y: Axis
    bars: list[tuple[float, float, float, float, bool]]  # x, y, width, height, kept
    plane: str


def write_page(
    prepared: PreparedScan, views: Sequence[SequenceViews], record: Mapping[str, Any], *, planes: Planes
) -> Path:
    """Write the quality page of a scan whose table of slices is on disk.

    Args:
        prepared: the scan; the page becomes its `quality_page`.
        views: of every sequence, the T1w among them.
        record: of the scan; what it lacks is shown as a dash.
        planes: which the views were cut along.

    Returns:
        The page: it needs no other file, and names no folder of this machine.

    Raises:
        InputError: the T1w or the table of slices is missing.
    """
    t1w = next((view for view in views if view.name == "T1w"), None)
    if t1w is None:
        raise InputError(
            f"{prepared.name}: the quality page lacks the views of the T1w; prepare the scan again"
        )
    fields = [picture for view in views if view.field is not None for picture in view.field]
    limit = pictures.field_limit(fields) if fields else 0.0
    html = (
        environment()
        .get_template("page.html.j2")
        .render(
            name=prepared.name,
            flags=flags_of(record),
            without_folders=wording.without_folders,
            facts=wording.facts(record),
            frames=_frames(planes, t1w),
            t1w=[pictures.grey(picture) for picture in t1w.after],
            sequences=[_sequence(view, record, limit) for view in views],
            scale=pictures.colour_stops(),
            limit=limit,
            areas=_areas(prepared),
            seconds=wording.seconds(record),
            notes=wording.notes(record),
            details=wording.details(record),
            chart=CHART,
            inside=INSIDE,
        )
    )
    write_text(prepared.quality_page, html)
    return prepared.quality_page


def environment() -> Environment:
    """The templates of the pages."""
    return Environment(
        loader=PackageLoader("stratacam.scans.quality", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _frames(planes: Planes, t1w: SequenceViews) -> list[Frame]:
    outlines = pictures.mask_outlines(planes)
    edges = pictures.tissue_edges(planes, t1w.after)
    return [
        Frame(plane.name, plane.letters, *planes.size(plane), outline, edge, planes.left_out(plane))
        for plane, outline, edge in zip(planes.planes, outlines, edges, strict=True)
    ]


def _sequence(view: SequenceViews, record: Mapping[str, Any], limit: float) -> dict[str, Any]:
    """What the template shows of a sequence."""
    return {
        "name": view.name,
        "before": None if view.before is None else [pictures.grey(picture) for picture in view.before],
        "after": [pictures.grey(picture) for picture in view.after] if view.before is not None else None,
        "facts": wording.registration_facts(record, view.name),
        "fell_back": wording.fell_back(record, view.name),
        "field": None
        if view.field is None
        else [pictures.coloured(picture, limit) for picture in view.field],
        "bias_range": wording.bias_range(record, view.name),
        "histograms": _histograms(view, record),
    }


def _histograms(view: SequenceViews, record: Mapping[str, Any]) -> Histograms:
    left, right, bottom, top = INSIDE
    x = Axis(view.low, view.high, left, right)
    x_normalised = Axis(0.0, 1.0, left, right)
    counts = [view.corrected] if view.delivered is None else [view.corrected, view.delivered]
    y, y_normalised = (
        Axis(
            0.0,
            1.08 * max(LEAST_TOP, *(float(one[1:-1].max() / max(1, one.sum())) for one in shown)),
            bottom,
            top,
            4,
        )
        for shown in (counts, [view.normalised])
    )
    return Histograms(
        x=x,
        y=y,
        delivered=None if view.delivered is None else histogram_line(view.delivered, x, y),
        corrected=histogram_line(view.corrected, x, y),
        unit=view.unit,
        zero=view.zero,
        x_normalised=x_normalised,
        y_normalised=y_normalised,
        normalised=histogram_line(view.normalised, x_normalised, y_normalised),
        share_at_one=view.share_at_one,
        white_matter=wording.white_matter(record, view.name),
    )


def _areas(prepared: PreparedScan) -> Areas:
    """The chart of the table of slices, which is the only truth about them."""
    table = prepared.read_slices()
    areas = table.areas_mm2 / 100
    count = len(areas)
    kept = np.isin(np.arange(count), table.kept).tolist()
    left, right, bottom, top = INSIDE
    x = Axis(-0.5, count - 0.5, left, right, 10, whole=True)
    y = Axis(0.0, max(1.0, 1.05 * float(areas.max(initial=0.0))), bottom, top, 4)
    wide = (right - left) / max(1, count)
    bars = [
        (
            x.place(i - 0.5),
            y.place(area),
            round((0.85 if wide > GAPS_FROM else 1.0) * wide, 2),
            round(bottom - y.place(area), 1),
            is_kept,
        )
        for i, (area, is_kept) in enumerate(zip(areas, kept, strict=True))
    ]
    return Areas(x, y, bars, table.plane)
