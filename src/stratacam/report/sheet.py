"""A figure of panels that show anatomy at one scale, in rows and columns."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from stratacam.report.shown import Box

BAR = 0.11
"""Width of a colour bar in inches."""

GAP = 0.04
"""Inches between columns."""

INCHES_PER_MM = 1 / 105
"""Size of anatomy: a brain of 14 cm is 1.3 inches wide."""


@dataclass(frozen=True)
class Sheet:
    """A figure and the grid of its panels; see `new_sheet`."""

    figure: Figure
    grid: GridSpec

    def panel(self, row: int, column: int) -> Axes:
        """Add the panel of a row and column, counted from the top left."""
        return self.figure.add_subplot(self.grid[row, column])

    def bar(self, first_row: int, *, left: float | None = None) -> Axes:
        """Add a narrow panel from `first_row` to the last: `left` inches from the left, or right of the columns."""
        across = self.figure.get_figwidth()
        place = self.grid[first_row:, :].get_position(self.figure)
        x = place.x1 + 0.12 / across if left is None else left / across
        return self.figure.add_axes((x, place.y0, BAR / across, place.height))


def new_sheet(
    rows: int,
    columns: int,
    box_mm: Box,
    *,
    left: float = 0.05,
    right: float = 0.05,
    top: float,
    between: float = GAP,
    heading: str = "",
) -> Sheet:
    """A figure without panels; all lengths but the box are in inches.

    Args:
        rows: number of rows.
        columns: number of columns.
        box_mm: what every panel shows: left, right, bottom and top.
        left: room to the left of the first column.
        right: room to the right of the last column.
        top: room above the first row.
        between: room between rows.
        heading: a line at the top.
    """
    width, height = ((box_mm[i + 1] - box_mm[i]) * INCHES_PER_MM for i in (0, 2))
    across = left + columns * (width + GAP) - GAP + right
    down = top + rows * (height + between) - between + 0.05
    figure = Figure(figsize=(across, down))
    if heading:
        figure.suptitle(heading, fontsize=9, y=1 - 0.06 / down, va="top")
    grid = figure.add_gridspec(
        rows,
        columns,
        left=left / across,
        right=1 - right / across,
        top=1 - top / down,
        bottom=0.05 / down,
        wspace=GAP / width,
        hspace=between / height,
    )
    return Sheet(figure, grid)
