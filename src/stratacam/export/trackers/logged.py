"""What a study has for a tracker: parameters, curves of training, scores, figures."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stratacam.networks import short_name
from stratacam.report.content import StudyContent, read_study
from stratacam.report.page.privacy import Privacy
from stratacam.study.folders import StudyFolders

SCORES = ("balanced_accuracy", "accuracy", "macro_auroc", "brier", "log_loss", "expected_calibration_error")
BASELINE = "baseline_"


@dataclass(frozen=True)
class LoggedRun:
    """A training, the evaluation of a network over its folds, or a baseline.

    Attributes:
        name: as in the study's folders.
        parameters: of it alone.
        curves: name to its value after every epoch.
        scores: of held-out subjects; with `_low` and `_high`, the ends of 95 % intervals.
    """

    name: str
    parameters: Mapping[str, str]
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Logged:
    """A study.

    Attributes:
        name: what its settings call it.
        parameters: its settings, by name ("training.epochs"); paths are shortened to their last part.
        runs: trainings, evaluations and baselines.
        figures: PNG files of the report.
    """

    name: str
    parameters: Mapping[str, str]
    runs: tuple[LoggedRun, ...]
    figures: tuple[Path, ...]


def read_logged(folders: StudyFolders) -> Logged:
    """Read what a finished study has for a tracker.

    Raises:
        InputError: the study is unfinished or damaged.
    """
    study = read_study(folders)
    privacy = Privacy.of(study)
    settings = {
        name: privacy.without_paths(value if isinstance(value, str) else json.dumps(value))
        for name, value in _flat(study.configuration)
        if value is not None
    }
    figures = tuple(sorted(folders.figures.glob("*.png")))
    return Logged(study.configuration.get("name", folders.root.name), settings, tuple(_runs(study)), figures)


def _runs(study: StudyContent) -> Iterator[LoggedRun]:
    for model in study.models:
        of_model = {"network": short_name(model.network), "seed": str(model.seed)}
        warning = {"warning": model.metrics["warning"]} if "warning" in model.metrics else {}
        scores = _scores(model.metrics["subjects"])
        for trained in model.runs:
            history = model.histories.get(trained.run.name, {"epochs": [], "best_epoch": None})
            parameters = {**of_model, "best_epoch": str(history["best_epoch"])}
            if model.folds:
                yield LoggedRun(
                    trained.run.name,
                    {**parameters, "fold": str(trained.run.fold)},
                    _curves(history["epochs"]),
                )
            else:
                yield LoggedRun(
                    trained.run.name, {**parameters, **warning}, _curves(history["epochs"]), scores
                )
        if model.folds:
            yield LoggedRun(model.name, {**of_model, "folds": str(model.folds), **warning}, {}, scores)
    for row in study.comparison.get("rows", ()):
        if row["name"].startswith(BASELINE):
            yield LoggedRun(row["name"], {"title": row["title"]}, {}, _scores(row))


def _curves(epochs: Sequence[Mapping[str, float | None]]) -> dict[str, list[float]]:
    names = dict.fromkeys(name for epoch in epochs for name, value in epoch.items() if value is not None)
    return {name: [float(epoch[name] or 0) for epoch in epochs] for name in names}


def _scores(found: Mapping[str, Any]) -> dict[str, float]:
    scores = {}
    for name in SCORES:
        score = found.get(name)
        if score is None or score["value"] is None:
            continue
        scores[name] = float(score["value"])
        for end, limit in zip(("low", "high"), score.get("interval") or (), strict=False):
            if limit is not None:
                scores[f"{name}_{end}"] = float(limit)
    return scores


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
