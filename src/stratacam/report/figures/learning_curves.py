"""Losses of every training."""

import math

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure

COLOURS = {"train_loss": "#7f8792", "validation_loss": "#1f77b4"}
LABELS = {"train_loss": "training", "validation_loss": "validation"}
ACROSS = 3
"""Panels side by side."""


def learning_curves(study: StudyContent) -> ReportFigure | None:
    """Training and validation loss of every epoch, a panel for each network; None where they were not kept."""
    histories = {
        network: [
            history
            for model in study.models
            if model.network == network
            for history in model.histories.values()
        ]
        for network in dict.fromkeys(model.network for model in study.models)
    }
    histories = {network: kept for network, kept in histories.items() if kept}
    if not histories:
        return None
    columns = min(len(histories), ACROSS)
    rows = math.ceil(len(histories) / columns)
    figure = Figure(figsize=(3.1 * columns + 0.4, 2.5 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    for panel in panels[len(histories) :]:
        panel.remove()
    for panel, (network, kept) in zip(panels, histories.items(), strict=False):
        for number, history in enumerate(kept):
            for key, colour in COLOURS.items():
                losses = [epoch[key] for epoch in history["epochs"]]
                panel.plot(
                    range(1, len(losses) + 1),
                    losses,
                    color=colour,
                    linewidth=0.8,
                    alpha=0.8,
                    label=None if number else LABELS[key],
                )
            best = history["best_epoch"]
            panel.plot(
                best,
                history["epochs"][best - 1]["validation_loss"],
                color=COLOURS["validation_loss"],
                marker="o",
                markersize=4,
                linestyle="none",
                label=None if number else "epoch kept",
            )
        trainings = f" ({len(kept)} trainings)" if len(kept) > 1 else ""
        panel.set_title(network_title(network) + trainings, fontsize=9)
        panel.set_xlabel("epoch", fontsize=8)
        panel.set_ylabel("loss", fontsize=8)
        panel.tick_params(labelsize=7, labelleft=True)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(fontsize=7, frameon=False)
    caption = (
        "A line for every training, one for each seed and fold. Cross-entropy in nats: of training, as it is "
        "minimised, on augmented slices and with label smoothing; of validation, without either, groups and the "
        "subjects of a group weighing alike. Dot: the epoch with the lowest validation loss, whose weights were kept."
    )
    return ReportFigure("Learning curves", caption, figure)
