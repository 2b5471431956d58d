"""A study for TensorBoard: a folder of events for every run, and one for the study's settings and figures."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from stratacam.errors import InputError
from stratacam.export.trackers.logged import Logged
from stratacam.files import check_writable, whole_folder

STUDY = "study"


def log_tensorboard(logged: Logged, to: str) -> str:
    """Write events below a new or empty folder; return how to look at them.

    Raises:
        InputError: the folder holds something, or cannot be written.
    """
    out = Path(to)
    check_writable(out)
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: holds something; expected a new or empty folder: choose another.")
    writer_of = import_module("torch.utils.tensorboard").SummaryWriter
    read_png = import_module("matplotlib.image").imread
    with whole_folder(out) as temporary:
        with writer_of(str(temporary / STUDY)) as writer:
            writer.add_text("settings", _table(logged.parameters))
            for file in logged.figures:
                writer.add_image(file.stem, read_png(file)[..., :3], dataformats="HWC")
        for run in logged.runs:
            with writer_of(str(temporary / run.name)) as writer:
                writer.add_text("parameters", _table(run.parameters))
                for name, values in run.curves.items():
                    for epoch, value in enumerate(values, start=1):
                        writer.add_scalar(f"training/{name}", value, epoch)
                for name, value in run.scores.items():
                    writer.add_scalar(f"held_out/{name}", value, 0)
    return f"tensorboard --logdir {out}"


def _table(parameters: Mapping[str, str]) -> str:
    rows = (f"| {name} | {value.replace('|', '/')} |" for name, value in parameters.items())
    return "\n".join(["| name | value |", "|---|---|", *rows])
