"""Tables of results: the first network in full, all networks beside the baselines, and what leakage does."""

from collections.abc import Mapping
from typing import Any

from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.networks import network_title
from stratacam.report.content import StudyContent, subject_label
from stratacam.report.tables import NOT_KNOWN, Table, decimal, estimate, interval, small, warned

LISTED = 200
"""Subjects on the page; the others are in the file."""

DECIDED_BY = {
    "subjects": "subjects, mean probability",
    "subjects_majority": "subjects, majority of slices",
    "slices": "slices",
}

PROBABILITY_SCORES = ("brier", "log_loss", "expected_calibration_error")


def metrics_table(study: StudyContent) -> Table:
    """Accuracies of the first network with chance, intervals and p-values."""
    rows = []
    for unit, title in DECIDED_BY.items():
        scores = study.metrics.get(unit)
        if scores is None:
            continue
        for name in ("accuracy", "balanced_accuracy", "macro_auroc"):
            found = scores.get(name)
            if found is None:
                continue
            rows.append(
                (
                    title,
                    _in_words(name),
                    decimal(found["value"]),
                    decimal(found["chance"]),
                    interval(found["bootstrap"]),
                    interval(found.get("small_sample")),
                    _p_value(found),
                )
            )
    return Table(
        warned(f"Results of {study.title_of(study.main)} on the {_held_out(study)}", study),
        ("unit", "measure", "value", "chance", "95 % bootstrap", "95 % for few subjects", "p"),
        tuple(rows),
        note="Each number is explained in “How the numbers are obtained” below.",
    )


def class_table(study: StudyContent) -> Table:
    """Sensitivity, specificity and AUROC of each class, by the first network."""
    rows = [
        (
            unit,
            name,
            *(estimate(scores[measure][name]) for measure in ("sensitivity", "specificity", "auroc")),
        )
        for unit in ("subjects", "slices")
        if (scores := study.metrics.get(unit))
        for name in study.metrics["classes"]
    ]
    return Table(
        warned(f"Each group against the others, {study.title_of(study.main)}", study),
        ("unit", "group", "sensitivity", "specificity", "AUROC"),
        tuple(rows),
        note="In brackets 95 % intervals over subjects: exact for sensitivity and specificity of subjects, else by "
        "bootstrap.",
    )


def probabilities_table(study: StudyContent) -> Table:
    """How good the first network's probabilities are, before and after temperature scaling."""
    rows = [
        (
            unit,
            _in_words(name),
            estimate(scores[name]),
            estimate(scores["calibrated"][name] if scores["calibrated"] else None),
            NOT_KNOWN if scores[name]["chance"] is None else decimal(scores[name]["chance"]),
        )
        for unit in ("subjects", "slices")
        if (scores := study.metrics.get(unit))
        for name in PROBABILITY_SCORES
    ]
    return Table(
        warned(f"Probabilities of {study.title_of(study.main)}", study),
        ("unit", "measure", "as given", "after temperature scaling", "chance"),
        tuple(rows),
        note="Less is better. In brackets 95 % intervals by bootstrap over subjects.",
    )


def comparison_table(study: StudyContent) -> Table | None:
    """Every network, seed and baseline; None where they were not compared."""
    rows = study.comparison.get("rows")
    if not rows:
        return None
    first = study.title_of(study.main)
    left_out = study.baselines.get("left_out", {})
    absent = "; ".join(f"{_in_words(name)} ({reason})" for name, reason in left_out.items())
    return Table(
        warned("Networks and baselines", study),
        (
            "",
            "subjects",
            "balanced accuracy",
            "accuracy",
            "macro AUROC",
            "Brier score",
            "calibration error",
            f"{first} minus this",
            "p",
        ),
        tuple(_compared(study, row) for row in rows),
        note="Per subject. In brackets 95 % intervals, of balanced accuracy those for few subjects, which never reach "
        f"0 or 1. “{first} minus this”: difference of balanced accuracy with its bootstrap interval over the same "
        "subjects; p, two-sided, by swapping the two in each subject at random; a dash where other subjects were held "
        "out. p-values are not corrected for their number."
        + (" Baselines learn from training and validation subjects." if len(rows) > len(study.models) else "")
        + (f" Baselines left out: {absent}." if absent else ""),
    )


