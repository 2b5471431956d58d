"""Tables of how the study was made: methods of the numbers, settings, versions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stratacam.report.content import StudyContent
from stratacam.report.names import weights_in_words
from stratacam.report.numbers import NOT_KNOWN
from stratacam.report.tables.table import Table


def methods_table(study: StudyContent) -> Table:
    """How each number is obtained."""
    methods = study.metrics.get("methods", {})
    rows = tuple((name.replace("_", " "), text) for name, text in methods.items())
    return Table("How the numbers are obtained", ("number", "how"), rows)


def settings_table(study: StudyContent) -> Table:
    """The whole configuration."""
    return Table("Settings", ("setting", "value"), tuple(flatten(study.configuration)))


def provenance_table(study: StudyContent) -> Table:
    """Versions, machine and times, and where the weights come from."""
    training = {
        key: weights_in_words(str(value)) if key == "initial_weights" else value
        for key, value in study.card.training.items()
        if key not in ("settings", "subjects", "images")
    }
    return Table("Provenance", ("what", "value"), (*flatten(study.provenance), *flatten({"model": training})))


def flatten(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Write nested values as rows.

    Example:
        >>> list(flatten({"a": {"b": 1, "c": [2, 3]}, "d": None}))
        [('a.b', '1'), ('a.c', '2, 3'), ('d', '-')]
    """
    for key, value in content.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield name, ", ".join(map(str, value)) or NOT_KNOWN
        else:
            yield name, NOT_KNOWN if value is None else str(value)
