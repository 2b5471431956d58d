"""Fragments of HTML that a notebook shows."""

import re
from collections.abc import Iterable, Sequence
from html import escape


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """A table of texts, in which backticks are about code; the first cell of a row is its heading."""
    lines = [_row(head, "th")] if head else []
    lines += [
        f"<tr>{_cell(first, 'th')}{''.join(_cell(one, 'td') for one in rest)}</tr>" for first, *rest in rows
    ]
    return f"<table>{''.join(lines)}</table>"


def _row(cells: Sequence[object], kind: str) -> str:
    return f"<tr>{''.join(_cell(one, kind) for one in cells)}</tr>"


def _cell(content: object, kind: str) -> str:
    words = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(str(content)))
    return f'<{kind} style="text-align: left; vertical-align: top">{words}</{kind}>'