def leakage_table(study: StudyContent) -> Table | None:
    """Balanced accuracy by subject and by slice, true and shuffled groups; None where it was not measured."""
    if not study.leakage:
        return None
    rows = [
        (
            row["unit"] + (" (inflated)" if row["unit"] == "slice" else ""),
            row["labels"],
            *(
                text
                for unit in ("slices", "subjects")
                for text in (_between(row[unit], ""), _between(row[unit], "chance_", "chance"))
            ),
        )
        for row in study.leakage["conditions"]
    ]
    seeds = len(study.leakage["seeds"])
    network = network_title(study.leakage["network"])
    return Table(
        f"Leakage: {network} by subject and by slice (by slice: {SLICES_OF_ONE_PERSON})",
        ("split by", "groups", "balanced accuracy of slices", "chance", "of subjects", "chance"),
        tuple(rows),
        note=f"Mean over {seeds} seed{'s' if seeds > 1 else ''}. In brackets: 95 % interval over subjects; for chance, "
        "the middle 95 % with the groups of the held-out subjects permuted. Shuffled: groups exchanged at random among "
        "the subjects before training, so that there is nothing to learn.",
    )


def predictions_table(study: StudyContent) -> Table:
    """Held-out subjects: fold, group, prediction, probabilities."""
    folds = study.fold_of
    rows = []
    for row in study.predictions[:LISTED]:
        subject = subject_label(row["subject"])
        rows.append(
            (
                subject,
                *((str(folds.get(subject, NOT_KNOWN)),) if folds else ()),
                row["group"],
                row["predicted"],
                "right" if row["group"] == row["predicted"] else "wrong",
                *(decimal(float(row[f"p_{name}"])) for name in study.card.classes),
            )
        )
    more = len(study.predictions) - len(rows)
    return Table(
        warned(_title_of_predictions(study), study),
        (
            "subject",
            *(("fold",) if folds else ()),
            "group",
            "predicted",
            "",
            *(f"p {name}" for name in study.card.classes),
        ),
        tuple(rows),
        note="Mean probabilities over each one's slices."
        + (f" … {more} more in evaluation/{study.main.name}/predictions_subjects.tsv." if more else ""),
    )


def _title_of_predictions(study: StudyContent) -> str:
    whose = f" by {study.title_of(study.main)}" if len(study.models) > 1 else ""
    return f"Subjects by their test slices{whose}" if study.by_slice else f"Held-out subjects{whose}"


def _held_out(study: StudyContent) -> str:
    return "held-out slices" if study.by_slice else "held-out subjects"


def _compared(study: StudyContent, row: Mapping[str, Any]) -> tuple[str, ...]:
    titles = {model.name: study.title_of(model) for model in study.models}
    against = row["against_first"]
    difference = against and against["balanced_accuracy"]
    return (
        titles.get(row["name"], row["title"]),
        str(row["subjects"]),
        estimate(row["balanced_accuracy"]),
        *(
            NOT_KNOWN if row[name] is None else decimal(row[name]["value"])
            for name in ("accuracy", "macro_auroc", "brier", "expected_calibration_error")
        ),
        estimate(difference),
        _p_value(difference) if difference else NOT_KNOWN,
    )


def _between(found: Mapping[str, float], prefix: str, value: str = "value") -> str:
    limits = (found[f"{prefix}low"], found[f"{prefix}high"])
    return f"{decimal(found[value])} ({interval(limits)})"


def _p_value(found: Mapping[str, Any]) -> str:
    p_value = found.get("p_value")
    return NOT_KNOWN if p_value is None else small(p_value)


def _in_words(name: str) -> str:
    return name.replace("_", " ").replace("auroc", "AUROC").replace("brier", "Brier score")
