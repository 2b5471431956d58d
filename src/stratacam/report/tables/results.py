"""Tables of results: the first network in full, all networks beside the baselines, and what leakage does."""

from collections.abc import Mapping
from typing import Any

from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.networks import network_title
from stratacam.report.content import StudyContent, subject_label
from stratacam.report.numbers import NOT_KNOWN, decimal, estimate, interval, listed, small
from stratacam.report.tables.table import Table, warned
from stratacam.study.sample_size_words import sample_size_paragraph, sample_size_rows

LISTED = 200
"""Subjects on the page; the others are in the file."""

DECIDED_BY = {
    "subjects": "subjects, mean probability",
    "subjects_majority": "subjects, majority of slices",
    "slices": "slices",
}
UNITS = ("subjects", "slices")


def metrics_table(study: StudyContent) -> Table:
    """Accuracies of the first network with chance, intervals and p-values."""
    rows = tuple(
        (
            title,
            _in_words(name),
            decimal(found["value"]),
            decimal(found["chance"]),
            interval(found["interval"]),
            _p_value(study, unit, name, found["p_value"]),
        )
        for unit, title in _decided_by(study).items()
        for name in ("accuracy", "balanced_accuracy", "macro_auroc")
        if (found := study.metrics.get(unit, {}).get(name))
    )
    held_out = "held-out slices" if study.by_slice else "held-out subjects"
    return Table(
        warned(f"Results of {study.title_of(study.main)} on the {held_out}", study),
        ("of", "measure", "value (0 to 1)", "chance", "95 % interval", "p"),
        rows,
        note="Slices are not independent, so intervals and p-values are of subjects. Each number is explained in "
        "“How the numbers are obtained” below." + _how_to_test(study),
    )


def _decided_by(study: StudyContent) -> dict[str, str]:
    """`DECIDED_BY`; of a network of volumes subjects alone, as there is one for each scan."""
    return DECIDED_BY if study.card.dimensions == 2 else {"subjects": "subjects"}


def _units(study: StudyContent) -> tuple[str, ...]:
    return UNITS if study.card.dimensions == 2 else UNITS[:1]


def _p_value(study: StudyContent, unit: str, name: str, found: float | None) -> str:
    """The p-value of a number of the first network; "not tested" where folds are pooled and it was not asked for."""
    if unit == "slices" or study.metrics["folds"] == 1:
        return small(found)
    permuted = study.permutations.get(name) if unit == "subjects" else None
    return small(permuted["p_value"]) if permuted else "not tested"


def _how_to_test(study: StudyContent) -> str:
    if study.metrics["folds"] == 1:
        return ""
    if study.permutations:
        return f" p: from {study.permutations['permutations']} trainings on permuted groups in every fold."
    return (
        " Not tested: predictions are pooled over folds, so that a p-value needs training on permuted groups: "
        "`stratacam permute`."
    )


def class_table(study: StudyContent) -> Table:
    """Sensitivity, specificity and AUROC of each class, by the first network."""
    rows = tuple(
        (
            unit,
            name,
            *(estimate(scores[measure][name]) for measure in ("sensitivity", "specificity", "auroc")),
        )
        for unit in _units(study)
        if (scores := study.metrics.get(unit))
        for name in study.metrics["classes"]
    )
    return Table(
        warned(f"Each group against the others, {study.title_of(study.main)}", study),
        ("of", "group", "sensitivity", "specificity", "AUROC"),
        rows,
        note="Shares, 0 to 1. In brackets: 95 % intervals over subjects.",
    )


def probabilities_table(study: StudyContent) -> Table:
    """How good the first network's probabilities are, before and after temperature scaling."""
    rows = tuple(
        (
            unit,
            _in_words(name),
            estimate(scores[name]),
            estimate(scores["calibrated"] and scores["calibrated"][name]),
            NOT_KNOWN if scores[name]["chance"] is None else decimal(scores[name]["chance"]),
        )
        for unit in _units(study)
        if (scores := study.metrics.get(unit))
        for name in ("brier", "log_loss", "expected_calibration_error")
    )
    return Table(
        warned(f"Probabilities of {study.title_of(study.main)}", study),
        ("of", "measure", "as given", "after temperature scaling", "chance"),
        rows,
        note="Lower is better. Brier score: 0 to 2. Log loss: nats. Calibration error: 0 to "
        f"1.{_made_worse(study.metrics['subjects'])}",
    )


def _made_worse(scores: Mapping[str, Any]) -> str:
    """Which measures of subjects temperature scaling has made worse; "" if none or not done."""
    calibrated = scores["calibrated"]
    worse = [
        f"{_in_words(name)} ({decimal(before)} to {decimal(after)})"
        for name in ("brier", "log_loss", "expected_calibration_error")
        if calibrated
        for before, after in [(scores[name]["value"], calibrated[name]["value"])]
        if decimal(after) > decimal(before)
    ]
    if not worse:
        return ""
    return f" The temperature is fitted to validation slices; for held-out subjects it made {listed(worse)} worse."


