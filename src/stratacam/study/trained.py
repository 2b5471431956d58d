"""A trained model as a task names it and a worker process loads it, once."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from torch import nn

from stratacam.maps import Consensus
from stratacam.maps.volumes import for_slices
from stratacam.networks import ModelCard, is_given, is_reference, load_model
from stratacam.networks.precision import Precision
from stratacam.study.devices import computing_on
from stratacam.study.keys import NOT_IN_KEY
from stratacam.study.runs import Run
from stratacam.study.study import Study

MAXIMUM_LOADED = 8
"""Models that a worker holds at once: about 60 MB each."""


@dataclass(frozen=True)
class TrainedModel:
    """A trained model.

    Attributes:
        folder: where it is.
        key: of its training.
        device: where it is to run.
        precision: in which it is to run.
        network: its network if a user wrote it.
        architecture: its network, whoever wrote it; None if only its card says.
    """

    folder: Path = field(metadata=NOT_IN_KEY)
    key: str
    device: str
    network: str | None = field(default=None, metadata=NOT_IN_KEY)
    architecture: str | None = field(default=None, metadata=NOT_IN_KEY)
    precision: Precision = "exact"


def trained_model(study: Study, run: Run) -> TrainedModel:
    """The model of a run that has been trained."""
    folder = study.folders.models / run.name
    named = is_reference(run.network) or is_given(
        run.network
    )  # which may be code, and was named in the study
    network = run.network if named else None
    key, precision = study.work.cache.made[folder], study.configuration.run.precision
    return TrainedModel(folder, key, study.device, network, run.network, precision)


def architectures_of(models: Sequence[TrainedModel]) -> list[str]:
    """The networks of models; empty if those of some are not known."""
    known = [one.architecture for one in models if one.architecture]
    return known if len(known) == len(models) else []


def computing_with(models: Sequence[TrainedModel]) -> AbstractContextManager[None]:
    """While this lasts, networks compute in the precision of these models."""
    return computing_on(models[0].device, models[0].precision)


@lru_cache(maxsize=MAXIMUM_LOADED)
def load_once(trained: TrainedModel) -> tuple[nn.Module, ModelCard]:
    """The model on its device, in evaluation mode, as one of slices, and its card; loaded once in each worker."""
    model, card = load_model(trained.folder, trained.network)
    return for_slices(model.to(trained.device).eval(), card), card


def load_together(models: Sequence[TrainedModel]) -> tuple[nn.Module, list[ModelCard]]:
    """One model, or the consensus of several of one study, as a network; and the card of each."""
    loaded = [load_once(one) for one in models]
    cards = [card for _, card in loaded]
    return (loaded[0][0] if len(loaded) == 1 else Consensus([model for model, _ in loaded])), cards
