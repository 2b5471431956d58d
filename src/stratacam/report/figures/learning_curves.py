"""Losses of every training."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stratacam.networks import network_title
from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.layer_lines import COLOURS, GREY
from stratacam.report.lettering import MM_PER_INCH
from stratacam.report.numbers import listed

LOSSES = {"train_loss": ("training", GREY), "validation_loss": ("validation", COLOURS[0])}
"""Label and colour."""

PANEL_MM = 55
"""Width of a panel."""


def learning_curves(study: StudyContent, request: Request) -> ReportFigure | None:
    """Training and validation loss of every epoch, a panel for each network; None where they were not kept."""
    of_network: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for model in study.models:
        for run, history in model.histories.items():
            of_network.setdefault(model.network, []).append((str(run), history))
    if not of_network:
        return None
    columns = max(min(len(of_network), int(request.width_mm // PANEL_MM)), 1)
    rows = math.ceil(len(of_network) / columns)
    width = min(request.width_mm, columns * 1.5 * PANEL_MM)
    figure = Figure(figsize=(width / MM_PER_INCH, 2.0 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    numbers = []
    for panel in panels[len(of_network) :]:
        panel.remove()
    for panel, (network, histories) in zip(panels, of_network.items(), strict=False):
        for run, history in histories:
            _draw(panel, history)
            numbers += [
                {"training": run, "epoch": number, **{key: epoch[key] for key in LOSSES},
                 "kept": "yes" if number == history["best_epoch"] else "no"}
                for number, epoch in enumerate(history["epochs"], start=1)
            ]  # fmt: skip
        trainings = f"{len(histories)} training{'s' if len(histories) > 1 else ''}"
        panel.set(title=f"{network_title(network)}, {trainings}", xlabel="epoch", ylabel="loss (nats)")
        panel.tick_params(labelleft=True)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[:3], labels[:3], loc="outside upper left", ncols=3)
    return ReportFigure(
        "Learning curves",
        f"A line for {_of_what(study)}. Loss: cross-entropy in nats. Dot: the epoch with the lowest "
        f"validation loss, whose weights were kept{_how_often_the_last(of_network)}.",
        figure,
        numbers,
        "The training loss is on augmented slices, with label smoothing. The validation loss is without either; "
        "groups, and subjects of a group, have equal weights. Where training was guided, both hold the share of heat "
        "outside the mask.",
    )


def _of_what(study: StudyContent) -> str:
    """What trainings differ in."""
    seeds = len({model.seed for model in study.models}) > 1
    kinds = [name for name, several in (("seed", seeds), ("fold", bool(study.main.folds))) if several]
    return f"every training: each {listed(kinds)}" if kinds else "every training"


def _how_often_the_last(of_network: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]]) -> str:
    """In how many trainings the epoch kept is the last one; "" if in none."""
    histories = [history for found in of_network.values() for _, history in found]
    last = sum(history["best_epoch"] == len(history["epochs"]) for history in histories)
    return (
        f"; in {last} of {len(histories)} it is the last, and training may have ended too early"
        if last
        else ""
    )


def _draw(panel: Axes, history: Mapping[str, Any]) -> None:
    for key, (label, colour) in LOSSES.items():
        losses = [epoch[key] for epoch in history["epochs"]]
        panel.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=0.8, alpha=0.8, label=label)
    best = history["best_epoch"]
    loss = history["epochs"][best - 1]["validation_loss"]
    panel.plot(best, loss, "o", color=LOSSES["validation_loss"][1], markersize=4, label="epoch kept")
