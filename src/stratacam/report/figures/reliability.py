"""Whether probabilities mean what they say."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.report.content import StudyContent
from stratacam.report.figure import ReportFigure
from stratacam.report.numbers import decimal
from stratacam.report.reading import Row

LOOKS = {
    "no": ("as given", "#d95f02", "o"),
    "yes": ("after temperature scaling", "#1f77b4", "s"),
}
"""Label, colour and marker by what `reliability.tsv` calls calibrated."""

UNITS = ("subjects", "slices")


def reliability_plot(study: StudyContent) -> ReportFigure | None:
    """How often the first network is right against how sure it is; None where that was not kept."""
    if not study.main.reliability:
        return None
    figure = Figure(figsize=(6.6, 4.2), layout="constrained")
    panels = figure.subplots(2, len(UNITS), sharex=True, height_ratios=(3, 1))
    for number, unit in enumerate(UNITS):
        curve, counts = panels[:, number]
        curve.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
        errors = []
        for calibrated in LOOKS:
            rows = [
                row
                for row in study.main.reliability
                if row["unit"] == unit and row["calibrated"] == calibrated
            ]
            if rows:
                _draw(curve, counts, rows, calibrated)
                errors.append(_error(study, unit, calibrated))
        curve.set(xlim=(0, 1), ylim=(0, 1.02))
        curve.set_title(f"{unit}: ECE {', scaled '.join(errors)}", fontsize=9)
        curve.set_ylabel("share classified right", fontsize=8)
        counts.set_xlabel("highest probability", fontsize=8)
        counts.set_ylabel(unit, fontsize=8)
        counts.yaxis.get_major_locator().set_params(integer=True, nbins=3)
        for axes in (curve, counts):
            axes.tick_params(labelsize=7)
            axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(LOOKS), fontsize=8, frameon=False)
    caption = (
        f"{study.title_of(study.main)} on the held-out {'slices' if study.by_slice else 'subjects'}. In bins of the "
        "highest probability: its mean (across) and the share classified right (up). On the broken line probabilities "
        "mean what they say; below it the network is too sure. Under it: how many are in each bin, filled as given, "
        "outlined after scaling; a bin of few says little. ECE: expected calibration error, the mean distance to the "
        "line weighted by count, 0 to 1. The temperature was fitted on validation slices."
    )
    return ReportFigure("Reliability of the probabilities", caption, figure)


def _draw(curve: Axes, counts: Axes, rows: list[Row], calibrated: str) -> None:
    label, colour, marker = LOOKS[calibrated]
    filled = [row for row in rows if int(row["count"])]
    curve.plot(
        [float(row["confidence"]) for row in filled],
        [float(row["accuracy"]) for row in filled],
        color=colour,
        marker=marker,
        markersize=4,
        linewidth=1,
        label=label,
    )
    edges = [float(row["bin_low"]) for row in rows] + [float(rows[-1]["bin_high"])]
    in_bin = [int(row["count"]) for row in rows]
    if calibrated == "no":
        counts.stairs(in_bin, edges, fill=True, color=colour, alpha=0.4)
    else:
        counts.stairs(in_bin, edges, color=colour, linewidth=1.2)


def _error(study: StudyContent, unit: str, calibrated: str) -> str:
    scores = study.metrics[unit]["calibrated"] if calibrated == "yes" else study.metrics[unit]
    return decimal(scores["expected_calibration_error"]["value"])
