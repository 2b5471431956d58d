"""Networks scored on the subjects that their runs held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.learning import (
    SLICES_OF_ONE_PERSON,
    ScanPictures,
    apply_temperature,
    evaluate,
    make_dataset,
    write_evaluation,
)
from stratacam.study.cohort import Cohort
from stratacam.study.planning import Planned
from stratacam.study.steps.judged import consensus_name
from stratacam.study.study import Study
from stratacam.study.training import PREDICTIONS, read_predictions

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    """Networks scored on the subjects that their runs held out: one, or the mean logits of several.

    Attributes:
        predictions: by seed, of its folds.
        pictures: of the cohort.
        classes: in the order of the logits.
        seed: of resamples.
        warning: goes with every number.
        out: folder of the scores.
    """

    predictions: tuple[tuple[Path, ...], ...]
    pictures: tuple[ScanPictures, ...]
    classes: tuple[str, ...]
    seed: int
    warning: str
    out: Path

    @property
    def outputs(self) -> tuple[Path]:
        return (self.out,)

    def do(self) -> None:
        rows, logits, calibrated = zip(*(_pooled(files) for files in self.predictions), strict=True)
        common = reduce(np.intersect1d, rows)
        chosen = [np.searchsorted(one, common) for one in rows]
        mean_logits, mean_calibrated = (
            np.mean([one[places] for one, places in zip(found, chosen, strict=True)], axis=0)
            for found in (logits, calibrated)
        )
        evaluation = evaluate(
            make_dataset(self.pictures, self.classes).take(common),
            apply_temperature(mean_logits, 1.0),
            calibrated=apply_temperature(mean_calibrated, 1.0),
            folds=len(self.predictions[0]),
            seed=self.seed,
        )
        write_evaluation(self.out, evaluation, part="test", warning=self.warning)


def evaluate_models(study: Study, cohort: Cohort, planned: Sequence[Planned]) -> None:
    """Score every network and seed on the subjects that its runs held out, and all seeds together where maps are.

    Predictions of the folds are pooled: every subject is predicted once, by the run that did not see it.
    """
    by_network: dict[str, list[str]] = {}
    for plan in planned:
        seeds = by_network.setdefault(plan.run.network, [])
        seeds += [plan.run.model] if plan.run.model not in seeds else []
    scored: dict[str, tuple[str, ...]] = {model: (model,) for seeds in by_network.values() for model in seeds}
    if study.configuration.explain.models == "all":
        scored |= {
            consensus_name(network): tuple(seeds) for network, seeds in by_network.items() if len(seeds) > 1
        }
    for name, models in scored.items():
        score = Score(
            predictions=tuple(
                tuple(
                    study.folders.models / plan.run.name / PREDICTIONS
                    for plan in planned
                    if plan.run.model == model
                )
                for model in models
            ),
            pictures=cohort.pictures,
            classes=cohort.classes,
            seed=study.configuration.seed,
            warning=SLICES_OF_ONE_PERSON if planned[0].split.unit == "slice" else "",
            out=study.folders.evaluation / name,
        )
        study.work.once("evaluate", score, item=name)


def _pooled(files: Sequence[Path]) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Rows of the slices in ascending order, with logits (n, K), as they are and calibrated, of the folds of a seed."""
    found = [read_predictions(file) for file in files]
    rows = np.concatenate([one.row for one in found])
    order = np.argsort(rows)
    logits = np.concatenate([one.logits for one in found])
    calibrated = np.concatenate([one.logits / one.temperature for one in found])
    return rows[order], logits[order], calibrated[order]
