"""The figures of the page: drawn, numbered and saved into a folder."""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from stratacam.report.figure import Content, FigureEntry, chart_style, save_figure, warn


@dataclass(frozen=True)
class PageFigure:
    """A figure as the page shows it, `width` x `height` pixels; `data` is the PNG in base64, also written to `file`."""

    name: str
    number: int
    title: str
    caption: str
    data: Markup
    width: int
    height: int
    file: Path
    how: str = ""


class Album:
    """Draws, numbers and saves figures into a folder; `warning` is that of the split."""

    def __init__(self, folder: Path, warning: str) -> None:
        self.folder, self.warning = folder, warning
        self.figures: list[PageFigure] = []

    def add(
        self, entries: Sequence[FigureEntry[Content]], content: Content, suffix: str = ""
    ) -> tuple[PageFigure, ...]:
        """Add the figures of all entries that have something to show; return them."""
        first = len(self.figures)
        for entry in entries:
            with chart_style():
                figure = entry.draw(content)
            if figure is None:
                continue
            number = len(self.figures) + 1
            file = self.folder / f"figure-{number}-{entry.name}{suffix}.png"
            shown = warn(figure, self.warning if entry.depends_on_split else "")
            png = save_figure(shown, file)
            width, height = struct.unpack(">II", png[16:24])
            data = Markup(base64.b64encode(png).decode("ascii"))  # noqa: S704 - letters, digits, + / =
            self.figures.append(
                PageFigure(
                    entry.name, number, shown.title, shown.caption, data, width // 2, height // 2, file
                )
            )
        return tuple(self.figures[first:])

    def remove_others(self) -> None:
        """Remove what earlier reports left in the folder."""
        for file in set(self.folder.glob("figure-*.png")) - {figure.file for figure in self.figures}:
            file.unlink()
