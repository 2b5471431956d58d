"""A trained model as a task of a worker process names it, and loads it once."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import nn

from stratacam.networks import ModelCard, is_reference, load_model
from stratacam.study.runs import Run
from stratacam.study.study import Study

MOST_LOADED = 8
"""Models that a worker holds at once: about 60 MB each."""


@dataclass(frozen=True)
class TrainedModel:
    """Where a trained model is, the key of its training, where it is to run, and its network if a user wrote it."""

    folder: Path
    key: str
    device: str
    network: str | None = None


def trained_model(study: Study, run: Run, key: str) -> TrainedModel:
    """The model of a run that has been trained.

    Args:
        study: that it belongs to.
        run: the training.
        key: of the training's work.
    """
    return TrainedModel(
        study.folders.models / run.name, key, study.configuration.run.device, network_argument(run.network)
    )


def network_argument(network: str) -> str | None:
    """What `load_model` must be told: the reference of a network that the user wrote and named in the study."""
    return network if is_reference(network) else None


@lru_cache(maxsize=MOST_LOADED)
def load_once(trained: TrainedModel) -> tuple[nn.Module, ModelCard]:
    """The model on its device, in evaluation mode, and its card; loaded once in each worker."""
    model, card = load_model(trained.folder, trained.network)
    return model.to(trained.device).eval(), card
