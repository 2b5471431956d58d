"""A table of the page, as rows of text."""

from dataclasses import dataclass

from stratacam.report.content import StudyContent


@dataclass(frozen=True)
class Table:
    """A table with its heading and, where there are no rows, a sentence instead."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    otherwise: str = "Not recorded."
    note: str = ""


def warned(title: str, study: StudyContent) -> str:
    """A title, with what must be known before the table is believed."""
    return f"{title} ({study.warning})" if study.warning else title
