"""What the numbers of a study can show, known before anything is trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratacam.cam import match_layers
from stratacam.evidence.inference import MINIMUM_SUBJECTS
from stratacam.evidence.inference.power import smallest_effect
from stratacam.evidence.measure import measured_fusions
from stratacam.files import write_json
from stratacam.learning import Split, make_splits
from stratacam.learning.evaluation.intervals import POOLED_FOLDS
from stratacam.learning.evaluation.sample_size import (
    accuracy_width,
    auroc_width,
    smallest_accuracy,
    smallest_difference,
    smallest_observed,
    times_for_half,
)
from stratacam.networks import make_network
from stratacam.study.cohort import Cohort
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.study import Study

ASSUMED = (0.6, 0.8, 0.95)
"""Balanced accuracies and AUROCs for which the widths of intervals are given."""

ABOVE_CHANCE = 0.25
"""Of the two classifiers whose difference is looked for, the worse one is so far on the way from chance to 1."""


@dataclass(frozen=True)
class SampleSize:
    """What a study can show.

    Attributes:
        held_out: subjects of every group that are held out, in all folds together.
        folds: how many pool their predictions; 1 for a single split.
        columns: maps that are bounded together: layers times methods.
        seed: of simulated outcomes.
        out: the JSON file.
    """

    held_out: Mapping[str, int]
    folds: int
    columns: int
    seed: int
    out: Path

    @property
    def outputs(self) -> tuple[Path]:
        return (self.out,)

    def do(self) -> None:
        write_json(self.out, what_can_be_shown(self.held_out, self.folds, self.columns, seed=self.seed))


def what_can_be_shown(
    held_out: Mapping[str, int], folds: int, columns: int, *, seed: int = 0
) -> dict[str, Any]:
    """Widths of intervals and smallest effects; arguments as of `SampleSize`. Empty where a group has nobody."""
    counts = list(held_out.values())
    if len(counts) < 2 or min(counts) == 0:
        return {}
    widen, subjects, chance = POOLED_FOLDS if folds > 1 else 1.0, sum(counts), 1 / len(counts)
    worse = chance + ABOVE_CHANCE * (1 - chance)
    observed = smallest_observed(counts, widen=widen)
    return {
        "held_out": dict(held_out),
        "subjects": subjects,
        "folds": folds,
        "chance": chance,
        "balanced_accuracy_width": {
            f"{value:g}": accuracy_width(counts, value, widen=widen, seed=seed) for value in ASSUMED
        },
        "auroc_width": {
            f"{value:g}": auroc_width(counts, value, widen=widen, seed=seed) for value in ASSUMED
        },
        "smallest_observed": observed and observed._asdict(),
        "smallest_accuracy": smallest_accuracy(counts, widen=widen, seed=seed),
        "difference_from": worse,
        "smallest_difference": smallest_difference(counts, worse, folds=folds, seed=seed),
        "subjects_for_half_the_width": round(subjects * times_for_half(counts, ASSUMED[1])),
        "evidence": {
            "subjects_needed": MINIMUM_SUBJECTS,
            "columns": columns,
            "smallest_effect": smallest_effect(subjects, columns),
        },
    }


def held_out_of(
    labels: Mapping[str, str], splits: Sequence[object], classes: Sequence[str]
) -> dict[str, int]:
    """How many subjects of every group the splits hold out; nobody where slices are split."""
    tested = [subject for split in splits if isinstance(split, Split) for subject in split.test]
    return {name: sum(labels[subject] == name for subject in tested) for name in classes}


def count_columns(configuration: StudyConfiguration, classes: int) -> int:
    """Maps of a scan that evidence bounds together: layers, and maps over layers, times methods."""
    settings = configuration.evidence
    name = configuration.network.architectures[0]
    model = make_network(
        name,
        classes,
        channels=configuration.channels,
        weights="none",
        dimensions=configuration.pictures.dimensions,
        branches=configuration.branches,
    )
    maps = (*match_layers(model, settings.layers), *measured_fusions(model, settings))
    return len(maps) * len(settings.methods)


def groups_in_order(configuration: StudyConfiguration, found: Iterable[str]) -> list[str]:
    """The groups that were found, in the study's order."""
    there = set(found)
    return [group for group in configuration.cohort.groups or sorted(there) if group in there]


def forecast_sample_size(
    configuration: StudyConfiguration, labels: Mapping[str, str], clusters: Mapping[str, str]
) -> dict[str, Any]:
    """What a study of these subjects can show, before training.

    Args:
        configuration: of the study.
        labels: subject to group.
        clusters: see `make_splits`.

    Raises:
        InputError: the split cannot be made.
    """
    splits = make_splits(labels, configuration.split, seed=configuration.seed, clusters=clusters)
    classes = groups_in_order(configuration, labels.values())
    held_out = held_out_of(labels, splits, classes)
    columns = count_columns(configuration, len(classes))
    return what_can_be_shown(held_out, len(splits), columns, seed=configuration.seed)


def write_sample_size(study: Study, cohort: Cohort, splits: Sequence[object]) -> None:
    """Write what the numbers of the first network and seed can show."""
    configuration = study.configuration
    task = SampleSize(
        held_out=held_out_of(cohort.labels(), splits, cohort.classes),
        folds=len(splits),
        columns=count_columns(configuration, len(cohort.classes)),
        seed=configuration.seed,
        out=study.folders.sample_size,
    )
    study.work.once("sample_size", task)
