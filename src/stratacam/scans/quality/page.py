"""The quality page of one prepared scan: one HTML file that holds everything it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from stratacam.errors import InputError
from stratacam.files import write_text
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.quality import charts, pictures, wording
from stratacam.scans.quality.measures import flags_of
from stratacam.scans.quality.planes import Planes
from stratacam.scans.quality.views import SequenceViews


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
            f"{prepared.name}: the quality page lacks the views of the T1w; expected them: prepare the scan again."
        )
    slices = prepared.read_slices()
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
            plane=slices.plane,
            areas=charts.slice_areas(slices),
            notes=wording.notes(record),
            details=wording.details(record),
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
        "contrast": wording.tissue_contrast(record, view.name),
        "view": view,
        "intensities": charts.intensities(view),
        "normalised": charts.normalised(view, wording.white_matter(record, view.name)),
    }
