"""Figures as the page shows them."""

import base64
from dataclasses import dataclass

from markupsafe import Markup

from stratacam.report.album import SavedFigure
from stratacam.report.figure import TWO_COLUMNS

WIDTH = 944
"""Pixels of the screen for a figure as wide as two columns."""


@dataclass(frozen=True)
class PageFigure:
    """A figure as the page shows it.

    Attributes:
        number: of the figure.
        title: of the caption.
        caption: in three lines at most.
        how: it was made.
        data: WebP in base64.
        width: in pixels of the screen.
        height: likewise.
        width_mm: on paper.
    """

    number: int
    title: str
    caption: str
    how: str
    data: Markup
    width: int
    height: int
    width_mm: int


def on_page(saved: SavedFigure) -> PageFigure:
    """A drawn figure for the page."""
    figure = saved.figure
    width = figure.width_mm * WIDTH / TWO_COLUMNS
    height = width * figure.figure.get_figheight() / figure.figure.get_figwidth()
    data = Markup(base64.b64encode(saved.webp).decode("ascii"))  # noqa: S704 - letters, digits, + / =
    return PageFigure(
        saved.number,
        figure.title,
        figure.caption,
        figure.how,
        data,
        round(width),
        round(height),
        round(figure.width_mm),
    )
