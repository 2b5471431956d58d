"""What each sequence contributes to the answer for each class, as bars with intervals."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from stratacam.evidence.sequences.by_class import ALL, SequenceSummary
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import ReportFigure, Request
from stratacam.report.figures.layer_lines import COLOURS, GREY
from stratacam.report.lettering import MM_PER_INCH, SMALL, wrapped


def sequences(evidence: EvidenceContent, request: Request) -> ReportFigure | None:
    """A group of bars for each class, a bar for each sequence; None where sequences were not measured."""
    found = [one for one in evidence.sequences if one.sequence != ALL]
    if not found:
        return None
    classes = list(dict.fromkeys(one.explained for one in found))
    names = list(dict.fromkeys(one.sequence for one in found))
    width = 0.8 / len(names)
    across = min(request.width_mm, 30 + 9 * len(names) * len(classes))
    figure = Figure(figsize=(across / MM_PER_INCH, 2.3), layout="constrained")
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
    room = (across - 15) / len(classes)
    axes.set_xticks(range(len(classes)), [wrapped(_with_count(name, found), room, SMALL) for name in classes])
    axes.set_ylabel("Shapley value (logits)")
    axes.set_xlabel("class explained")
    figure.legend(loc="outside upper left", ncols=len(names))
    return ReportFigure(
        f"What each sequence contributes to the answer of {evidence.title}",
        "How much each sequence adds to the logit of the class explained. Means over subjects (n); lines: 95 % "
        "intervals.",
        figure,
        [one._asdict() for one in found],
        "Shapley values: of the logit less the mean of the others, in place of the same sequence of a person of "
        "another class. Intervals are over subjects and the people who stood in.",
    )


def _with_count(name: str, found: Sequence[SequenceSummary]) -> str:
    """A class, and of how many subjects its values are."""
    return f"{name}, n = {max(one.subjects for one in found if one.explained == name)}"
