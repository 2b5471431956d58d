"""A trained model as a task of a worker process names it, and loads it once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from stratacam.maps import ExplainSettings, explain_scan
from stratacam.networks import ModelCard, is_reference, load_model, source_file
from stratacam.study.keys import NOT_IN_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from stratacam.scans.prepared import PreparedScan
    from stratacam.study.runs import Run
    from stratacam.study.study import Study

MOST_LOADED = 8
"""Models that a worker holds at once: about 60 MB each."""


@dataclass(frozen=True)
class TrainedModel:
    """Where a trained model is, the key of its training, where it is to run, and its network if a user wrote it."""

    folder: Path = field(metadata=NOT_IN_KEY)
    key: str
    device: str
    network: str | None = field(default=None, metadata=NOT_IN_KEY)


def trained_model(study: Study, run: Run) -> TrainedModel:
    """The model of a run that has been trained."""
    folder = study.folders.models / run.name
    return TrainedModel(
        folder, study.work.ledger.made[folder], study.configuration.run.device, network_argument(run.network)
    )


def network_argument(network: str) -> str | None:
    """What `load_model` must be told: the reference of a network that the user wrote and named in the study."""
    return network if is_reference(network) else None


def network_files(network: str | None) -> list[Path]:
    """The file of a network that the user wrote."""
    return [source_file(network)] if network else []


@lru_cache(maxsize=MOST_LOADED)
def load_once(trained: TrainedModel) -> tuple[nn.Module, ModelCard]:
    """The model on its device, in evaluation mode, and its card; loaded once in each worker."""
    model, card = load_model(trained.folder, trained.network)
    return model.to(trained.device).eval(), card


def explain(trained: TrainedModel, scan: PreparedScan, out: Path, explain: ExplainSettings) -> None:
    """Write the maps of a scan below `out`."""
    model, card = load_once(trained)
    explain_scan(model, card, scan, out, explain)
