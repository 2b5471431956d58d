"""The command that writes a finished study to a tracker of experiments."""

from typing import Annotated

import typer

from stratacam.cli.options import Results, conclude


def log_to(
    tracker: Annotated[str, typer.Argument(metavar="TRACKER", help="Tracker: tensorboard or mlflow.")],
    study: Results,
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="Folder, new or empty for TensorBoard; for MLflow also the address of a server.",
        ),
    ],
) -> None:
    """Write a finished study to TensorBoard or MLflow: settings, curves of training, scores, figures."""
    from stratacam.study.folders import study_folders

    folders = study_folders(study)  # before what takes seconds to import
    from stratacam.export.trackers import log_to as do_log

    look = do_log(tracker, folders, out)
    conclude(out, then=f"Look: {look}")
