"""Networks scored on the subjects that their runs held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
from stratacam.study.study import Study
from stratacam.study.training import PREDICTIONS, read_predictions


@dataclass(frozen=True)
class Score:
    """A network and seed, scored on the subjects that its runs held out; `warning` goes with every number."""

    predictions: tuple[Path, ...]
    pictures: tuple[ScanPictures, ...]
    classes: tuple[str, ...]
    seed: int
    warning: str
    out: Path

    @property
    def outputs(self) -> tuple[Path]:
        return (self.out,)

    def do(self) -> None:
        found = [read_predictions(file) for file in self.predictions]
        rows = np.concatenate([one.row for one in found])
        order = np.argsort(rows)
        logits = np.concatenate([one.logits for one in found])
        calibrated = np.concatenate([one.logits / one.temperature for one in found])
        evaluation = evaluate(
            make_dataset(self.pictures, self.classes).take(rows[order]),
            apply_temperature(logits[order], 1.0),
            calibrated=apply_temperature(calibrated[order], 1.0),
            folds=len(self.predictions),
            seed=self.seed,
        )
        write_evaluation(self.out, evaluation, part="test", warning=self.warning)


def evaluate_models(study: Study, cohort: Cohort, planned: Sequence[Planned]) -> None:
    """Score every network and seed on the subjects that its runs held out.

    Predictions of the folds are pooled: every subject is predicted once, by the run that did not see it.
    """
    for model in dict.fromkeys(plan.run.model for plan in planned):
        runs = [plan for plan in planned if plan.run.model == model]
        score = Score(
            predictions=tuple(study.folders.models / plan.run.name / PREDICTIONS for plan in runs),
            pictures=cohort.pictures,
            classes=cohort.classes,
            seed=study.configuration.seed,
            warning=SLICES_OF_ONE_PERSON if runs[0].split.unit == "slice" else "",
            out=study.folders.evaluation / model,
        )
        study.work.once("evaluate", score, item=model)
