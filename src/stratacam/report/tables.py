"""Tables of the report as rows of text: cohort, training and versions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stratacam.report.content import StudyContent
from stratacam.report.numbers import NOT_KNOWN

PARTS = ("train", "validation", "test")

LOSSES = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "validation_accuracy": "validation accuracy",
}
"""Of every epoch, in the history of a training."""

HEAT_OUTSIDE = {"heat_outside": "heat outside"}
"""Added where training was guided."""


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

    def count(group: str | None = None, part: str | None = None) -> str:
        found = [(name, study.part.get(subject)) for subject, name in study.group.items()]
        return str(sum(group in (None, name) and part in (None, its_part) for name, its_part in found))

    if study.by_slice:
        tested = study.metrics["slices_per_class"]
        rows = tuple((group, count(group), str(tested[group])) for group in classes)
        return Table(title, ("group", "subjects", "test slices"), rows)
    if study.main.folds:
        parts = [f"held out in fold {number}" for number in range(1, study.main.folds + 1)]
        by_fold = tuple(
            (part or "all", *(count(group, part) for group in (*classes, None))) for part in (*parts, None)
        )
        return Table(title, ("", *classes, "all"), by_fold)
    by_group = tuple((group, *(count(group, part) for part in (*PARTS, None))) for group in classes)
    return Table(title, ("group", "training", "validation", "test (held out)", "all"), by_group)


def left_out_table(study: StudyContent) -> Table:
    """Scans that could not be used."""
    rows = tuple((row["name"], row["step"], row["reason"]) for row in study.left_out)
    return Table("Left out", ("scan", "step", "reason"), rows, otherwise="Nothing was left out.")


def training_table(study: StudyContent) -> Table:
    """Losses of every epoch; of several trainings, those of the epochs whose weights were kept."""
    title = warned("Training", study)
    histories = [
        (study.title_of(model), trained.run.fold, model.histories[trained.run.name])
        for model in study.models
        for trained in model.runs
        if trained.run.name in model.histories
    ]

    shown = LOSSES | (HEAT_OUTSIDE if study.card.training.get("heat_outside") is not None else {})

    def losses(epoch: Mapping[str, float]) -> tuple[str, ...]:
        return tuple(f"{epoch[key]:.3f}" for key in shown)

    if len(histories) <= 1:
        rows = tuple(
            (f"{number}{' (kept)' if number == history['best_epoch'] else ''}", *losses(epoch))
            for _, _, history in histories
            for number, epoch in enumerate(history["epochs"], start=1)
        )
        return Table(title, ("epoch", *shown.values()), rows)
    several = tuple(
        (
            name,
            str(fold) if fold else NOT_KNOWN,
            f"{history['best_epoch']} of {len(history['epochs'])}",
            *losses(history["epochs"][history["best_epoch"] - 1]),
        )
        for name, fold, history in histories
    )
    columns = ("network", "fold", "epoch kept", *shown.values())
    return Table(title, columns, several, note="Values at the epoch whose weights were kept.")


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
