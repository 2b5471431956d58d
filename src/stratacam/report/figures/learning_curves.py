"""Losses of every training."""

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure

LOSSES = {"train_loss": ("training", "#7f8792"), "validation_loss": ("validation", "#1f77b4")}
"""Label and colour."""

ACROSS = 3
"""Panels side by side."""


def learning_curves(study: StudyContent) -> ReportFigure | None:
    """Training and validation loss of every epoch, a panel for each network; None where they were not kept."""
    of_network: dict[str, list[Mapping[str, Any]]] = {}
    for model in study.models:
        if model.histories:
            of_network.setdefault(model.network, []).extend(model.histories.values())
    if not of_network:
        return None
    columns = min(len(of_network), ACROSS)
    rows = math.ceil(len(of_network) / columns)
    figure = Figure(figsize=(3.1 * columns + 0.4, 2.5 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    for panel in panels[len(of_network) :]:
        panel.remove()
    for panel, (network, histories) in zip(panels, of_network.items(), strict=False):
        for history in histories:
            _draw(panel, history)
        handles, labels = panel.get_legend_handles_labels()
        panel.legend(handles[:3], labels[:3])
        trainings = f" ({len(histories)} trainings)" if len(histories) > 1 else ""
        panel.set(title=network_title(network) + trainings, xlabel="epoch", ylabel="loss")
        panel.tick_params(labelleft=True)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ReportFigure(
        "Learning curves",
        "One line for every training: each seed and fold. Cross-entropy in nats. The training loss is on augmented "
        "slices, with label smoothing. The validation loss is without either; groups, and subjects of a group, have "
        "equal weights. Where training was guided, both hold the share of heat outside the mask. Dot: the epoch with "
        "the lowest validation loss, whose weights were kept.",
        figure,
    )


def _draw(panel: Axes, history: Mapping[str, Any]) -> None:
    for key, (label, colour) in LOSSES.items():
        losses = [epoch[key] for epoch in history["epochs"]]
        panel.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=0.8, alpha=0.8, label=label)
    best = history["best_epoch"]
    loss = history["epochs"][best - 1]["validation_loss"]
    panel.plot(best, loss, "o", color=LOSSES["validation_loss"][1], markersize=4, label="epoch kept")
