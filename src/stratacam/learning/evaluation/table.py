"""Every network and baseline in one table, each against the first network on the same subjects."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stratacam.files import read_json, read_table, write_json, write_table
from stratacam.learning.evaluation.comparison import compare
from stratacam.learning.evaluation.sample_size import smallest_difference

MEASURES = ("accuracy", "balanced_accuracy", "macro_auroc", "brier", "expected_calibration_error")


def write_comparison(folder: Path, titles: Mapping[str, str], *, first: str, seed: int = 0) -> None:
    """Write `comparison.json`, and `comparison.tsv` with the same numbers, from evaluations in `folder`.

    Args:
        folder: with a subfolder for each evaluation, see `write_evaluation`.
        titles: name of the subfolder to what it is in words, in the order of the table.
        first: the evaluation that the others are compared with, as first minus other, with the smallest difference
            that would mostly be seen; one that held other subjects out is not compared.
        seed: of swaps.
    """
    subjects = {name: _subjects(folder / name) for name in titles}
    rows = []
    for name, title in titles.items():
        metrics = read_json(folder / name / "metrics.json", "run the study again")
        labels, probabilities = subjects[name]
        evaluated = {"name": name, "title": title, "subjects": len(labels)}
        scores = {measure: metrics["subjects"][measure] for measure in MEASURES}
        against = smallest = None
        if name != first and labels == subjects[first][0]:
            numbers = [metrics["classes"].index(group) for group in labels.values()]
            against = compare(
                numbers, subjects[first][1], probabilities, folds=metrics["folds"], seed=seed
            ).as_json()
            smallest = smallest_difference(
                list(Counter(labels.values()).values()),
                scores["balanced_accuracy"]["value"],
                folds=metrics["folds"],
                seed=seed,
            )
        rows.append(
            {
                **evaluated,
                **scores,
                "against_first": against,
                "smallest_difference": smallest,
                "warning": metrics.get("warning", ""),
            }
        )
    write_json(folder / "comparison.json", {"first": first, "rows": rows})
    columns = ["name", "title", "subjects"]
    columns += [f"{measure}{part}" for measure in MEASURES for part in ("", "_low", "_high", "_p")]
    columns += ["balanced_accuracy_gain_of_first", "gain_low", "gain_high", "gain_p", "warning"]
    table = [columns, *(_cells(row) for row in rows)]
    write_table(folder / "comparison.tsv", table)


def _subjects(folder: Path) -> tuple[dict[str, str], npt.NDArray[np.float64]]:
    """Subject to group, and the subjects' probabilities (subjects, classes)."""
    rows = sorted(read_table(folder / "predictions_subjects.tsv"), key=lambda row: row["subject"])
    columns = [name for name in rows[0] if name.startswith("p_")]
    groups = {row["subject"]: row["group"] for row in rows}
    return groups, np.array([[float(row[column]) for column in columns] for row in rows])


def _cells(row: Mapping[str, Any]) -> list[str]:
    cells = [row["name"], row["title"], str(row["subjects"])]
    for measure in MEASURES:
        cells += _estimate(row[measure])
    against = row["against_first"]
    return [*cells, *_estimate(against and against["balanced_accuracy"]), row["warning"]]


def _estimate(estimate: Mapping[str, Any] | None) -> list[str]:
    """Value, lower and upper end of the interval, and p-value; "n/a" where there is none."""
    if estimate is None:
        return ["n/a"] * 4
    low, high = estimate["interval"] or (None, None)
    return [
        "n/a" if number is None else f"{number:.4g}"
        for number in (estimate["value"], low, high, estimate.get("p_value"))
    ]
