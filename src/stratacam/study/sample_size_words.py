"""What the numbers of a study can show, in words: for the console before training, and for the report."""

from collections.abc import Iterable, Mapping
from typing import Any

from stratacam.learning.evaluation.intervals import POOLED_FOLDS

MOSTLY = "in four studies of five"


def sample_size_paragraph(content: Mapping[str, Any]) -> str:
    """One paragraph on what can be shown; see `what_can_be_shown`."""
    groups = ", ".join(f"{name} {count}" for name, count in content["held_out"].items())
    width = content["balanced_accuracy_width"]["0.8"]
    smallest, evidence = content["smallest_accuracy"], content["evidence"]
    above = (
        f"It is recognised as better than chance ({content['chance']:.2f}) {MOSTLY} if its true "
        f"balanced accuracy is at least {smallest:.2f}. "
        if smallest
        else "No network, however good, is recognised as better than chance. "
    )
    maps = (
        "Of maps, verdicts are possible."
        if evidence["smallest_effect"]
        else f"Of maps, every verdict will be “cannot say” ({content['subjects']} subjects; "
        f"{evidence['subjects_needed']} are needed)."
    )
    folds = content["folds"]
    pooled = (
        f", each in one of {folds} folds, which makes intervals {POOLED_FOLDS:g} times as wide"
        if folds > 1
        else ""
    )
    return (
        f"{content['subjects']} subjects are held out ({groups}){pooled}. If the network is right on 80 % of every "
        f"group, the 95 % interval of its balanced accuracy (the mean of these shares) will be about {width:.2f} wide; "
        f"half of that takes about {content['subjects_for_half_the_width']} subjects. {above}{maps}"
    )


def sample_size_rows(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Question and answer, a row each; see `what_can_be_shown`."""
    evidence, chance = content["evidence"], f"{content['chance']:.2f}"
    worse = f"{content['difference_from']:.2f}"
    where = f"one of {evidence['columns']} layers and methods"
    too_few = f"cannot say ({content['subjects']} subjects; {evidence['subjects_needed']} are needed)"
    widths = [
        (f"width of the 95 % interval of {title}, if that is {' / '.join(found)}", _list(found.values()))
        for title, found in (
            ("balanced accuracy", content["balanced_accuracy_width"]),
            ("the AUROC", content["auroc_width"]),
        )
    ]
    return [
        *widths,
        (
            f"balanced accuracy that must be observed for an interval above chance ({chance})",
            _observed(content),
        ),
        (
            f"true balanced accuracy that is shown to be better than chance {MOSTLY}",
            _number(content["smallest_accuracy"]),
        ),
        (
            f"difference between two classifiers that is shown {MOSTLY}, if the worse one has {worse}",
            _number(content["smallest_difference"]),
        ),
        ("held-out subjects for intervals of half the width", str(content["subjects_for_half_the_width"])),
        (
            f"evidence: effect at {where} that is shown {MOSTLY}, in standard deviations between subjects",
            _number(evidence["smallest_effect"], otherwise=too_few),
        ),
    ]


def _observed(content: Mapping[str, Any]) -> str:
    """What can occur: in subjects where groups are equal, in balanced accuracy else."""
    found, counts = content["smallest_observed"], set(content["held_out"].values())
    if found is None:
        return "none, however large"
    possible, always = found["possible"], found["always"]
    if len(counts) > 1:
        sometimes = (
            f"; from {possible:.2f} on, if the mistakes lie very unevenly over the groups"
            if possible < always
            else ""
        )
        return f"{always:.2f}{sometimes}"
    subjects = content["subjects"]
    least, surely = (round(value * subjects) for value in (possible, always))
    sometimes = f"; {least} is enough if the mistakes lie unevenly over the groups" if least < surely else ""
    return f"{surely} of {subjects} subjects right ({always:.2f}){sometimes}"


def _number(value: float | None, otherwise: str = "none, however large") -> str:
    return otherwise if value is None else f"{value:.2f}"


def _list(values: Iterable[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)
