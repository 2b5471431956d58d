"""A figure of the report: what it shows, in words and drawn, and how it is saved."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import matplotlib as mpl
from matplotlib.figure import Figure

from stratacam.files import whole_file

DOTS_PER_INCH = 170

WARNING = "#8a4b00"

Content = TypeVar("Content")


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report.

    Attributes:
        title: what it shows, in a few words.
        caption: what is seen, by which rule, in which units.
        figure: the drawing.
        warning: what must be known before the figure is believed; stands under the drawing and in the caption.
    """

    title: str
    caption: str
    figure: Figure
    warning: str = ""


@dataclass(frozen=True)
class FigureEntry(Generic[Content]):
    """A figure in the list of the report's figures.

    Attributes:
        name: of its file, after the number.
        draw: draws it; None where there is nothing to show.
        depends_on_split: whether it shows results, which carry the warning of the split.
    """

    name: str
    draw: Callable[[Content], ReportFigure | None]
    depends_on_split: bool = True


def chart_style() -> AbstractContextManager[None]:
    """A context in which charts are drawn: small letters, and no frame on the right and at the top."""
    return mpl.rc_context(
        {
            "axes.labelsize": 8,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 9,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
        }
    )


def warn(figure: ReportFigure, warning: str) -> ReportFigure:
    """Write a warning under the drawing and before the caption; an empty one changes nothing."""
    if not warning:
        return figure
    figure.figure.text(0.5, 0, warning, ha="center", va="top", fontsize=8, color=WARNING)
    return replace(figure, caption=f"{warning[0].upper()}{warning[1:]}. {figure.caption}", warning=warning)


def save_figure(figure: ReportFigure, path: Path) -> bytes:
    """Write a figure as PNG, with title and caption in its metadata; return the bytes written."""
    buffer = io.BytesIO()
    figure.figure.savefig(
        buffer,
        format="png",
        dpi=DOTS_PER_INCH,
        facecolor="white",
        metadata={"Title": figure.title, "Description": figure.caption},
        bbox_inches="tight" if figure.warning else None,
    )
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return buffer.getvalue()