def comparison_table(study: StudyContent) -> Table | None:
    """Every network, seed and baseline; None where they were not compared."""
    rows = study.comparison.get("rows")
    if not rows:
        return None
    first = study.title_of(study.main)
    left_out = study.baselines.get("left_out", {})
    absent = "; ".join(f"{_in_words(name)} ({reason})" for name, reason in left_out.items())
    unmoved = study.baselines.get("not_harmonised", {})
    scores = {
        "accuracy": "accuracy",
        "macro_auroc": "macro AUROC",
        "brier": "Brier score (0 to 2)",
        "expected_calibration_error": "calibration error (0 to 1)",
    }
    columns = ("classifier", "subjects", "balanced accuracy", *scores.values(), f"{first} minus this", "p")
    titles = {model.name: study.title_of(model) for model in study.models}

    def compared(row: Mapping[str, Any]) -> tuple[str, ...]:
        difference = row["against_first"] and row["against_first"]["balanced_accuracy"]
        return (
            titles.get(row["name"], row["title"]),
            str(row["subjects"]),
            estimate(row["balanced_accuracy"]),
            *(NOT_KNOWN if row[name] is None else decimal(row[name]["value"]) for name in scores),
            estimate(difference),
            small(difference["p_value"]) if difference else NOT_KNOWN,
        )

    return Table(
        warned("Networks and baselines", study),
        columns,
        tuple(map(compared, rows)),
        note=f"Per subject. In brackets: 95 % intervals. “{first} minus this”: difference of balanced accuracy over "
        "the same subjects. p: two-sided, by swapping the two in each subject at random, where folds are not pooled. "
        "A dash: none, or other subjects were held out. p-values are not corrected for their number."
        + (" Baselines learn from training and validation subjects." if len(rows) > len(study.models) else "")
        + (f" Baselines left out: {absent}." if absent else "")
        + (f" Held-out scans whose measures could not be harmonised: {len(unmoved)}." if unmoved else ""),
    )


def leakage_table(study: StudyContent) -> Table | None:
    """Balanced accuracy by subject and by slice, true and shuffled groups; None where it was not measured."""
    if not study.leakage:
        return None
    rows = tuple(
        (
            row["unit"] + (" (inflated)" if row["unit"] == "slice" else ""),
            row["labels"],
            *(
                f"{decimal(row[unit][value])} ({interval((row[unit][low], row[unit][high]))})"
                for unit in ("slices", "subjects")
                for value, low, high in (("value", "low", "high"), ("chance", "chance_low", "chance_high"))
            ),
        )
        for row in study.leakage["conditions"]
    )
    seeds = len(study.leakage["seeds"])
    network = network_title(study.leakage["network"])
    return Table(
        f"Leakage: {network} by subject and by slice (by slice: {SLICES_OF_ONE_PERSON})",
        ("split by", "groups", "balanced accuracy of slices", "chance", "of subjects", "chance"),
        rows,
        note=f"Mean over {seeds} seed{'s' if seeds > 1 else ''}. In brackets: 95 % interval over subjects; for chance, "
        "the middle 95 % with the groups of the held-out subjects permuted. Shuffled: groups were exchanged at random "
        "among the subjects before training, so that there was nothing to learn.",
    )


def sample_size_table(study: StudyContent) -> Table | None:
    """What the numbers of the study can show; None where it is not known."""
    if not study.sample_size:
        return None
    return Table(
        "What so many subjects can show",
        ("question", "answer"),
        tuple(sample_size_rows(study.sample_size)),
        note=f"{sample_size_paragraph(study.sample_size)} Found by simulation, with the intervals of this report. A "
        "difference is easier to show between classifiers that are wrong of the same subjects.",
    )


def predictions_table(study: StudyContent) -> Table:
    """Held-out subjects: fold, group, prediction, probabilities."""
    folds = study.fold_of
    rows = tuple(
        (
            subject,
            *((str(folds.get(subject, NOT_KNOWN)),) if folds else ()),
            row["group"],
            row["predicted"],
            "right" if row["group"] == row["predicted"] else "wrong",
            *(decimal(float(row[f"p_{name}"])) for name in study.card.classes),
        )
        for row in study.predictions[:LISTED]
        for subject in (subject_label(row["subject"]),)
    )
    more = len(study.predictions) - len(rows)
    by_network = f" by {study.title_of(study.main)}" if len(study.models) > 1 else ""
    title = "Subjects by their test slices" if study.by_slice else "Held-out subjects"
    fold = ("fold",) if folds else ()
    return Table(
        warned(title + by_network, study),
        ("subject", *fold, "group", "predicted", "result", *(f"p {name}" for name in study.card.classes)),
        rows,
        note="Mean probabilities over the slices of each subject."
        + (f" … {more} more in evaluation/{study.main.name}/predictions_subjects.tsv." if more else ""),
    )


def _in_words(name: str) -> str:
    return name.replace("_", " ").replace("auroc", "AUROC").replace("brier", "Brier score")
