"""Tables of the report as rows of text: the cohort, the training, and what they were made with."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stratacam.report.content import StudyContent

NOT_KNOWN = "-"

PARTS = ("train", "validation", "test")

LOSSES = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "validation_accuracy": "validation accuracy",
}


@dataclass(frozen=True)
class Table:
    """A table with its heading and, where there are no rows, a sentence instead."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    otherwise: str = "Not recorded."
    note: str = ""


def cohort_table(study: StudyContent) -> Table:
    """Subjects of each group in each part, or in each fold; slices where these were split."""
    classes, title = study.card.classes, warned("Subjects", study)
    rows: list[tuple[str, ...]]
    if study.by_slice:
        tested = study.metrics["slices_per_class"]
        rows = [(group, str(_count(study, group)), str(tested[group])) for group in classes]
        return Table(title, ("group", "subjects", "test slices"), tuple(rows))
    if study.main.folds:
        parts = [f"held out in fold {number}" for number in range(1, study.main.folds + 1)]
        rows = [
            (part or "all", *(str(_count(study, group, part)) for group in (*classes, None)))
            for part in (*parts, None)
        ]
        return Table(title, ("", *classes, "all"), tuple(rows))
    rows = [(group, *(str(_count(study, group, part)) for part in (*PARTS, None))) for group in classes]
    return Table(title, ("group", "training", "validation", "test (held out)", "all"), tuple(rows))


def _count(study: StudyContent, group: str | None = None, part: str | None = None) -> int:
    """Subjects of a group, or of any, in a part, or in any."""
    return sum(
        group in (None, own) and part in (None, study.part.get(subject))
        for subject, own in study.group.items()
    )


def left_out_table(study: StudyContent) -> Table:
    """Scans that could not be used."""
    rows = tuple((row["name"], row["step"], row["reason"]) for row in study.left_out)
    return Table("Left out", ("scan", "step", "reason"), rows, otherwise="Nothing was left out.")


def training_table(study: StudyContent) -> Table:
    """Losses of every epoch; of several trainings, those of the epochs that were kept."""
    title = warned("Training", study)
    histories = [
        (study.title_of(model), trained.run.fold, model.histories[trained.run.name])
        for model in study.models
        for trained in model.runs
        if trained.run.name in model.histories
    ]
    if len(histories) <= 1:
        rows = [
            (f"{number}{' (kept)' if number == history['best_epoch'] else ''}", *_losses(epoch))
            for _, _, history in histories
            for number, epoch in enumerate(history["epochs"], start=1)
        ]
        return Table(title, ("epoch", *LOSSES.values()), tuple(rows))
    rows = [
        (
            name,
            str(fold) if fold else NOT_KNOWN,
            f"{history['best_epoch']} of {len(history['epochs'])}",
            *_losses(history["epochs"][history["best_epoch"] - 1]),
        )
        for name, fold, history in histories
    ]
    return Table(
        title, ("network", "fold", "epoch kept", *LOSSES.values()), tuple(rows), note="At the epoch kept."
    )


def _losses(epoch: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(f"{epoch[key]:.3f}" for key in LOSSES)


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


def warned(title: str, study: StudyContent) -> str:
    """A title, with what must be known before the table is believed."""
    return f"{title} ({study.warning})" if study.warning else title


def decimal(value: float) -> str:
    """Two decimals."""
    return f"{value:.2f}"


def interval(limits: Sequence[float] | None) -> str:
    """Write "0.36 to 1.00"; a dash where there is none."""
    return NOT_KNOWN if limits is None else f"{limits[0]:.2f} to {limits[1]:.2f}"


def estimate(found: Mapping[str, Any] | None) -> str:
    """Write "0.67 (0.36 to 0.90)", with the interval for few subjects where there is one; a dash for nothing.

    Example:
        >>> estimate({"value": 0.5, "bootstrap": [0.25, 0.75]}), estimate(None)
        ('0.50 (0.25 to 0.75)', '-')
    """
    if found is None:
        return NOT_KNOWN
    limits = found.get("small_sample") or found["bootstrap"]
    return decimal(found["value"]) + (f" ({interval(limits)})" if limits else "")


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
