"""A figure of panels that show anatomy at one scale, in rows and columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from stratacam.report.lettering import MM_PER_INCH, NORMAL, SMALL, Lines, break_lines, wrapped
from stratacam.report.shown import Box

WIDEST = 42
"""Millimetres of a panel that has room: anatomy at about a quarter of its size."""

LABEL = 0.2
"""Share of the width that labels of rows may take."""

TALLEST = 230
"""Millimetres of a figure that fits on a page with its caption."""

NARROWEST = 20
"""Millimetres down to which panels are made smaller to fit on a page."""

BAR_MM = 2
"""Thickness of a colour bar."""

ROUNDS = 12
"""Of laying out, each of which places text and then panels; four mostly do."""

CLOSE = 0.01
"""Inches."""


@dataclass
class Sheet:
    """A figure and the grid of its panels, all of which show as many millimetres; see `new_sheet`.

    matplotlib's constrained layout places everything. `fit` then gives the figure the height at which panels fill their
    cells, and breaks the lines of titles where panels end.
    """

    figure: Figure
    grid: GridSpec
    ratio: float
    heading: str
    panels: list[Axes] = field(default_factory=list)
    texts: list[Lines] = field(default_factory=list)
    labels: list[Text] = field(default_factory=list)

    def panel(self, row: int, column: int) -> Axes:
        """Add the panel of a row and column, counted from the top left."""
        panel = self.figure.add_subplot(self.grid[row, column])
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_visible(False)
        self.panels.append(panel)
        return panel

    def title(self, panel: Axes, text: str, *, colour: str = "black") -> None:
        """Write above a panel."""
        self.texts.append(Lines(panel.set_title(text, fontsize=SMALL, color=colour), text, panel))

    def label_row(self, panel: Axes, text: str, *, colour: str = "black") -> None:
        """Write left of the first panel of a row."""
        width = LABEL * self.figure.get_figwidth() * MM_PER_INCH
        panel.yaxis.set_visible(True)
        panel.set_ylabel(
            wrapped(text, width, SMALL),
            rotation=0,
            ha="right",
            va="center",
            fontsize=SMALL,
            labelpad=3,
            color=colour,
        )
        self.labels.append(panel.yaxis.label)

    def name_row(self, panel: Axes, text: str) -> None:
        """Write a short name along the side of a row."""
        panel.yaxis.set_visible(True)
        panel.set_ylabel(text, fontweight="bold", labelpad=2)

    def colour_bar(self, panels: Sequence[Axes], colours: ScalarMappable, label: str) -> None:
        """Draw a colour bar with its unit below some columns, of which these are panels."""
        places = {panel: panel.get_subplotspec() for panel in panels}
        columns = len({place.colspan.start for place in places.values()})  # type: ignore[union-attr]
        ends = {  # those that say how far it reaches; each takes part in the layout anew
            choose(places, key=lambda panel: getattr(places[panel], span).start)
            for choose, span in ((min, "colspan"), (max, "colspan"), (max, "rowspan"))
        }
        width = self.figure.get_figwidth() * MM_PER_INCH / (self.grid.ncols + 1) * columns
        bar = self.figure.colorbar(
            colours, ax=sorted(ends, key=panels.index), location="bottom", fraction=0.15,
            shrink=0.9 if columns > 1 else 0.8, pad=0.01,
            aspect=min(width, WIDEST * columns) / BAR_MM, panchor=False, ticks=MaxNLocator(2 if columns == 1 else 5),
        )  # fmt: skip
        bar.ax.tick_params(labelsize=SMALL)
        bar.outline.set_visible(False)
        bar.set_label(label, fontsize=SMALL)
        self.texts.append(Lines(bar.ax.xaxis.label, label, bar.ax))

    def fit(self) -> Figure:
        """Lay the figure out; call this when all is drawn, in the style in which it is saved."""
        drawn = [artist for panel in self.panels for artist in (*panel.images, *panel.collections)]
        for artist in drawn:  # they have no part in the layout, and take most of the time
            artist.set_visible(False)
        for _ in range(ROUNDS):
            self._lay_out()
            if not self._fit_once():
                break
        self._make_room()
        for artist in drawn:
            artist.set_visible(True)
        return self.figure

    def _lay_out(self) -> None:
        """Place everything, without drawing it."""
        self.figure.get_layout_engine().execute(self.figure)  # type: ignore[union-attr]

    def _fit_once(self) -> bool:
        """Fit lines to panels, and the figure to panels as high as they are wide allows; whether anything changed."""
        width, height = self.figure.get_size_inches()
        cells = [panel.get_position(original=True) for panel in self.panels]
        across, down = (min(getattr(cell, side) for cell in cells) for side in ("width", "height"))
        across, down = across * width, down * height
        rows, columns = self.grid.get_geometry()
        others = height - rows * down
        on_page = max((TALLEST / MM_PER_INCH - others) / rows / self.ratio, NARROWEST / MM_PER_INCH)
        wanted = min(across, WIDEST / MM_PER_INCH, on_page)
        new = width - columns * (across - wanted), others + rows * wanted * self.ratio
        if self.heading:
            self.figure.suptitle(wrapped(self.heading, 0.98 * width * MM_PER_INCH, NORMAL))
        changed = break_lines(self.texts, width)
        if not changed and max(abs(new[0] - width), abs(new[1] - height)) < CLOSE:
            return False
        self.figure.set_size_inches(*new)
        return True

    def _make_room(self) -> None:
        """Add height where labels of rows are higher than their rows, and would lie over one another or be cut off."""
        for _ in range(ROUNDS):
            self._lay_out()
            box = self.figure.get_tightbbox()
            height = float(self.figure.get_figheight())
            lacking = max(-box.y0, 0) + max(box.y1 - height, 0) + self.grid.nrows * self._overlap()
            if lacking < CLOSE:
                break
            self.figure.set_figheight(height + lacking + CLOSE)

    def _overlap(self) -> float:
        """Inches by which labels of neighbouring rows lie over one another at most."""
        boxes = sorted((one.get_window_extent() for one in self.labels), key=lambda box: -float(box.y1))
        dots = max((float(below.y1 - above.y0) for above, below in pairwise(boxes)), default=0.0)
        return max(dots, 0.0) / float(self.figure.dpi)


def new_sheet(
    rows: int, columns: int, boxes_mm: Iterable[Box], *, width_mm: float, heading: str = ""
) -> tuple[Sheet, Box]:
    """A figure without panels, and the box that every panel shows: one that holds all of `boxes_mm`.

    Args:
        rows: number of rows.
        columns: number of columns.
        boxes_mm: left, right, bottom and top.
        width_mm: of the figure; less where panels would be wider than `WIDEST`.
        heading: above all panels.
    """
    left, right, bottom, top = np.array(list(boxes_mm)).T
    box = (float(left.min()), float(right.max()), float(bottom.min()), float(top.max()))
    ratio = (box[3] - box[2]) / (box[1] - box[0])
    width = width_mm / MM_PER_INCH
    figure = Figure(figsize=(width, rows * (width / columns * ratio + 0.3) + 1.5), layout="constrained")
    figure.get_layout_engine().set(hspace=0, wspace=0)  # type: ignore[union-attr,call-arg]
    return Sheet(figure, figure.add_gridspec(rows, columns), ratio, heading), box
