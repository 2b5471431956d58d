"""The tables of the report, as rows of text."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stratacam.report.content import StudyContent, subject_label

NOT_KNOWN = "-"


@dataclass(frozen=True)
class Table:
    """A table with its heading and, where there are no rows, a sentence instead."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    otherwise: str = "Not recorded."
    note: str = ""


def cohort_table(study: StudyContent) -> Table:
    """Subjects of each group in each part."""
    parts = ("train", "validation", "test")
    rows = []
    for group in study.card.classes:
        counts = [
            sum(study.group[name] == group and where == part for name, where in study.part.items())
            for part in parts
        ]
        rows.append((group, *map(str, counts), str(sum(counts))))
    return Table("Subjects", ("group", "training", "validation", "test (held out)", "all"), tuple(rows))


def metrics_table(study: StudyContent) -> Table:
    """Accuracies with chance, intervals and p-values."""
    rows = []
    for unit in ("subjects", "slices"):
        for name in ("accuracy", "balanced_accuracy"):
            estimate = study.metrics[unit][name]
            p_value = estimate.get("p_value")
            rows.append(
                (
                    unit,
                    name.replace("_", " "),
                    decimal(estimate["value"]),
                    decimal(estimate["chance"]),
                    interval(estimate["bootstrap"]),
                    interval(estimate.get("small_sample")),
                    NOT_KNOWN if p_value is None else small(p_value),
                )
            )
    return Table(
        "Results on the held-out subjects",
        ("unit", "measure", "value", "chance", "95 % bootstrap", "95 % for few subjects", "p"),
        tuple(rows),
        note=" ".join(
            f"{name.replace('_', ' ').capitalize()}: {text}"
            for name, text in study.metrics.get("methods", {}).items()
        ),
    )


def predictions_table(study: StudyContent) -> Table:
    """Every held-out subject: group, prediction, probabilities."""
    rows = [
        (
            subject_label(row["subject"]),
            row["group"],
            row["predicted"],
            "right" if row["group"] == row["predicted"] else "wrong",
            *(decimal(float(row[f"p_{name}"])) for name in study.card.classes),
        )
        for row in study.predictions
    ]
    columns = ("subject", "group", "predicted", "", *(f"p {name}" for name in study.card.classes))
    return Table("Held-out subjects", columns, tuple(rows), note="Mean probabilities over each one's slices.")


def left_out_table(study: StudyContent) -> Table:
    """Scans that could not be used."""
    rows = tuple((row["name"], row["step"], row["reason"]) for row in study.left_out)
    return Table("Left out", ("scan", "step", "reason"), rows, otherwise="Nothing was left out.")


def training_table(study: StudyContent) -> Table:
    """Losses of every epoch."""
    best = study.history.get("best_epoch")
    rows = tuple(
        (
            f"{number}{' (kept)' if number == best else ''}",
            *(f"{epoch[key]:.3f}" for key in ("train_loss", "validation_loss", "validation_accuracy")),
        )
        for number, epoch in enumerate(study.history.get("epochs", ()), start=1)
    )
    return Table("Training", ("epoch", "training loss", "validation loss", "validation accuracy"), rows)


def settings_table(study: StudyContent) -> Table:
    """The whole configuration."""
    return Table("Settings", ("setting", "value"), tuple(flatten(study.configuration)))


def provenance_table(study: StudyContent) -> Table:
    """Versions, machine and times, and where the weights come from."""
    training = {
        key: value for key, value in study.card.training.items() if key not in ("settings", "subjects")
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


def decimal(value: float) -> str:
    """Two decimals."""
    return f"{value:.2f}"


def interval(limits: Sequence[float] | None) -> str:
    """Write "0.36 to 1.00"; a dash where there is none."""
    return NOT_KNOWN if limits is None else f"{limits[0]:.2f} to {limits[1]:.2f}"


def small(p_value: float) -> str:
    """Two significant digits, rounded up, so that no p-value is written as zero or as less than it is.

    Example:
        >>> small(0.0123), small(0.5), small(0.00004)
        ('0.013', '0.50', '< 0.001')
    """
    if p_value < 0.001:
        return "< 0.001"
    digits = 1 - math.floor(math.log10(p_value))
    return f"{math.ceil(p_value * 10**digits - 1e-9) / 10**digits:.{digits}f}"
