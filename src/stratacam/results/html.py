"""Fragments of HTML that a notebook shows."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from matplotlib.figure import Figure


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """A table of texts; the first cell of a row is its heading."""
    lines = [_row(head, "th")] if head else []
    lines += [
        f"<tr>{_cell(first, 'th')}{''.join(_cell(one, 'td') for one in rest)}</tr>" for first, *rest in rows
    ]
    return f"<table>{''.join(lines)}</table>"


def picture(figure: Figure, alt: str) -> str:
    """A figure as an image that is part of the page."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'


def _row(cells: Sequence[object], kind: str) -> str:
    return f"<tr>{''.join(_cell(one, kind) for one in cells)}</tr>"


def _cell(content: object, kind: str) -> str:
    return f'<{kind} style="text-align: left; vertical-align: top">{escape(str(content))}</{kind}>'
