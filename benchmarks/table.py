"""Measurements as rows of a table, each with its bar and whether it was met."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Bar:
    """What a ratio or figure has to be."""

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the unrounded `value` keeps to the limit."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True)
class Row:
    """One line: what was measured, against what, and the bar that the value has to keep to."""

    what: str
    figure: str
    against: str = ""
    value: float | None = None
    bar: Bar | None = None

    def cells(self) -> tuple[str, ...]:
        """As text: the value to three digits, so that a bar missed narrowly is seen to be missed."""
        value = "" if self.value is None else f"{self.value:.3g}"
        met = (
            "" if self.bar is None or self.value is None else "yes" if self.bar.met(self.value) else "**NO**"
        )
        return self.what, self.figure, self.against, value, str(self.bar or ""), met


def duration(times: list[float]) -> str:
    """Median, and the range where there were several rounds.

    Example:
        >>> duration([1.0, 3.0, 2.0])
        '2.000 s (1.000-3.000)'
    """
    middle = f"{median(times):.3f} s"
    return middle if len(times) == 1 else f"{middle} ({min(times):.3f}-{max(times):.3f})"


def mebibytes(count: float) -> str:
    """Bytes in MiB."""
    return f"{count / 2**20:.0f} MiB"


def markdown(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown, its columns aligned so that it reads well as text."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])
