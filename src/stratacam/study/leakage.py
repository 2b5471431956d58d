"""What slices of one person on both sides of the split do to accuracy, measured on the study's own cohort.

The first network is trained with the same fractions by subject and by slice, each with the true groups and with
groups that are shuffled over the subjects. Shuffled groups hold nothing to learn: what accuracy remains is the
recognition of persons. E. Yagis et al., "Effect of data leakage in brain MRI classification using 2D convolutional
neural networks" (2021), found 96 per cent by slice against 50 per cent by subject.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.learning import (
    PARTS,
    SLICES_OF_ONE_PERSON,
    Pooled,
    ScanPictures,
    SliceDataset,
    SplitSettings,
    apply_temperature,
    make_dataset,
    pool_seeds,
)
from stratacam.networks import short_name
from stratacam.study.cohort import Cohort
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.execution import Workers
from stratacam.study.network_check import check_networks
from stratacam.study.planning import Planned, plan_runs
from stratacam.study.prepared_cohort import prepare_cohort
from stratacam.study.steps.train import do_trainings, model_of, training_of
from stratacam.study.study import Outcome, Study, open_study
from stratacam.study.training import PREDICTIONS, read_predictions

Unit = Literal["subject", "slice"]
Labels = Literal["true", "shuffled"]


@dataclass(frozen=True)
class Condition:
    """How slices are split, and whether the groups are the true ones."""

    unit: Unit
    labels: Labels

    @property
    def name(self) -> str:
        """Such as "by-slice_shuffled"."""
        return f"by-{self.unit}_{self.labels}"


CONDITIONS = tuple(
    Condition(unit, labels) for unit in ("subject", "slice") for labels in ("true", "shuffled")
)


def measure_leakage(
    configuration: StudyConfiguration,
    console: Console,
    *,
    seeds: int,
    workers: Workers | None = None,
    force: Sequence[str] = (),
) -> tuple[dict[str, Any], Outcome]:
    """Train by subject and by slice, with true and with shuffled groups; write what came of it.

    There are `seeds` trainings of each kind, each with a split and a shuffle of its own. The study's prepared scans and
    activations are used where there are any.

    Returns:
        The content of `leakage.json` in the study's folder, and what came of the study.

    Raises:
        InputError: if the study as a whole cannot be done.
    """
    if configuration.pictures.dimensions == 3:
        raise InputError(
            "pictures.dimensions: found 3, where a scan is one volume; expected 2, as leakage compares splits by "
            "subject with splits by slice: measure it of networks of slices."
        )
    check_networks(configuration)
    with open_study(configuration, console, workers=workers, force=force) as study:
        cohort = prepare_cohort(study).cohort
        plans: dict[str, Planned] = {}
        entries = {}
        cohorts: dict[str, Cohort] = {}
        names: dict[Condition, list[str]] = {condition: [] for condition in CONDITIONS}
        for condition in CONDITIONS:
            for number in range(seeds):
                one, plan = _plan(study, cohort, condition, configuration.seed + number)
                name = f"{short_name(plan.run.network)}_{condition.name}_seed-{plan.run.seed}"
                out = study.folders.leakage / "runs" / name
                entries[name] = training_of(study, one, plan, name=name, out=out)
                plans[name], cohorts[name] = plan, one
                names[condition].append(name)
        do_trainings(study, cohort, plans, entries, "leakage")
        found = {
            condition: [_predicted(study, cohorts[name], name) for name in names[condition]]
            for condition in CONDITIONS
        }
        first = plan_runs(configuration, study.folders, cohort, configuration.split)[0]
        content = _summary(configuration, cohort, found, seeds)
        content["trained"] = {first.run.name: model_of(study, cohort, first).key}
        write_json(study.folders.leakage / "leakage.json", content)
    return content, study.outcome


def shuffle_groups(
    pictures: Sequence[ScanPictures], labels: Mapping[str, str], seed: int
) -> tuple[ScanPictures, ...]:
    """Give every subject the group of one drawn at random, all its scans alike; group sizes stay as they are."""
    subjects = sorted(labels)
    shuffled = np.random.default_rng([seed, 3]).permutation([labels[subject] for subject in subjects])
    drawn = dict(zip(subjects, shuffled.tolist(), strict=True))
    return tuple(replace(scan, group=drawn[scan.subject]) for scan in pictures)


def _plan(study: Study, cohort: Cohort, condition: Condition, seed: int) -> tuple[Cohort, Planned]:
    """The one training of a condition and seed, and the cohort with the groups that it is to learn."""
    configuration = study.configuration
    if condition.labels == "shuffled":
        cohort = replace(cohort, pictures=shuffle_groups(cohort.pictures, cohort.labels(), seed))
    settings = configuration.split
    split = SplitSettings(
        unit=condition.unit,
        folds=1,
        group_by=settings.group_by if condition.unit == "subject" else None,
        **{part: getattr(settings, part) for part in PARTS},
    )
    network = configuration.network
    only = configuration.model_copy(
        update={
            "seed": seed,
            "repeats": 1,
            "network": network.model_copy(update={"architecture": network.architectures[0]}),
        }
    )
    (plan,) = plan_runs(only, study.folders, cohort, split, kept_seed=configuration.seed)
    return cohort, plan


def _predicted(study: Study, cohort: Cohort, name: str) -> tuple[SliceDataset, Any]:
    """The held-out slices of a training and their probabilities."""
    predictions = read_predictions(study.folders.leakage / "runs" / name / PREDICTIONS)
    dataset = make_dataset(cohort.pictures, cohort.classes).take(predictions.row)
    return dataset, apply_temperature(predictions.logits, 1.0)


def _summary(
    configuration: StudyConfiguration,
    cohort: Cohort,
    found: Mapping[Condition, list[tuple[SliceDataset, Any]]],
    seeds: int,
) -> dict[str, Any]:
    def numbers(pooled: Pooled) -> dict[str, Any]:
        return {
            "value": pooled.value,
            "low": pooled.interval[0],
            "high": pooled.interval[1],
            "chance": 1 / len(cohort.classes),
            "chance_low": pooled.chance[0],
            "chance_high": pooled.chance[1],
            "per_seed": list(pooled.per_seed),
        }

    conditions = []
    for condition, predicted in found.items():
        slices, subjects = pool_seeds(predicted, seed=configuration.seed)
        conditions.append(
            {
                "unit": condition.unit,
                "labels": condition.labels,
                "slices": numbers(slices),
                "subjects": numbers(subjects),
            }
        )
    return {
        "network": configuration.network.architectures[0],
        "seeds": [configuration.seed + number for number in range(seeds)],
        "classes": list(cohort.classes),
        "measure": "balanced accuracy",
        "folds": 1,
        "conditions": conditions,
        "methods": "mean over seeds; 95 % interval over resamples of subjects, each with all its slices in all seeds; "
        "chance: middle 95 % of what the same predictions give when the held-out subjects' groups are permuted",
        "warning": f"by slice: {SLICES_OF_ONE_PERSON}",
    }
