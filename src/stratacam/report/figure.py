"""A figure of the report: what it shows, in words, drawn and in numbers, and how it is saved."""

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import matplotlib as mpl
from matplotlib.figure import Figure

from stratacam.files import whole_file, write_table
from stratacam.report.lettering import MM_PER_INCH, NORMAL, SMALL, wrapped

DOTS_PER_INCH = 300
PAGE_DOTS_PER_INCH = 220

ONE_COLUMN, TWO_COLUMNS = 85, 180
"""Widths of figures in mm: of one and of two columns of a journal."""

WARNING = "#8a4b00"

LINE = 0.13
"""Inches of a line of small letters."""

Content = TypeVar("Content")
Numbers = Sequence[Mapping[str, object]]
"""Rows by column; a column that a row lacks is empty."""


@dataclass(frozen=True)
class Request:
    """How a figure is wanted.

    Attributes:
        width_mm: of the drawing.
        scans: names of the scans to show; none: those of the figure's rule.
    """

    width_mm: float = TWO_COLUMNS
    scans: tuple[str, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether there is room for more than a column of a journal."""
        return self.width_mm > (ONE_COLUMN + TWO_COLUMNS) / 2


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report.

    Attributes:
        title: what it shows, in a few words.
        caption: what is seen, in three lines at most.
        figure: the drawing.
        numbers: what is drawn.
        how: how it was made: rules of choice, methods, units; folded away on the page.
        warning: what must be known before the figure is believed; stands under the drawing and in the caption.
    """

    title: str
    caption: str
    figure: Figure
    numbers: Numbers
    how: str = ""
    warning: str = ""

    @property
    def words(self) -> str:
        """All that is said of it."""
        return f"{self.caption} {self.how}".rstrip()

    @property
    def width_mm(self) -> float:
        """Of the drawing."""
        return float(self.figure.get_figwidth()) * MM_PER_INCH


@dataclass(frozen=True)
class FigureEntry(Generic[Content]):
    """A figure in the list of the report's figures.

    Attributes:
        name: of its file, after the number, and for `stratacam figure`.
        about: what it shows, in a line.
        draw: draws it; None where there is nothing to show.
        scans: how many scans `Request.scans` may name.
        width_mm: in the report.
        chapter: of the page, where it is of a study: "maps", "results" or "cohort".
        needs: of the study, without which there is nothing to show; "" where every study has it.
        depends_on_split: whether it shows results, which carry the warning of the split.
    """

    name: str
    about: str
    draw: Callable[[Content, Request], ReportFigure | None]
    scans: Literal["none", "one", "any"] = "none"
    width_mm: float = TWO_COLUMNS
    chapter: str = "maps"
    needs: str = ""
    depends_on_split: bool = True


def drawn(
    entry: FigureEntry[Content], content: Content, request: Request, warning: str
) -> ReportFigure | None:
    """Draw a figure in the style of all, with the warning of the split if it depends on that; None: nothing to show."""
    with style():
        figure = entry.draw(content, request)
        if figure is None:
            return None
        figure = warn(figure, warning if entry.depends_on_split else "")
        figure.figure.draw_without_rendering()
        figure.figure.set_layout_engine("none")  # each file has the same layout
        return figure


def style() -> AbstractContextManager[None]:
    """A context in which figures are drawn and saved: letters of 6 and 7 points, text as text, open frames."""
    return mpl.rc_context(
        {
            "axes.labelsize": NORMAL,
            "axes.linewidth": 0.6,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": NORMAL,
            "axes.titlepad": 3,
            "figure.constrained_layout.h_pad": 0.02,
            "figure.constrained_layout.w_pad": 0.02,
            "figure.titlesize": NORMAL,
            "font.size": NORMAL,
            "legend.fontsize": SMALL,
            "legend.frameon": False,
            "pdf.fonttype": 42,
            "svg.fonttype": "none",
            "svg.hashsalt": "stratacam",
            "xtick.labelsize": SMALL,
            "xtick.major.size": 2,
            "xtick.major.width": 0.6,
            "ytick.labelsize": SMALL,
            "ytick.major.size": 2,
            "ytick.major.width": 0.6,
        }
    )


def warn(figure: ReportFigure, warning: str) -> ReportFigure:
    """Write a warning under the drawing and before the caption; an empty one changes nothing."""
    if not warning:
        return figure
    words = wrapped(warning, 0.95 * figure.width_mm, SMALL)
    figure.figure.set_figheight(figure.figure.get_figheight() + LINE * (words.count("\n") + 1))
    figure.figure.supxlabel(words, fontsize=SMALL, color=WARNING)
    return replace(figure, caption=f"{warning[0].upper()}{warning[1:]}. {figure.caption}", warning=warning)


def save_figure(figure: ReportFigure, path: Path) -> None:
    """Write a figure in the format of the file's ending, with title and caption in its metadata.

    Text is text in SVG and PDF; pictures in them, and PNG, have 300 dots per inch.
    """
    described = {"Title": figure.title, "Description": figure.words}
    options: dict[str, dict[str, Any]] = {
        ".png": {"metadata": described, "pil_kwargs": {"compress_level": 3}},  # quicker, and a little larger
        ".svg": {"metadata": {**described, "Date": None}},
        ".pdf": {"metadata": {"Title": figure.title, "Subject": figure.words, "CreationDate": None}},
    }
    with style(), whole_file(path) as temporary:
        figure.figure.savefig(
            temporary,
            format=path.suffix[1:],
            dpi=DOTS_PER_INCH,
            facecolor="white",
            **options[path.suffix],
        )


def page_picture(figure: ReportFigure) -> bytes:
    """A figure as a page embeds it: WebP, a tenth of the PNG."""
    buffer = io.BytesIO()
    with style():
        figure.figure.savefig(
            buffer, format="webp", dpi=PAGE_DOTS_PER_INCH, facecolor="white", pil_kwargs={"quality": 90}
        )
    return buffer.getvalue()


def save_numbers(figure: ReportFigure, path: Path) -> None:
    """Write what a figure shows as a tab-separated table."""
    columns = list(dict.fromkeys(column for row in figure.numbers for column in row))
    rows = ([_cell(row.get(column, "")) for column in columns] for row in figure.numbers)
    write_table(path, [columns, *rows])


def _cell(value: object) -> str:
    """A number to six digits, NaN as "n/a", and text on one line."""
    if isinstance(value, float):
        return "n/a" if value != value else f"{value:.6g}"  # noqa: PLR0124 - NaN alone differs from itself
    return " ".join(str(value).split())
