"""Whether probabilities mean what they say."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stratacam.report.content import StudyContent
from stratacam.report.content.files import Row
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.layer_lines import COLOURS
from stratacam.report.lettering import MM_PER_INCH
from stratacam.report.numbers import decimal

LOOKS = {
    "no": ("as given", COLOURS[1], "o"),
    "yes": ("after temperature scaling", COLOURS[0], "s"),
}
"""Label, colour and marker by what `reliability.tsv` calls calibrated."""

UNITS = ("subjects", "slices")


def reliability_plot(study: StudyContent, request: Request) -> ReportFigure | None:
    """Accuracy of the first network against its confidence; None where that was not kept."""
    if not study.main.reliability:
        return None
    width = min(request.width_mm, 130) / MM_PER_INCH
    figure = Figure(figsize=(width, 0.62 * width + 0.5), layout="constrained")
    panels = figure.subplots(2, len(UNITS), sharex=True, height_ratios=(3, 1))
    for unit, (curve, counts) in zip(UNITS, panels.T, strict=True):
        curve.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
        errors = []
        for calibrated in LOOKS:
            rows = [
                row
                for row in study.main.reliability
                if (row["unit"], row["calibrated"]) == (unit, calibrated)
            ]
            if rows:
                _draw(curve, counts, rows, calibrated)
                scores = study.metrics[unit]["calibrated"] if calibrated == "yes" else study.metrics[unit]
                errors.append(decimal(scores["expected_calibration_error"]["value"]))
        total = sum(study.metrics[f"{unit}_per_class"].values())
        title = f"{unit}, n = {total}\nECE {', scaled '.join(errors)}"
        curve.set(xlim=(0, 1), ylim=(0, 1.02), title=title, ylabel="share right")
        counts.set(xlabel="highest probability", ylabel="count")
        counts.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(LOOKS))
    fitted = "" if study.given else " The temperature was fitted on validation data."
    return ReportFigure(
        "Reliability of the probabilities",
        "On the dashed line probabilities are right; below it the network is overconfident. Lower panels: predictions "
        "in each bin; a bin with few says little. ECE: expected calibration error, 0 to 1.",
        figure,
        study.main.reliability,
        f"{study.title_of(study.main)} on the held-out {'slices' if study.by_slice else 'subjects'}. Predictions are "
        "binned by their highest probability. Across: its mean in the bin; up: the share classified correctly. Lower "
        "panels: filled as given, outlined after scaling. The expected calibration error is the mean distance to the "
        f"line weighted by count.{fitted}",
    )


def _draw(curve: Axes, counts: Axes, rows: list[Row], calibrated: str) -> None:
    label, colour, marker = LOOKS[calibrated]
    points = [(float(row["confidence"]), float(row["accuracy"])) for row in rows if int(row["count"])]
    curve.plot(
        *zip(*points, strict=True), color=colour, marker=marker, markersize=4, linewidth=1, label=label,
        clip_on=False, zorder=3,
    )  # fmt: skip
    edges = [float(row["bin_low"]) for row in rows] + [float(rows[-1]["bin_high"])]
    in_bin = [int(row["count"]) for row in rows]
    filled = calibrated == "no"
    counts.stairs(in_bin, edges, fill=filled, color=colour, alpha=0.4 if filled else 1, linewidth=1.2)
