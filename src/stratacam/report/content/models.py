"""What came of each network and seed: its trainings, and the evaluation of all its folds together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stratacam.files import read_json
from stratacam.report.content.files import REPEAT, Row, expect, json_if_there, table_if_there
from stratacam.study.folders import StudyFolders
from stratacam.study.runs import TrainedRun


@dataclass(frozen=True)
class EvaluatedModel:
    """A network and seed.

    Attributes:
        runs: its trainings: one, or one for each fold.
        metrics: content of `metrics.json`.
        reliability: rows of `reliability.tsv`; none where it was not kept.
        histories: of training, by the name of the run; a run whose history was not kept is absent.
    """

    runs: tuple[TrainedRun, ...]
    metrics: Mapping[str, Any]
    reliability: tuple[Row, ...]
    histories: Mapping[str, Mapping[str, Any]]

    @property
    def name(self) -> str:
        """Such as "network_seed-0"."""
        return self.runs[0].run.model

    @property
    def network(self) -> str:
        """The architecture, or the reference of a user's function."""
        return self.runs[0].run.network

    @property
    def seed(self) -> int:
        """Of the split, the first weights and so on."""
        return self.runs[0].run.seed

    @property
    def folds(self) -> int:
        """How many folds there are; 0 where there is one split."""
        return len(self.runs) if self.runs[0].run.fold else 0


def read_models(folders: StudyFolders, runs: Sequence[TrainedRun]) -> tuple[EvaluatedModel, ...]:
    """Read what came of every network and seed, in the order of their first runs.

    Raises:
        InputError: an evaluation is missing or damaged.
    """
    found = []
    for name in dict.fromkeys(trained.run.model for trained in runs):
        its = tuple(trained for trained in runs if trained.run.model == name)
        folder = folders.evaluation / name
        histories = {
            trained.run.name: history
            for trained in its
            if (history := json_if_there(folders.models / trained.run.name / "history.json"))
        }
        metrics = read_json(expect(folder / "metrics.json", f"the evaluation of {name}"), REPEAT)
        found.append(EvaluatedModel(its, metrics, table_if_there(folder / "reliability.tsv"), histories))
    return tuple(found)
