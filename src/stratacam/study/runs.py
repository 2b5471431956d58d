"""The trainings of a study: every network, seed and fold is one run, independent of the others."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from stratacam.errors import InputError
from stratacam.files import read_json
from stratacam.networks import network_title, short_name
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.folders import StudyFolders
from stratacam.study.keys import NOT_IN_KEY


@dataclass(frozen=True, order=True)
class Run:
    """One training.

    Attributes:
        network: the architecture, or the reference of a user's function.
        seed: of the split, the first weights of the head, shuffling and augmentation.
        fold: from 1; 0 where there is one split.
    """

    network: str = field(metadata=NOT_IN_KEY)
    seed: int
    fold: int

    @property
    def model(self) -> str:
        """What the folds of one network and seed share, such as "network_seed-0": their predictions are pooled."""
        return f"{short_name(self.network)}_seed-{self.seed}"

    @property
    def title(self) -> str:
        """Network and seed for readers, such as "small CNN (seed 0)"."""
        return f"{network_title(self.network)} (seed {self.seed})"

    @property
    def name(self) -> str:
        """Such as "network_seed-0_fold-1", or "network_seed-0" where there is one split."""
        return f"{self.model}_fold-{self.fold}" if self.fold else self.model


@dataclass(frozen=True)
class TrainedRun:
    """A run that is done, and the subjects that it held out; none where slices were split."""

    run: Run
    held_out: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        names = {"name": self.run.name, "model": self.run.model}
        return {**names, **asdict(self.run), "held_out": list(self.held_out)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `as_json` gave."""
        return cls(Run(content["network"], content["seed"], content["fold"]), tuple(content["held_out"]))


def models_of(configuration: StudyConfiguration) -> list[Run]:
    """Every network and seed, as runs without a fold; the first is the one that is explained.

    Raises:
        InputError: two networks would have one name.
    """
    networks = configuration.network.architectures
    if len({short_name(network) for network in networks}) < len(networks):
        raise InputError(
            f"network.architecture: {', '.join(networks)} would go by one name; give their functions different names."
        )
    return [Run(network, seed, 0) for network in networks for seed in configuration.seeds]


def is_of_these_models(folders: StudyFolders, measured: Mapping[str, Any]) -> bool:
    """Whether what was measured, by its JSON, is of models as they are trained now."""
    trained: Mapping[str, str] = measured.get("trained", {})
    return all(
        read_json(folders.records / "train" / f"{name}.json").get("key") == key
        for name, key in trained.items()
    )


def read_runs(file: Path) -> list[TrainedRun]:
    """Read the trainings of a study.

    Raises:
        InputError: there is no such list.
    """
    content = read_json(file)
    if not content.get("runs"):
        raise InputError(f"{file}: lists no trained model; run the study with `stratacam run`.")
    return [TrainedRun.from_json(entry) for entry in content["runs"]]
