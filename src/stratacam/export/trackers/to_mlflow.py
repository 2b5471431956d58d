"""A study for MLflow: an experiment, in it a run with settings and figures, and below that a run for each training."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.export.trackers.logged import Logged
from stratacam.files import check_writable

AT_ONCE = 100
"""Parameters that a server takes in one call; 1,000 metrics."""
LONGEST = 6000
"""Characters of a parameter."""
ALLOWED = "MLFLOW_ALLOW_FILE_STORE"
"""Variable without which MLflow 3 keeps no runs in folders."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}
"""Nothing is told to anybody but the server."""


def log_mlflow(logged: Logged, to: str) -> str:
    """Send a study to a tracking server, or a folder; return how to look at it. Every call adds runs.

    Raises:
        InputError: the server or the folder cannot be used.
    """
    in_folder = "://" not in to
    if in_folder:
        check_writable(Path(to))
    uri = Path(to).resolve().as_uri() if in_folder else to
    with _environment(QUIET | ({ALLOWED: "true"} if in_folder else {})):
        mlflow = import_module("mlflow")
        try:
            _log(mlflow, mlflow.MlflowClient(tracking_uri=uri), logged)
        except (mlflow.exceptions.MlflowException, OSError) as fault:
            reason = str(fault).strip().splitlines()[0] if str(fault) else type(fault).__name__
            raise InputError(
                f"{to}: MLflow cannot keep runs there ({reason}); expected a folder, or the address of a tracking "
                "server: correct it, or start the server."
            ) from fault
    return f"{ALLOWED}=true mlflow ui --backend-store-uri {to}" if in_folder else to


def _log(mlflow: Any, client: Any, logged: Logged) -> None:  # noqa: ANN401 - of a package without types
    there = client.get_experiment_by_name(logged.name)
    experiment = there.experiment_id if there else client.create_experiment(logged.name)
    parent = client.create_run(experiment, run_name=logged.name).info.run_id
    _parameters(mlflow, client, parent, logged.parameters)
    for file in logged.figures:
        client.log_artifact(parent, str(file), "figures")
    for run in logged.runs:
        tags = {"mlflow.parentRunId": parent}
        child = client.create_run(experiment, run_name=run.name, tags=tags)
        number, time = child.info.run_id, child.info.start_time
        _parameters(mlflow, client, number, run.parameters)
        metrics = [
            mlflow.entities.Metric(f"training/{name}", value, time, epoch)
            for name, values in run.curves.items()
            for epoch, value in enumerate(values, start=1)
        ]
        metrics += [
            mlflow.entities.Metric(f"held_out/{name}", value, time, 0) for name, value in run.scores.items()
        ]
        for first in range(0, len(metrics), AT_ONCE):
            client.log_batch(number, metrics=metrics[first : first + AT_ONCE])
        client.set_terminated(number)
    client.set_terminated(parent)


def _parameters(mlflow: Any, client: Any, run: str, parameters: Mapping[str, str]) -> None:  # noqa: ANN401 - as above
    given = [mlflow.entities.Param(name, value[:LONGEST]) for name, value in parameters.items()]
    for first in range(0, len(given), AT_ONCE):
        client.log_batch(run, params=given[first : first + AT_ONCE])


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment within this, where the user has not set them: MLflow has no other way."""
    ours = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]
