"""The index of a cohort: every prepared scan in a table that sorts, and every measure in a plot of outliers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from stratacam.files import write_text
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.scans.quality.charts import Axis, axis_over
from stratacam.scans.quality.measures import Measure, flags_of, outliers, read_measures, shown
from stratacam.scans.quality.page import environment
from stratacam.scans.quality.wording import without_folders

INDEX = "index.html"
WIDTH = 420.0
LANE = 46.0  # height of the strip of one group
BELOW = 22.0  # height of the axis
LEFT, RIGHT = 12.0, 408.0
MOST_LINKED = 1500  # scans: in larger cohorts only the outliers of a plot are links
MOST_NAMED = 12  # outliers of one plot whose names are written below it
GOLDEN = 0.6180339887  # its multiples, modulo 1, spread points evenly over the width of a strip
NO_GROUP = "no group"


@dataclass(frozen=True)
class Row:
    """One scan of the index."""

    name: str
    group: str | None
    link: str | None  # to its page, relative to the index; None if there is no page
    flags: list[str] | None
    values: dict[Measure, float | None]


@dataclass(frozen=True)
class Point:
    """One scan in a plot."""

    row: Row
    x: float
    y: float
    value: str


@dataclass(frozen=True)
class Strip:
    """The plot of one measure: a lane per group, a dot per scan."""

    measure: Measure
    axis: Axis
    height: float
    lanes: list[tuple[str, float, float | None]]  # group, top of the lane, place of its median
    dots: str  # SVG path of the scans that are no links
    points: list[Point]
    strange: list[Point]


def write_index(folder: Path, groups: Mapping[str, str] | None = None) -> Path:
    """Write `index.html` of a folder of prepared scans, from their records alone.

    Args:
        folder: the derivatives; every scan in it that has a record is shown.
        groups: by scan, such as "sub-01_ses-2", or by subject, such as "sub-01"; None if they are not known.

    Returns:
        The page. Scans far from the cohort's median are named (see `stratacam.scans.quality.outliers`).

    Raises:
        InputError: there is no such folder, or a record is damaged.
    """
    rows = [_row(scan, groups or {}) for scan in find_prepared(folder)]
    measures = list(dict.fromkeys(measure for row in rows for measure in row.values))
    measures.sort(key=lambda measure: measure.title == "time")  # last, whatever sequences come late
    values = {measure: _column(rows, measure) for measure in measures}
    strange = {measure: outliers(column) for measure, column in values.items()}
    lanes = sorted({row.group for row in rows if row.group is not None}) if groups else []
    html = (
        environment()
        .get_template("index.html.j2")
        .render(
            rows=[
                (row, [(measure, row.values.get(measure), strange[measure][i]) for measure in measures])
                for i, row in enumerate(rows)
            ],
            columns=_spans(measures),
            measures=measures,
            flagged=sum(bool(row.flags) for row in rows),
            unknown=sum(row.flags is None for row in rows),
            with_groups=bool(groups),
            strips=[
                _strip(rows, measure, values[measure], strange[measure], lanes)
                for measure in measures
                if np.isfinite(values[measure]).any()
            ],
            shown=shown,
            without_folders=without_folders,
            most_named=MOST_NAMED,
            width=WIDTH,
            lane=LANE,
            inside=(LEFT, RIGHT),
        )
    )
    path = folder / INDEX
    if not path.is_file() or path.read_text(encoding="utf-8") != html:
        write_text(path, html)
    return path


def _row(scan: PreparedScan, groups: Mapping[str, str]) -> Row:
    record = scan.read_record()
    link = (
        quote(scan.quality_page.relative_to(scan.folder).as_posix()) if scan.quality_page.is_file() else None
    )
    group = groups.get(scan.name, groups.get(f"sub-{scan.subject}"))
    return Row(scan.name, group, link, flags_of(record), read_measures(record))


def _column(rows: Sequence[Row], measure: Measure) -> NDArray[np.float64]:
    """The measure of every scan, NaN where there is none."""
    found = (row.values.get(measure) for row in rows)
    return np.array([np.nan if value is None else value for value in found])


def _spans(measures: Sequence[Measure]) -> list[tuple[str, int]]:
    """Headings over neighbouring columns of one sequence: the sequence, and over how many columns."""
    spans: list[tuple[str, int]] = []
    for measure in measures:
        if spans and spans[-1][0] == measure.sequence:
            spans[-1] = (measure.sequence, spans[-1][1] + 1)
        else:
            spans.append((measure.sequence, 1))
    return spans


def _strip(
    rows: Sequence[Row],
    measure: Measure,
    values: NDArray[np.float64],
    strange: NDArray[np.bool_],
    groups: Sequence[str],
) -> Strip:
    """The plot of one measure."""
    axis = axis_over(values, LEFT, RIGHT, whole=measure.digits == 0)
    lane_of = {group: i for i, group in enumerate(groups)}
    nameless = bool(groups) and any(row.group is None for row in rows)
    count = max(1, len(groups) + nameless)
    lanes = []
    for i in range(count):
        own = np.array([lane_of.get(row.group or "", len(groups)) == i for row in rows]) & np.isfinite(values)
        median = axis.place(float(np.median(values[own]))) if own.any() else None
        lanes.append(((*groups, NO_GROUP)[i] if groups else "", i * LANE, median))
    dots, points, named = [], [], []
    for i in np.flatnonzero(np.isfinite(values)).tolist():
        row = rows[i]
        top = lane_of.get(row.group or "", len(groups)) * LANE
        across = LANE * (0.38 + 0.5 * ((i * GOLDEN) % 1))
        point = Point(
            row,
            axis.place(float(values[i])),
            round(top + float(across), 1),
            shown(float(values[i]), measure.digits, measure.unit),
        )
        if strange[i]:
            named.append(point)
        elif len(rows) <= MOST_LINKED:
            points.append(point)
        else:
            dots.append(f"M{point.x} {point.y}h0")
    return Strip(measure, axis, count * LANE + BELOW, lanes, "".join(dots), points, named)
