"""The index of a cohort: every prepared scan in a table that sorts, and every measure in a plot of outliers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from stratacam.files import write_text
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.scans.quality import charts
from stratacam.scans.quality.measures import Measure, as_text, flags_of, outliers, read_measures
from stratacam.scans.quality.page import environment
from stratacam.scans.quality.wording import without_folders

INDEX = "index.html"
MAXIMUM_NAMED = 12  # outliers of one plot whose names are written below it
NO_GROUP = "no group"


@dataclass(frozen=True)
class Row:
    """One scan of the index."""

    name: str
    group: str | None
    page: str | None  # relative to the index
    flags: list[str] | None
    values: dict[Measure, float | None]

    @property
    def link(self) -> str:
        """To the page of the scan, or to its row in the table."""
        return self.page or f"#{self.name}"

    def text(self, measure: Measure, *, unit: bool = False) -> str:
        """The value of a measure."""
        return as_text(self.values.get(measure), measure.digits, measure.unit if unit else "")


@dataclass(frozen=True)
class Plot:
    """The plot of one measure, and the outliers that are named below it."""

    measure: Measure
    chart: str  # SVG
    strange: list[Row]


def write_index(folder: Path, groups: Mapping[str, str] | None = None) -> Path:
    """Write `index.html` of a folder of prepared scans, from their records alone.

    Args:
        folder: the derivatives; every scan in it that has a record is shown.
        groups: by scan, such as "sub-01_ses-2", or by subject, such as "sub-01"; None if they are not known.

    Returns:
        The page. Scans far from the cohort's median are named (see `stratacam.scans.quality.outliers`).

    Raises:
        InputError: there is no such folder, it holds no prepared scan, or a record is damaged.
    """
    rows = [_row(scan, groups or {}) for scan in find_prepared(folder)]
    measures = _ordered({measure for row in rows for measure in row.values}, rows)
    columns = {measure: _column(rows, measure) for measure in measures}
    strange = {measure: outliers(column) for measure, column in columns.items()}
    html = (
        environment()
        .get_template("index.html.j2")
        .render(
            rows=[
                (row, [(one, strange[one][number]) for one in measures]) for number, row in enumerate(rows)
            ],
            spans=[
                (sequence, len(list(those)))
                for sequence, those in groupby(measures, lambda measure: measure.sequence)
            ],
            measures=measures,
            flagged=sum(bool(row.flags) for row in rows),
            unknown=sum(row.flags is None for row in rows),
            with_groups=bool(groups),
            plots=[
                _plot(rows, measure, columns[measure], strange[measure], with_groups=bool(groups))
                for measure in measures
                if np.isfinite(columns[measure]).any()
            ],
            without_folders=without_folders,
            maximum_named=MAXIMUM_NAMED,
        )
    )
    path = folder / INDEX
    if not path.is_file() or path.read_text(encoding="utf-8") != html:
        write_text(path, html)
    return path


def _row(scan: PreparedScan, groups: Mapping[str, str]) -> Row:
    record = scan.read_record()
    page = (
        quote(scan.quality_page.relative_to(scan.folder).as_posix()) if scan.quality_page.is_file() else None
    )
    group = groups.get(scan.name, groups.get(f"sub-{scan.subject}"))
    return Row(scan.name, group, page, flags_of(record), read_measures(record))


def _ordered(measures: set[Measure], rows: Sequence[Row]) -> list[Measure]:
    """In the order of the records; those of the whole scan first, those of one sequence side by side."""
    met = list(dict.fromkeys(measure for row in rows for measure in row.values))
    sequences = list(dict.fromkeys(["", *(measure.sequence for measure in met)]))
    return sorted(measures, key=lambda one: (sequences.index(one.sequence), met.index(one)))


def _column(rows: Sequence[Row], measure: Measure) -> NDArray[np.float64]:
    """The measure of every scan, NaN where there is none."""
    found = (row.values.get(measure) for row in rows)
    return np.array([np.nan if value is None else value for value in found])


def _plot(
    rows: Sequence[Row],
    measure: Measure,
    values: NDArray[np.float64],
    strange: NDArray[np.bool_],
    *,
    with_groups: bool,
) -> Plot:
    named = [row.group or NO_GROUP if with_groups else "" for row in rows]
    groups = sorted(set(named), key=lambda group: (group == NO_GROUP, group))
    links = [(row.link, f"{row.name}: {row.text(measure, unit=True)}") for row in rows]
    dots = charts.Dots(values, strange, np.array([groups.index(group) for group in named]), groups, links)
    chart = charts.strips(measure.label, dots, whole=measure.digits == 0)
    return Plot(measure, chart, [rows[number] for number in np.flatnonzero(strange).tolist()])
