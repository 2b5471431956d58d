"""A figure of panels of one size in rows and columns, laid out in inches."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.report.shown import Box

BAR = 0.11
"""Width of a colour bar."""

HEADING = 0.22
"""Room for a line above the panels."""

INCHES_PER_MM = 1 / 105
"""Size of anatomy: a brain of 14 cm is 1.3 inches wide."""


def panel_inches(box_mm: Box) -> tuple[float, float]:
    """Width and height of a panel that shows a box (left, right, bottom, top)."""
    left, right, bottom, top = box_mm
    return (right - left) * INCHES_PER_MM, (top - bottom) * INCHES_PER_MM


@dataclass(frozen=True)
class Sheet:
    """Panels in rows and columns; all lengths are in inches.

    Attributes:
        rows: number of rows.
        columns: number of columns.
        panel: width and height of a panel.
        left: room to the left of the first column.
        right: room to the right of the last column.
        top: room above the first row.
        between: room between columns, and between rows.
    """

    rows: int
    columns: int
    panel: tuple[float, float]
    left: float
    right: float
    top: float
    between: tuple[float, float] = (0.04, 0.04)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the whole."""
        width, height = self.panel
        across, down = self.between
        return (
            self.left + self.columns * (width + across) - across + self.right,
            self.top + self.rows * (height + down) - down + 0.05,
        )

    def new_figure(self) -> Figure:
        """An empty figure of the size of the sheet."""
        return Figure(figsize=self.size)

    def write_heading(self, figure: Figure, text: str) -> None:
        """Write a line above the panels, for which `top` has left `HEADING`."""
        figure.suptitle(text, fontsize=9, y=1 - 0.06 / self.size[1], va="top")

    def panel_of(self, figure: Figure, row: int, column: int) -> Axes:
        """Add the panel of a row and column, counted from the top left."""
        width, height = self.panel
        across, down = self.between
        return self._axes(
            figure, self.left + column * (width + across), self.top + row * (height + down), width, height
        )

    def bar_of(self, figure: Figure, first_row: int, *, left: float | None = None) -> Axes:
        """Add a narrow panel from `first_row` to the last, by default to the right of the last column."""
        height, down = self.panel[1], self.between[1]
        place = self.size[0] - self.right + 0.12 if left is None else left
        rows = self.rows - first_row
        top = self.top + first_row * (height + down)
        return self._axes(figure, place, top, BAR, rows * (height + down) - down)

    def _axes(self, figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
        across, up = self.size
        return figure.add_axes((left / across, 1 - (top + height) / up, width / across, height / up))
