"""Is a network of a study better than chance, where its predictions are pooled over folds?

`stratacam permute` trains the first network again on permuted groups, in every fold. Permuting the groups of held-out
subjects alone is no valid test there: each fold's model learned from the groups of the others' held-out subjects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import read_json, write_json
from stratacam.learning import Split, apply_temperature, hold_out_again, make_dataset
from stratacam.learning.evaluation.evaluate import subject_probabilities
from stratacam.learning.evaluation.retrained import (
    Permuted,
    permute_within_folds,
    rank_p_value,
    score_permuted,
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

STEP = "permutations"


def measure_permutations(
    configuration: StudyConfiguration,
    console: Console,
    *,
    times: int,
    workers: Workers | None = None,
    force: Sequence[str] = (),
) -> tuple[dict[str, Any], Outcome]:
    """Train the first network and seed again on permuted groups; write the scores and the p-values.

    Groups are permuted among the subjects that a fold holds out, so that folds stay as balanced as they are; the
    validation part is drawn again. A larger number of permutations adds to those that are there.

    Returns:
        The content of `permutations.json` in the study's folder, and what came of the study.

    Raises:
        InputError: the study has no folds, or has not been run.
    """
    check_networks(configuration)
    with open_study(configuration, console, workers=workers, force=force) as study:
        cohort = prepare_cohort(study).cohort
        planned = plan_runs(configuration, study.folders, cohort, configuration.split)
        planned = [plan for plan in planned if plan.run.model == planned[0].run.model]
        model = planned[0].run.model
        if len(planned) == 1:
            raise InputError(
                "permute: found a study of one split; expected one of several folds: the p-values of one split are "
                f"exact already, see evaluation/{model}/metrics.json."
            )
        metrics = study.folders.evaluation / model / "metrics.json"
        observed = read_json(metrics, "run `stratacam run` first.")["subjects"]
        plans: dict[str, Planned] = {}
        entries = {}
        drawn = []
        for number, labels in enumerate(permuted_labels(cohort, planned, times, configuration.seed)):
            permuted = with_groups(cohort, labels)
            names = []
            for plan in planned:
                name = f"{short_name(plan.run.network)}_permutation-{number:04}_fold-{plan.run.fold}"
                plan = _again(configuration, plan, permuted)  # noqa: PLW2901 - the same plan on other groups
                out = study.folders.permutations / "runs" / name
                entries[name] = training_of(study, permuted, plan, name=name, out=out)
                plans[name] = plan
                names.append(name)
            drawn.append((permuted, names))
        do_trainings(study, cohort, plans, entries, STEP)
        scores = score_permuted(_predicted(study, drawn))
        content = {
            "network": model,
            "permutations": times,
            "trained": {plan.run.name: model_of(study, cohort, plan).key for plan in planned},
            "methods": "groups permuted among the subjects of each fold, and every fold trained again; p: share of "
            "permutations that score as high, the observed one counted",
        }
        for name in ("balanced_accuracy", "macro_auroc"):
            value, found = observed[name]["value"], getattr(scores, name)
            content[name] = {
                "value": value,
                "p_value": rank_p_value(value, found),
                "permuted": sorted(found.tolist()),
            }
        write_json(study.folders.permutations / "permutations.json", content)
    return content, study.outcome


def permuted_labels(
    cohort: Cohort, planned: Sequence[Planned], times: int, seed: int
) -> list[dict[str, str]]:
    """Subject to group, permuted within the folds; those whose group changes between sessions keep theirs."""
    labels = cohort.labels()
    subjects = sorted(labels)
    place = {subject: number for number, subject in enumerate(subjects)}
    changing = {scan.subject for scan in cohort.pictures if scan.group != labels[scan.subject]}
    folds = [
        np.array([place[subject] for subject in plan.split.test])
        for plan in planned
        if isinstance(plan.split, Split)
    ]
    codes = np.array([cohort.classes.index(labels[subject]) for subject in subjects])
    fixed = np.array(sorted(place[subject] for subject in changing), dtype=np.int64)
    drawn = [
        permute_within_folds(codes, folds, 1, fixed=fixed, seed=(seed, number))[0] for number in range(times)
    ]
    return [dict(zip(subjects, (cohort.classes[code] for code in one), strict=True)) for one in drawn]


def with_groups(cohort: Cohort, labels: Mapping[str, str]) -> Cohort:
    """The cohort with other groups; scans in another group than the subject's first keep theirs."""
    first = cohort.labels()
    pictures = tuple(
        replace(scan, group=labels[scan.subject]) if scan.group == first[scan.subject] else scan
        for scan in cohort.pictures
    )
    return replace(cohort, pictures=pictures)


def _again(configuration: StudyConfiguration, plan: Planned, cohort: Cohort) -> Planned:
    """The plan with the same subjects held out, and validation subjects by the permuted groups."""
    held_out = cast("Split", plan.split).test
    split = hold_out_again(
        cohort.labels(), held_out, configuration.split, seed=plan.run.seed, clusters=cohort.clusters
    )
    return replace(plan, split=split)


def _predicted(study: Study, drawn: Sequence[tuple[Cohort, Sequence[str]]]) -> Permuted:
    """The held-out subjects' probabilities by the models of every permutation."""
    label, probabilities = [], []
    for cohort, names in drawn:
        found = [read_predictions(study.folders.permutations / "runs" / name / PREDICTIONS) for name in names]
        rows = np.concatenate([one.row for one in found])
        order = np.argsort(rows)
        logits = np.concatenate([one.logits for one in found])[order]
        dataset = make_dataset(cohort.pictures, cohort.classes).take(rows[order])
        label.append(dataset.subject_labels())
        probabilities.append(subject_probabilities(dataset, apply_temperature(logits, 1.0)))
    return Permuted(np.array(label), np.array(probabilities))
