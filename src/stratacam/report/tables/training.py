"""Table of the losses of every training."""

from collections.abc import Mapping

from stratacam.report.content import StudyContent
from stratacam.report.numbers import NOT_KNOWN
from stratacam.report.tables.table import Table, warned

LOSSES = {
    "train_loss": "training loss (nats)",
    "validation_loss": "validation loss (nats)",
    "validation_accuracy": "validation accuracy (0 to 1)",
}
"""Of every epoch, in the history of a training."""

HEAT_OUTSIDE = {"heat_outside": "heat outside (share)"}
"""Added where training was guided."""


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
