"""What each sequence contributes to the answer for each class, as bars with intervals."""

import math

import numpy as np
from matplotlib.figure import Figure

from stratacam.evidence.sequences.by_class import ALL
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import ReportFigure
from stratacam.report.figures.layer_lines import COLOURS, GREY


def sequences(evidence: EvidenceContent) -> ReportFigure | None:
    """A group of bars for each class, a bar for each sequence; None where sequences were not measured."""
    found = [one for one in evidence.sequences if one.sequence != ALL]
    if not found:
        return None
    classes = list(dict.fromkeys(one.explained for one in found))
    names = list(dict.fromkeys(one.sequence for one in found))
    width = 0.8 / len(names)
    figure = Figure(figsize=(min(10.5, 1.8 + 0.45 * len(names) * len(classes)), 2.9), layout="constrained")
    axes = figure.subplots()
    for number, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        bars = [one for one in found if one.sequence == name]
        places = [classes.index(one.explained) + (number - (len(names) - 1) / 2) * width for one in bars]
        values = [one.value for one in bars]
        axes.bar(places, values, 0.9 * width, color=colour, label=name)
        reach = np.array([(one.value - one.low, one.high - one.value) for one in bars]).T
        shown = [not math.isnan(one.low) for one in bars]
        axes.errorbar(
            np.array(places)[shown], np.array(values)[shown], reach[:, shown], fmt="none", ecolor=GREY,
            elinewidth=1, capsize=2,
        )  # fmt: skip
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_ylabel("Shapley value, logits")
    axes.set_title("By class explained", loc="left")
    axes.legend(ncols=len(names))
    return ReportFigure(
        f"What each sequence contributes to the answer of {evidence.title}",
        "Shapley values of sequences: how much each adds to the logit of the class explained, less the mean of the "
        "others, in place of the same sequence of a person of another class. Means over subjects; lines: 95 % "
        "intervals over subjects and the people who stood in.",
        figure,
    )
